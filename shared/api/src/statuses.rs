//! Payments as they are kept for while the store is away: exactly what is answered while it is there.

use tollgate_domain::Payment;
use tollgate_gateway::ports::statuses::StatusFormat;

use crate::payment::PaymentBody;

/// Renders payments as `GET /v1/payments/{id}` does.
#[derive(Debug, Clone, Copy)]
pub struct JsonStatuses;

impl StatusFormat for JsonStatuses {
    fn body(&self, payment: &Payment) -> String {
        // Strings, numbers and maps of strings: this cannot fail.
        serde_json::to_string(&PaymentBody::from(payment)).unwrap_or_default()
    }
}
