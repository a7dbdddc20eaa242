//! Events to merchants, as they are signed and sent.

use serde::Serialize;
use tollgate_domain::{Event, EventId, EventKind};
use tollgate_gateway::ports::EventFormat;

use crate::{payment::PaymentBody, refund::RefundBody};

/// Every type of event, in the order of a payment's life.
pub const KINDS: [EventKind; 10] = [
    EventKind::PaymentAuthorized,
    EventKind::PaymentCaptured,
    EventKind::PaymentCaptureFailed,
    EventKind::PaymentSettled,
    EventKind::PaymentFailed,
    EventKind::PaymentVoided,
    EventKind::PaymentRefunded,
    EventKind::PaymentNeedsReview,
    EventKind::RefundCompleted,
    EventKind::RefundFailed,
];

/// Renders events as the contract has them.
#[derive(Debug, Clone, Copy)]
pub struct JsonEvents;

#[derive(Serialize)]
struct EventBody<'a> {
    id: String,
    r#type: &'a str,
    created_at: String,
    sequence: u32,
    data: Data,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data {
    Payment(Box<PaymentBody>),
    Refund(Box<RefundBody>),
}

impl EventFormat for JsonEvents {
    fn body(&self, id: EventId, event: &Event) -> String {
        let data = match &event.refund {
            Some(refund) => Data::Refund(Box::new(refund.into())),
            None => Data::Payment(Box::new((&event.payment).into())),
        };
        let body = EventBody {
            id: id.to_string(),
            r#type: event.kind.as_str(),
            created_at: event.at.to_string(),
            sequence: event.sequence,
            data,
        };
        // Strings, numbers and maps of strings: this cannot fail.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_type_of_event_is_forgotten() {
        // A new one does not compile until it is named here, and then not pass until it is listed.
        let place = |kind: EventKind| match kind {
            EventKind::PaymentAuthorized => 0,
            EventKind::PaymentCaptured => 1,
            EventKind::PaymentCaptureFailed => 2,
            EventKind::PaymentSettled => 3,
            EventKind::PaymentFailed => 4,
            EventKind::PaymentVoided => 5,
            EventKind::PaymentRefunded => 6,
            EventKind::PaymentNeedsReview => 7,
            EventKind::RefundCompleted => 8,
            EventKind::RefundFailed => 9,
        };
        assert_eq!(KINDS.map(place).to_vec(), (0..KINDS.len()).collect::<Vec<_>>());
    }
}
