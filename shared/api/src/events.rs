//! Events to merchants, as they are signed and sent.

use serde::Serialize;
use tollgate_domain::{Event, EventId, Refund};
use tollgate_gateway::ports::EventFormat;

use crate::payment::{FailureBody, PaymentBody};

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

/// A refund as merchants see it.
#[derive(Serialize)]
struct RefundBody {
    id: String,
    object: &'static str,
    payment_id: String,
    amount: i64,
    currency: String,
    reason: Option<String>,
    status: &'static str,
    failure: Option<FailureBody>,
    created_at: String,
    updated_at: String,
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

impl From<&Refund> for RefundBody {
    fn from(refund: &Refund) -> Self {
        Self {
            id: refund.id.to_string(),
            object: "refund",
            payment_id: refund.payment_id.to_string(),
            amount: refund.amount.minor(),
            currency: refund.amount.currency().code().to_owned(),
            reason: refund.reason.clone(),
            status: refund.status.as_str(),
            failure: refund.failure.as_ref().map(FailureBody::from),
            created_at: refund.created_at.to_string(),
            updated_at: refund.updated_at.to_string(),
        }
    }
}
