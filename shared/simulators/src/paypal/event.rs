//! An event, rendered once: the same bytes are shown, sent and signed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Call, PayPal, money::Money};
use crate::{Event, shelf::Filed};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredEvent {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) created: i64,
    pub(super) order: String,
    #[serde(with = "crate::raw_json")]
    pub(super) body: Arc<str>,
}

impl Filed for StoredEvent {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl StoredEvent {
    pub(super) fn to_event(&self) -> Event {
        Event {
            id: self.id.clone(),
            kind: self.kind.clone(),
            payment: self.order.clone(),
            body: Arc::clone(&self.body),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// What kind of resource an event is about, and what it says in words.
fn about(kind: &str, amount: &Money) -> (&'static str, String) {
    let amount = amount.in_words();
    match kind {
        "PAYMENT.AUTHORIZATION.CREATED" => {
            ("authorization", format!("A payment authorization is created for {amount}"))
        }
        "PAYMENT.AUTHORIZATION.VOIDED" => ("authorization", "A payment authorization was voided".to_owned()),
        "PAYMENT.CAPTURE.COMPLETED" => ("capture", format!("Payment completed for {amount}")),
        "PAYMENT.CAPTURE.PENDING" => ("capture", format!("Payment pending for {amount}")),
        "PAYMENT.CAPTURE.DECLINED" => ("capture", format!("A {amount} capture payment was declined")),
        "PAYMENT.CAPTURE.DENIED" => ("capture", format!("A {amount} capture payment was denied")),
        "PAYMENT.CAPTURE.REFUNDED" => ("refund", format!("A {amount} capture payment was refunded")),
        "PAYMENT.CAPTURE.REVERSED" => ("refund", format!("A {amount} capture payment was reversed")),
        "CHECKOUT.ORDER.APPROVED" => ("checkout-order", "An order has been approved by buyer".to_owned()),
        _ => ("checkout-order", "Checkout Order Completed".to_owned()),
    }
}

impl PayPal {
    /// Tells that `resource`, which belongs to `order` and is about `amount`, came into the state that it shows.
    pub(super) fn emit(&mut self, call: &Call, kind: &str, order: &str, amount: &Money, resource: &Value) {
        let id = format!("{}-{}", self.random("WH-", 17), self.random("", 17)).to_ascii_uppercase();
        let (resource_type, summary) = about(kind, amount);
        let link = format!("{}/v1/notifications/webhooks-events/{id}", call.base_url);
        let body = json!({
            "id": id,
            "event_version": "1.0",
            "create_time": format!("{:.3}", call.now),
            "resource_type": resource_type,
            "resource_version": "2.0",
            "event_type": kind,
            "summary": summary,
            "resource": resource,
            "links": [{"href": link, "rel": "self", "method": "GET"}],
        });
        self.state.put_event(StoredEvent {
            id,
            kind: kind.to_owned(),
            created: call.unix(),
            order: order.to_owned(),
            body: body.to_string().into(),
        });
    }
}
