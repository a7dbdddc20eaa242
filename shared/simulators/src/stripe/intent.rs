//! A payment intent, as kept and as shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    cards::{Card, Refusal},
    errors::doc_url,
};
use crate::shelf::Filed;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) client_secret: String,
    pub(super) created: i64,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) manual_capture: bool,
    pub(super) manual_confirmation: bool,
    pub(super) status: Status,
    pub(super) method: Option<Method>,
    pub(super) method_types: Vec<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) customer: Option<String>,
    pub(super) description: Option<String>,
    pub(super) statement_descriptor: Option<String>,
    pub(super) return_url: Option<String>,
    /// Where the payer has to act, while he has to.
    pub(super) redirect_url: Option<String>,
    pub(super) latest_charge: Option<String>,
    pub(super) received: i64,
    pub(super) canceled_at: Option<i64>,
    pub(super) cancellation_reason: Option<String>,
    pub(super) last_refusal: Option<LastRefusal>,
    /// When an uncaptured authorization ends.
    pub(super) capture_before: Option<i64>,
}

/// A payment method that was used with an intent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Method {
    pub(super) id: String,
    pub(super) card: Card,
}

/// Why the last attempt failed, and with which payment method.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LastRefusal {
    pub(super) refusal: Refusal,
    pub(super) method: Method,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    RequiresCapture,
    Succeeded,
    Canceled,
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::RequiresCapture => "requires_capture",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

impl Filed for Intent {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Method {
    pub(super) fn to_json(&self, created: i64) -> Value {
        json!({
            "id": self.id,
            "object": "payment_method",
            "billing_details": {"address": null, "email": null, "name": null, "phone": null},
            "card": self.card.to_json(),
            "created": created,
            "customer": null,
            "livemode": false,
            "metadata": {},
            "type": "card",
        })
    }
}

impl Intent {
    pub(super) fn capturable(&self) -> i64 {
        if self.status == Status::RequiresCapture { self.amount } else { 0 }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": self.capturable(),
            "amount_details": {"tip": {}},
            "amount_received": self.received,
            "application": null,
            "application_fee_amount": null,
            "automatic_payment_methods": null,
            "canceled_at": self.canceled_at,
            "cancellation_reason": self.cancellation_reason,
            "capture_method": if self.manual_capture { "manual" } else { "automatic" },
            "client_secret": self.client_secret,
            "confirmation_method": if self.manual_confirmation { "manual" } else { "automatic" },
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "description": self.description,
            "last_payment_error": self.last_refusal.as_ref().map(|last| self.refusal_json(last)),
            "latest_charge": self.latest_charge,
            "livemode": false,
            "metadata": self.metadata,
            "next_action": self.redirect_url.as_ref().map(|url| json!({
                "type": "redirect_to_url",
                "redirect_to_url": {"url": url, "return_url": self.return_url},
            })),
            "on_behalf_of": null,
            "payment_method": self.method.as_ref().map(|method| &method.id),
            "payment_method_options": {"card": {"installments": null, "network": null, "request_three_d_secure": "automatic"}},
            "payment_method_types": self.method_types,
            "processing": null,
            "receipt_email": null,
            "review": null,
            "setup_future_usage": null,
            "shipping": null,
            "statement_descriptor": self.statement_descriptor,
            "statement_descriptor_suffix": null,
            "status": self.status.word(),
            "transfer_data": null,
            "transfer_group": null,
        })
    }

    fn refusal_json(&self, last: &LastRefusal) -> Value {
        let reason = last.refusal.reason;
        let mut error = json!({
            "type": if reason == super::cards::Reason::AuthenticationFailed { "invalid_request_error" } else { "card_error" },
            "code": reason.code(),
            "doc_url": doc_url(reason.code()),
            "message": reason.message(),
            "payment_method": last.method.to_json(self.created),
        });
        if let Some(decline_code) = reason.decline_code() {
            error["decline_code"] = decline_code.into();
        }
        if let Some(charge) = &last.refusal.charge {
            error["charge"] = charge.as_str().into();
        }
        error
    }
}
