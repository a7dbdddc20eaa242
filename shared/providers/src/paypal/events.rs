//! PayPal's events: verified against the certificate that they name, then read. An event is a hint; what follows from it is
//! not decided here.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Uri};
use tollgate_domain::{PaymentId, Timestamp};
use tollgate_gateway::ports::{
    EventReader, HttpClient, Time,
    provider::{EventRejected, News, ProviderEvent},
};

use super::{
    ConfigError,
    certificates::{Certificates, NoCertificate},
    objects::{Event, EventPayment, Order, Refund},
    requests::refund_of_mark,
    view::{any_refund_view, is_id},
};
use crate::calls::is_recent;

const ID_MAX_LEN: usize = 100;
const TYPE_MAX_LEN: usize = 100;
const HEADER_MAX_LEN: usize = 1024;
/// PayPal tries for three days, and signs once: an old delivery is no forgery, and one that comes twice changes nothing.
const PAST_TOLERANCE: Duration = Duration::from_secs(4 * 24 * 3600);
const FUTURE_TOLERANCE: Duration = Duration::from_secs(300);

/// The [`EventReader`] of PayPal's webhooks.
pub struct PaypalEvents {
    webhook_id: String,
    certificates: Certificates,
}

impl PaypalEvents {
    /// Takes what is signed for the webhook `webhook_id`, with a certificate from PayPal's hosts or from `api_url`'s.
    pub fn new(
        webhook_id: &str,
        api_url: &str,
        http: Arc<dyn HttpClient>,
        time: Arc<dyn Time>,
    ) -> Result<Self, ConfigError> {
        if webhook_id.is_empty() || !webhook_id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'|') {
            return Err(ConfigError::WebhookId);
        }
        let api: Uri = api_url.parse().map_err(|_| ConfigError::ApiUrl)?;
        Ok(Self { webhook_id: webhook_id.to_owned(), certificates: Certificates::new(&api, http, time) })
    }

    async fn verify(&self, headers: &HeaderMap, body: &Bytes, now: Timestamp) -> Result<(), EventRejected> {
        let text = |name: &'static str| header(headers, name).map_err(EventRejected::Signature);
        let (id, time) = (text("paypal-transmission-id")?, text("paypal-transmission-time")?);
        let (signature, url) = (text("paypal-transmission-sig")?, text("paypal-cert-url")?);
        if text("paypal-auth-algo")? != "SHA256withRSA" {
            return Err(EventRejected::Signature("an algorithm that is not PayPal's"));
        }
        let sent: Timestamp = time.parse().map_err(|_| EventRejected::Signature("a time that is none"))?;
        if !is_recent(sent, now, PAST_TOLERANCE, FUTURE_TOLERANCE) {
            return Err(EventRejected::Signature("too old, or from the future"));
        }
        let signature = STANDARD.decode(signature).map_err(|_| EventRejected::Signature("not base64"))?;
        let certificate = self.certificates.get(url).await.map_err(|error| match error {
            NoCertificate::Stranger => EventRejected::Signature("a certificate that is not PayPal's"),
            NoCertificate::Away(reason) => EventRejected::Unverifiable(reason),
        })?;
        let certificate = webpki::EndEntityCert::try_from(&certificate)
            .map_err(|_| EventRejected::Signature("a certificate that cannot be read"))?;
        let signed = format!("{id}|{time}|{}|{}", self.webhook_id, crc32fast::hash(body));
        certificate
            .verify_signature(webpki::ring::RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
            .map_err(|_| EventRejected::Signature("it does not match"))
    }
}

#[async_trait]
impl EventReader for PaypalEvents {
    async fn read(&self, headers: &HeaderMap, body: &Bytes, now: Timestamp) -> Result<ProviderEvent, EventRejected> {
        self.verify(headers, body, now).await?;
        let event: Event =
            serde_json::from_slice(body).map_err(|error| EventRejected::Malformed(format!("not an event: {error}")))?;
        let plain = |text: &str, max: usize| {
            !text.is_empty() && text.len() <= max && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !plain(&event.id, ID_MAX_LEN) || !plain(&event.kind, TYPE_MAX_LEN) {
            return Err(EventRejected::Malformed("without a usable id or type".to_owned()));
        }
        let news = news(&event.kind, event.resource)?;
        Ok(ProviderEvent { event_id: event.id, event_type: event.kind, news })
    }
}

/// An authorization or a capture shows only itself: how its order stands is asked for. A refund tells of itself.
fn news(kind: &str, resource: serde_json::Value) -> Result<News, EventRejected> {
    let unreadable = |_| EventRejected::Malformed("the event's resource is not what its type says".to_owned());
    if kind == "PAYMENT.CAPTURE.REFUNDED" || kind.starts_with("PAYMENT.REFUND.") {
        let refund: Refund = serde_json::from_value(resource).map_err(unreadable)?;
        return refund_news(&refund);
    }
    let (payment, order) = if kind.starts_with("PAYMENT.AUTHORIZATION.") || kind.starts_with("PAYMENT.CAPTURE.") {
        let shown: EventPayment = serde_json::from_value(resource).map_err(unreadable)?;
        let order = shown.supplementary_data.and_then(|data| data.related_ids).and_then(|ids| ids.order_id);
        (shown.custom_id, order)
    } else if kind.starts_with("CHECKOUT.ORDER.") {
        let order: Order = serde_json::from_value(resource).map_err(unreadable)?;
        let payment = order.purchase_units.into_iter().next().and_then(|unit| unit.custom_id);
        (payment, Some(order.id))
    } else {
        return Ok(News::NotUsed);
    };
    let payment: Option<PaymentId> = payment.and_then(|id| id.parse().ok());
    match (payment, order.filter(|order| is_id(order))) {
        (Some(payment), Some(transaction_id)) => Ok(News::Changed { payment, transaction_id }),
        // Somebody else's payment with the same account.
        _ => Ok(News::NotOurs),
    }
}

fn refund_news(refund: &Refund) -> Result<News, EventRejected> {
    let Some((payment, ours)) = refund.custom_id.as_deref().and_then(refund_of_mark) else { return Ok(News::NotOurs) };
    let view = any_refund_view(refund).map_err(|reason| EventRejected::Malformed(reason.to_owned()))?;
    Ok(News::Refund { payment, refund: ours, view })
}

fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, &'static str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) if value.len() <= HEADER_MAX_LEN => value.to_str().map_err(|_| "a header that is no text"),
        (Some(_), None) => Err("a header that is too long"),
        (Some(_), Some(_)) => Err("a header that is there twice"),
        (None, _) => Err("a header of PayPal's signature is missing"),
    }
}
