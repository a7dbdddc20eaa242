//! Stripe's events: verified, then read. An event is a hint; what follows from it is not decided here.

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use tollgate_domain::Timestamp;
use tollgate_gateway::ports::{
    EventReader,
    provider::{EventRejected, News, ProviderEvent},
};

use super::{
    ConfigError,
    objects::{Event, Intent, Metadata, Refund, read},
    signature,
    view::{any_intent_view, any_refund_view},
};
use crate::Secret;

const ID_MAX_LEN: usize = 255;
const TYPE_MAX_LEN: usize = 100;

/// The [`EventReader`] of Stripe's webhooks.
pub struct StripeEvents {
    secrets: Vec<Secret>,
}

impl StripeEvents {
    /// Takes what is signed with any of `secrets` (each the whole `whsec_…` text): two while one replaces the other.
    pub fn new(secrets: Vec<Secret>) -> Result<Self, ConfigError> {
        if secrets.is_empty() || secrets.iter().any(|secret| secret.expose().is_empty()) {
            return Err(ConfigError::WebhookSecret);
        }
        Ok(Self { secrets })
    }
}

#[async_trait]
impl EventReader for StripeEvents {
    async fn read(&self, headers: &HeaderMap, body: &Bytes, now: Timestamp) -> Result<ProviderEvent, EventRejected> {
        signature::verify(headers, body, &self.secrets, now).map_err(EventRejected::Signature)?;
        let event = read::<Event>(body).map_err(EventRejected::Malformed)?;
        let plain = |text: &str, max: usize| {
            !text.is_empty() && text.len() <= max && text.bytes().all(|b| b.is_ascii_graphic())
        };
        if event.object != "event" || !plain(&event.id, ID_MAX_LEN) || !plain(&event.kind, TYPE_MAX_LEN) {
            return Err(EventRejected::Malformed("not an event, or without a usable id or type".to_owned()));
        }
        let news = news(&event.kind, event.data.object)?;
        Ok(ProviderEvent { event_id: event.id, event_type: event.kind, news })
    }
}

/// Intents tell of everything that happens to a payment, refunds of what becomes of a refund (rule 23: one can fail after
/// it succeeded). A charge's events add nothing: when one is captured, expires or fails, its intent says so too; one that
/// is refunded brings the refund's own event; and disputes and payouts are not ours to follow.
fn news(kind: &str, object: serde_json::Value) -> Result<News, EventRejected> {
    let malformed = |reason: &str| EventRejected::Malformed(reason.to_owned());
    let unreadable = |_| malformed("the event's object is not what its type says");
    if kind.starts_with("payment_intent.") {
        let intent: Intent = serde_json::from_value(object).map_err(unreadable)?;
        let payment = intent.metadata.parse(Metadata::PAYMENT_ID);
        return match any_intent_view(&intent) {
            Ok(view) => Ok(News::Transaction { payment, view }),
            // Made by somebody else with the same account, in a way that we do not know: nothing to us.
            Err(_) if payment.is_none() => Ok(News::NotUsed),
            Err(reason) => Err(malformed(reason)),
        };
    }
    if matches!(kind, "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated") {
        let refund: Refund = serde_json::from_value(object).map_err(unreadable)?;
        let (payment, id) = (refund.metadata.parse(Metadata::PAYMENT_ID), refund.metadata.parse(Metadata::REFUND_ID));
        // A refund that was not asked for by one of ours (made in the dashboard, or a reversal) has no row to move.
        // Asking tells what it did to the payment: a reversal that came back, say.
        let (payment, id) = match (payment, id, &refund.payment_intent) {
            (Some(payment), Some(id), _) => (payment, id),
            (Some(payment), None, Some(intent)) => {
                return Ok(News::Changed { payment, transaction_id: intent.id().to_owned() });
            }
            _ => return Ok(News::NotUsed),
        };
        let view = any_refund_view(&refund).map_err(malformed)?;
        return Ok(News::Refund { payment, refund: id, view });
    }
    Ok(News::NotUsed)
}
