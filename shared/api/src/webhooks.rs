//! Webhooks as merchants see them: the endpoint, how each delivery stands, and the feed of events.

use serde::Serialize;
use serde_json::value::RawValue;
use tollgate_domain::{Delivery, PaymentId};
use tollgate_gateway::{
    EndpointChanged,
    ports::{deliveries::DeliveryAttempt, merchants::WebhookEndpoint},
    records::EventRecord,
};
use utoipa::ToSchema;

use crate::Problem;

/// Where a merchant's webhooks go.
#[derive(Serialize, ToSchema)]
pub struct WebhookEndpointBody {
    /// Always `webhook_endpoint`.
    #[schema(example = "webhook_endpoint")]
    pub object: &'static str,
    /// Where to.
    pub url: String,
    /// `ACTIVE`, or `PAUSED` since it answered 410: deliveries wait until the URL is set again.
    pub status: &'static str,
    /// What signs the webhooks (`whsec_…`). Shown once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub secret: Option<String>,
    /// Until when the secret before this one signs along.
    pub previous_secret_until: Option<String>,
    /// RFC 3339, UTC.
    pub updated_at: String,
}

impl From<&WebhookEndpoint> for WebhookEndpointBody {
    fn from(endpoint: &WebhookEndpoint) -> Self {
        Self {
            object: "webhook_endpoint",
            url: endpoint.url.clone(),
            status: if endpoint.paused_at.is_some() { "PAUSED" } else { "ACTIVE" },
            secret: None,
            previous_secret_until: endpoint.sealed_previous.first().map(|(_, until)| until.to_string()),
            updated_at: endpoint.updated_at.to_string(),
        }
    }
}

impl From<EndpointChanged> for WebhookEndpointBody {
    fn from(changed: EndpointChanged) -> Self {
        let secret = changed.secret.map(|secret| secret.as_str().to_owned());
        Self { secret, ..Self::from(&changed.endpoint) }
    }
}

/// How the deliveries of a payment's events stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveriesBody {
    /// `pay_…`
    pub payment_id: String,
    /// One for each event, in order.
    pub deliveries: Vec<DeliveryBody>,
}

/// How the delivery of one event stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveryBody {
    /// `evt_…`
    pub event_id: String,
    /// The event's type.
    pub r#type: &'static str,
    /// `PENDING`, `DELIVERED`, `RETRYING` or `DEAD_LETTERED`.
    pub status: &'static str,
    /// Every try, in order.
    pub attempts: Vec<DeliveryAttemptBody>,
    /// When the next try is due; null where there is none, or where it waits for an endpoint.
    pub next_attempt_at: Option<String>,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveryAttemptBody {
    /// Counted from 1.
    pub number: u32,
    /// RFC 3339, UTC.
    pub at: String,
    /// What the endpoint answered.
    pub http_status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

impl DeliveriesBody {
    /// The deliveries of `payment`.
    pub fn of(payment: PaymentId, deliveries: &[(Delivery, Vec<DeliveryAttempt>)]) -> Self {
        let body = |(delivery, attempts): &(Delivery, Vec<DeliveryAttempt>)| DeliveryBody {
            event_id: delivery.event.to_string(),
            r#type: delivery.kind.as_str(),
            status: delivery.status.as_str(),
            attempts: attempts.iter().map(DeliveryAttemptBody::from).collect(),
            next_attempt_at: delivery.next_attempt_at.map(|at| at.to_string()),
        };
        Self { payment_id: payment.to_string(), deliveries: deliveries.iter().map(body).collect() }
    }
}

impl From<&DeliveryAttempt> for DeliveryAttemptBody {
    fn from(attempt: &DeliveryAttempt) -> Self {
        Self {
            number: attempt.number,
            at: attempt.at.to_string(),
            http_status: attempt.http_status,
            error: attempt.error.clone(),
            duration_ms: u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// A page of the merchant's events, as they are delivered, in the order of their commits.
#[derive(Serialize, ToSchema)]
pub struct EventsBody {
    /// Each as it is sent to the endpoint: `id`, `type`, `created_at`, `sequence`, `data`.
    #[schema(value_type = Vec<Object>)]
    pub data: Vec<Box<RawValue>>,
    /// Whether there are more behind the last one: ask again with its id as `after`.
    pub has_more: bool,
}

impl EventsBody {
    /// A page of at most `limit`, from one event more than that.
    pub fn of(mut events: Vec<EventRecord>, limit: u32) -> Result<Self, Problem> {
        let has_more = events.len() > limit as usize;
        events.truncate(limit as usize);
        let data = events.into_iter().map(|event| RawValue::from_string(event.body)).collect::<Result<_, _>>();
        Ok(Self { data: data.map_err(Problem::internal)?, has_more })
    }
}
