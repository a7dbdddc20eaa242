//! Events to merchants, as they are signed and sent.

use serde::Serialize;
use tollgate_domain::{Event, EventId};
use tollgate_gateway::ports::EventFormat;

use crate::{payment::PaymentBody, refund::RefundBody};

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
