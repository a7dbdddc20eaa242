//! A charge, as kept and as shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cards::{Card, Reason};
use crate::shelf::Filed;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) intent: String,
    pub(super) created: i64,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) method: String,
    pub(super) card: Card,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) customer: Option<String>,
    pub(super) description: Option<String>,
    /// Why it failed, if it did.
    pub(super) failure: Option<Reason>,
    pub(super) captured: i64,
    /// Refunds that did not fail.
    pub(super) refunded: i64,
    /// What was authorized and will never be captured; Stripe shows it among the refunded.
    pub(super) released: i64,
    /// When it ends, while it is not captured.
    pub(super) capture_before: Option<i64>,
}

impl Filed for Charge {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Charge {
    /// What can still be given back.
    pub(super) fn refundable(&self) -> i64 {
        self.captured - self.refunded
    }

    pub(super) fn to_json(&self) -> Value {
        let amount_refunded = self.refunded + self.released;
        let mut card = self.card.to_json();
        card["amount_authorized"] = self.amount.into();
        if let Some(capture_before) = self.capture_before {
            card["capture_before"] = capture_before.into();
        }
        json!({
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": self.captured,
            "amount_refunded": amount_refunded,
            "application": null,
            "application_fee": null,
            "application_fee_amount": null,
            "balance_transaction": null,
            "billing_details": {"address": null, "email": null, "name": null, "phone": null},
            "calculated_statement_descriptor": "TOLLGATE",
            "captured": self.captured > 0,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "description": self.description,
            "disputed": false,
            "failure_balance_transaction": null,
            "failure_code": self.failure.map(Reason::code),
            "failure_message": self.failure.map(Reason::message),
            "fraud_details": {},
            "livemode": false,
            "metadata": self.metadata,
            "on_behalf_of": null,
            "outcome": self.outcome(),
            "paid": self.failure.is_none(),
            "payment_intent": self.intent,
            "payment_method": self.method,
            "payment_method_details": {"card": card, "type": "card"},
            "receipt_email": null,
            "receipt_number": null,
            "receipt_url": null,
            "refunded": self.failure.is_none() && amount_refunded == self.amount,
            "review": null,
            "shipping": null,
            "source_transfer": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "status": if self.failure.is_none() { "succeeded" } else { "failed" },
            "transfer_data": null,
            "transfer_group": null,
        })
    }

    fn outcome(&self) -> Value {
        match self.failure {
            None => json!({
                "network_status": "approved_by_network",
                "reason": null,
                "risk_level": "normal",
                "seller_message": "Payment complete.",
                "type": "authorized",
            }),
            Some(reason) => json!({
                "network_status": "declined_by_network",
                "reason": reason.decline_code(),
                "risk_level": "normal",
                "seller_message": "The bank did not return any further details with this decline.",
                "type": "issuer_declined",
            }),
        }
    }
}
