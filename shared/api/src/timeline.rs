//! A payment's timeline: every attempt, provider call, webhook and state change, in order, with causes.

use serde::Serialize;
use tollgate_gateway::records::{Cause, History, ProviderCall, ReceivedEvent, TimelineRow};
use utoipa::ToSchema;

/// A payment's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TimelineBody {
    /// The payment.
    pub payment_id: String,
    /// In order.
    pub data: Vec<TimelineEntry>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TimelineEntry {
    /// The payment changed.
    Change(ChangeEntry),
    /// The provider was called.
    ProviderCall(CallEntry),
    /// The provider sent an event.
    ProviderEvent(EventEntry),
}

/// A change of the payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangeEntry {
    /// When (RFC 3339, UTC).
    pub at: String,
    /// The version that it made.
    pub version: u64,
    /// What it was: `payment_opened`, `authorized`, `outcome_unknown`, …
    pub what: &'static str,
    /// The number of the operation that it was about.
    pub operation: u32,
    /// The statuses passed through.
    pub transitions: Vec<TransitionEntry>,
    /// Who or what caused it.
    pub cause: CauseEntry,
    /// Why, in words.
    pub detail: Option<String>,
    /// Of the request that caused it.
    pub correlation_id: String,
}

/// A change of status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TransitionEntry {
    /// Before; null when the payment was made.
    pub from: Option<&'static str>,
    /// After.
    pub to: &'static str,
}

/// Who or what caused a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CauseEntry {
    /// `merchant_request`, `provider_answer`, `provider_event`, `look_up`, `payer_return`, `job` or `operator`.
    pub r#type: String,
    /// The event's id, or the job's or the operator's name.
    pub id: Option<String>,
}

/// A call to the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallEntry {
    /// When it was sent (RFC 3339, UTC).
    pub at: String,
    /// The number of the operation that it carried out or asked about.
    pub operation: u32,
    /// `authorize`, `capture`, `void`, … or `look_up`.
    pub call: String,
    /// Whom.
    pub provider: &'static str,
    /// `succeeded`, `pending`, `declined`, `refused`, `unknown`, `not_reached` or `not_found`.
    pub outcome: String,
    /// The HTTP status, if an answer came.
    pub http_status: Option<u16>,
    /// The provider's error code.
    pub provider_code: Option<String>,
    /// The provider's own id of the call.
    pub reference: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
    /// Of the request that caused it.
    pub correlation_id: String,
}

/// An event from the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EventEntry {
    /// When it was taken (RFC 3339, UTC).
    pub at: String,
    /// Whose.
    pub provider: &'static str,
    /// The provider's id of it.
    pub event_id: String,
    /// The provider's type of it.
    pub event_type: String,
    /// Whether it changed the payment, or told nothing new.
    pub effect: bool,
    /// Of the request that brought it.
    pub correlation_id: String,
}

impl From<&TimelineRow> for TimelineEntry {
    fn from(row: &TimelineRow) -> Self {
        match row {
            TimelineRow::Change(history) => Self::Change(history.into()),
            TimelineRow::Call(call) => Self::ProviderCall(call.into()),
            TimelineRow::Event(event) => Self::ProviderEvent(event.into()),
        }
    }
}

impl From<&History> for ChangeEntry {
    fn from(history: &History) -> Self {
        let transitions = history.transitions.iter().map(|transition| TransitionEntry {
            from: transition.from.map(tollgate_domain::PaymentStatus::as_str),
            to: transition.to.as_str(),
        });
        Self {
            at: history.at.to_string(),
            version: history.version,
            what: history.what.as_str(),
            operation: history.operation,
            transitions: transitions.collect(),
            cause: (&history.cause).into(),
            detail: history.detail.clone(),
            correlation_id: history.correlation_id.clone(),
        }
    }
}

impl From<&Cause> for CauseEntry {
    fn from(cause: &Cause) -> Self {
        Self { r#type: cause.as_str().to_owned(), id: cause.subject().map(str::to_owned) }
    }
}

impl From<&ProviderCall> for CallEntry {
    fn from(call: &ProviderCall) -> Self {
        Self {
            at: call.at.to_string(),
            operation: call.operation,
            call: call.call.clone(),
            provider: call.provider.as_str(),
            outcome: call.outcome.clone(),
            http_status: call.http_status,
            provider_code: call.provider_code.clone(),
            reference: call.reference.clone(),
            duration_ms: u64::try_from(call.duration.as_millis()).unwrap_or(u64::MAX),
            correlation_id: call.correlation_id.clone(),
        }
    }
}

impl From<&ReceivedEvent> for EventEntry {
    fn from(event: &ReceivedEvent) -> Self {
        Self {
            at: event.at.to_string(),
            provider: event.provider.as_str(),
            event_id: event.event_id.clone(),
            event_type: event.event_type.clone(),
            effect: event.effect,
            correlation_id: event.correlation_id.clone(),
        }
    }
}
