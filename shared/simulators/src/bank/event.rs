//! Open Banking's event notifications: claims that are kept, and the signed token that they are sent in.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Bank, ORGANISATION, consent::Consent, payment::Payment};
use crate::Event;

/// The one kind of event that this bank sends.
const RESOURCE_UPDATE: &str = "urn:uk:org:openbanking:events:resource-update";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredEvent {
    /// The `jti`.
    pub(super) id: String,
    /// Unix seconds.
    pub(super) created: i64,
    /// The consent that it is about, directly or by its payment.
    pub(super) consent: String,
    /// The claims, but for `aud`.
    #[serde(with = "crate::raw_json")]
    pub(super) body: Arc<str>,
}

impl StoredEvent {
    pub(super) fn to_event(&self) -> Event {
        Event {
            id: self.id.clone(),
            kind: RESOURCE_UPDATE.to_owned(),
            payment: self.consent.clone(),
            body: Arc::clone(&self.body),
        }
    }
}

impl Bank {
    /// Tells that a consent came into the status that it has.
    pub(super) fn tell_consent(&mut self, at: i64, consent: &Consent) {
        self.tell(at, consent, &consent.id, "domestic-payment-consent", &consent.path());
    }

    /// Tells that a payment came into the status that it has.
    pub(super) fn tell_payment(&mut self, at: i64, consent: &Consent, payment: &Payment) {
        self.tell(at, consent, &payment.id, "domestic-payment", &payment.path());
    }

    fn tell(&mut self, at: i64, consent: &Consent, resource: &str, kind: &str, path: &str) {
        let id = self.uuid();
        let link = format!("{}{path}", consent.base_url);
        let claims = json!({
            "iss": consent.base_url,
            "iat": at,
            "jti": id,
            "sub": link,
            "txn": self.uuid(),
            "toe": at,
            "events": {
                RESOURCE_UPDATE: {
                    "subject": {
                        "subject_type": "http://openbanking.org.uk/rid_http://openbanking.org.uk/rty",
                        "http://openbanking.org.uk/rid": resource,
                        "http://openbanking.org.uk/rty": kind,
                        "http://openbanking.org.uk/rlk": [{"version": "v4.0", "link": link}],
                    },
                },
            },
        });
        self.state.put_event(StoredEvent {
            id,
            created: at,
            consent: consent.id.clone(),
            body: claims.to_string().into(),
        });
    }

    /// The token to send for these claims, to whom `audience` names.
    pub(super) fn event_token(&self, audience: &str, now: Timestamp, claims: &str) -> Arc<str> {
        let mut claims: Value = serde_json::from_str(claims).unwrap_or_default();
        claims["aud"] = audience.into();
        self.sign_token(now.as_second(), &claims).into()
    }

    /// What goes along with such a token.
    pub(super) fn event_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwt"));
        headers.insert("x-fapi-financial-id", HeaderValue::from_static(ORGANISATION));
        if let Ok(id) = HeaderValue::from_str(&self.uuid()) {
            headers.insert("x-fapi-interaction-id", id);
        }
        headers
    }
}
