//! The bank's events: tokens that it has signed, verified by its keys, then read. An event names a consent or a payment, and
//! nothing of ours: whose it is, the bank is asked. An event is a hint; what follows from it is not decided here.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use tollgate_domain::Timestamp;
use tollgate_gateway::ports::{
    EventReader, HttpClient, Time,
    provider::{EventRejected, News, ProviderEvent},
};

use super::{
    BankConfig, ConfigError, address,
    api::Api,
    is_plain,
    key::{ISSUED_AT, ISSUER, TRUST_ANCHOR, decode},
    keys::{Keys, NotSigned},
    objects::{Consent, Paid, read},
    reads::{self, NotShown},
    requests,
    view::{Mark, is_id, mark, refund_view},
};
use crate::calls::is_recent;

/// The one kind of event that is used.
const RESOURCE_UPDATE: &str = "urn:uk:org:openbanking:events:resource-update";
const RESOURCE: &str = "http://openbanking.org.uk/rid";
const RESOURCE_KIND: &str = "http://openbanking.org.uk/rty";
const ID_MAX_LEN: usize = 128;
const TYPE_MAX_LEN: usize = 100;
const TOKEN_MAX_LEN: usize = 64 * 1024;
/// Banks try again for days: an old delivery is no forgery, and one that comes twice changes nothing.
const PAST_TOLERANCE: Duration = Duration::from_secs(4 * 24 * 3600);
const FUTURE_TOLERANCE: Duration = Duration::from_secs(300);
/// For asking what the event is about: the bank waits for our answer meanwhile.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// The [`EventReader`] of the bank's events.
pub struct BankEvents {
    audience: String,
    keys: Keys,
    api: Api,
}

impl BankEvents {
    /// Takes what the bank has signed for `audience`, which is how it knows us as a receiver of events.
    pub fn new(
        config: &BankConfig,
        audience: &str,
        http: Arc<dyn HttpClient>,
        time: Arc<dyn Time>,
    ) -> Result<Self, ConfigError> {
        if !is_plain(audience) {
            return Err(ConfigError::Audience);
        }
        let keys = Keys::new(&address(&config.api_url)?, Arc::clone(&http), Arc::clone(&time));
        Ok(Self { audience: audience.to_owned(), keys, api: super::api(config, http, time)? })
    }

    /// The claims of a token that the bank has signed for us.
    async fn verify(&self, body: &Bytes, now: Timestamp) -> Result<Value, EventRejected> {
        let refused = EventRejected::Signature;
        if body.len() > TOKEN_MAX_LEN {
            return Err(refused("a token that is too long"));
        }
        let text = std::str::from_utf8(body).map_err(|_| refused("no token"))?.trim();
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refused("no token"));
        };
        let object = |part: &str| -> Option<Value> { serde_json::from_slice(&decode(part)?).ok() };
        let head = object(header).filter(Value::is_object).ok_or(refused("a header that cannot be read"))?;
        if head["alg"] != "PS256" {
            return Err(refused("an algorithm that is not the bank's"));
        }
        // What must be understood and is not makes the whole token void (RFC 7515).
        let understood = |name: &Value| [ISSUED_AT, ISSUER, TRUST_ANCHOR].iter().any(|known| name == known);
        if head.get("crit").is_some_and(|names| !names.as_array().is_some_and(|names| names.iter().all(understood))) {
            return Err(refused("a header that must be understood, and is not"));
        }
        let key = head["kid"].as_str().ok_or(refused("no key is named"))?;
        let signature = decode(signature).ok_or(refused("not base64"))?;
        let signed = format!("{header}.{payload}");
        self.keys.check(key, signed.as_bytes(), &signature).await.map_err(|error| match error {
            NotSigned::Forged => refused("it does not match"),
            NotSigned::Away(reason) => EventRejected::Unverifiable(reason),
        })?;
        let malformed = || EventRejected::Malformed("claims that cannot be read".to_owned());
        let claims = object(payload).filter(Value::is_object).ok_or_else(malformed)?;
        let is_for_us = match &claims["aud"] {
            Value::Array(all) => all.iter().any(|one| one == self.audience.as_str()),
            one => one == self.audience.as_str(),
        };
        if !is_for_us {
            return Err(refused("meant for somebody else"));
        }
        let made = claims["iat"].as_i64().and_then(|at| Timestamp::from_second(at).ok()).ok_or_else(malformed)?;
        if !is_recent(made, now, PAST_TOLERANCE, FUTURE_TOLERANCE) {
            return Err(refused("too old, or from the future"));
        }
        Ok(claims)
    }

    async fn consent_news(&self, id: &str) -> Result<News, EventRejected> {
        let deadline = self.api.deadline(ASK_TIMEOUT);
        let (body, _) = reads::call(&self.api, requests::show_consent(id), deadline).await;
        let Some(body) = there(body)? else { return Ok(News::NotOurs) };
        let consent: Consent = read(&body).map_err(EventRejected::Unverifiable)?;
        if consent.data.consent_id != id {
            return Err(EventRejected::Unverifiable("the bank shows another consent".to_owned()));
        }
        Ok(match mark(&consent.data.initiation) {
            Some(Mark::Payment(payment)) => News::Changed { payment, transaction_id: id.to_owned() },
            // Of a refund, its payment tells.
            Some(Mark::Refund(..)) => News::NotUsed,
            None => News::NotOurs,
        })
    }

    async fn payment_news(&self, id: &str) -> Result<News, EventRejected> {
        let deadline = self.api.deadline(ASK_TIMEOUT);
        let (body, _) = reads::call(&self.api, requests::show_payment(id), deadline).await;
        let Some(body) = there(body)? else { return Ok(News::NotOurs) };
        let paid: Paid = read(&body).map_err(EventRejected::Unverifiable)?;
        if paid.data.domestic_payment_id != id || !is_id(&paid.data.consent_id) {
            return Err(EventRejected::Unverifiable("the bank shows another payment".to_owned()));
        }
        match mark(&paid.data.initiation) {
            Some(Mark::Payment(payment)) => Ok(News::Changed { payment, transaction_id: paid.data.consent_id }),
            Some(Mark::Refund(payment, refund)) => {
                let view = refund_view(&paid).map_err(|reason| EventRejected::Malformed(reason.to_owned()))?;
                Ok(News::Refund { payment, refund, view })
            }
            None => Ok(News::NotOurs),
        }
    }
}

/// `None`: there is no such thing for us. What cannot be asked now is to be told again.
fn there(body: Result<Bytes, NotShown>) -> Result<Option<Bytes>, EventRejected> {
    match body {
        Ok(body) => Ok(Some(body)),
        Err(NotShown::Missing) => Ok(None),
        Err(NotShown::Unknown(reason) | NotShown::NotReached { reason, .. }) => {
            Err(EventRejected::Unverifiable(reason))
        }
        Err(NotShown::NotOurs(_) | NotShown::Refused(_)) => {
            Err(EventRejected::Unverifiable("the bank does not show what its event is about".to_owned()))
        }
    }
}

#[async_trait]
impl EventReader for BankEvents {
    async fn read(&self, _headers: &HeaderMap, body: &Bytes, now: Timestamp) -> Result<ProviderEvent, EventRejected> {
        let claims = self.verify(body, now).await?;
        let plain = |text: &str, max: usize| is_plain(text) && text.len() <= max;
        let kind = claims["events"].as_object().and_then(|events| match events.get(RESOURCE_UPDATE) {
            Some(_) => Some(RESOURCE_UPDATE),
            None => events.keys().next().map(String::as_str),
        });
        let (Some(event_id), Some(event_type)) =
            (claims["jti"].as_str().filter(|id| plain(id, ID_MAX_LEN)), kind.filter(|kind| plain(kind, TYPE_MAX_LEN)))
        else {
            return Err(EventRejected::Malformed("without a usable id or type".to_owned()));
        };
        let subject = &claims["events"][RESOURCE_UPDATE]["subject"];
        let news = match (subject[RESOURCE_KIND].as_str(), subject[RESOURCE].as_str()) {
            (Some("domestic-payment-consent"), Some(id)) if is_id(id) => self.consent_news(id).await?,
            (Some("domestic-payment"), Some(id)) if is_id(id) => self.payment_news(id).await?,
            _ => News::NotUsed,
        };
        Ok(ProviderEvent { event_id: event_id.to_owned(), event_type: event_type.to_owned(), news })
    }
}
