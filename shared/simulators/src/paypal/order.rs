//! An order, as kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{money::Money, sources::Wallet};
use crate::shelf::Filed;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) id: String,
    /// Unix seconds, as all times that are kept.
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) intent: Intent,
    pub(super) status: Status,
    pub(super) amount: Money,
    /// The purchase unit as it was given.
    pub(super) unit: Value,
    pub(super) return_url: Option<String>,
    pub(super) cancel_url: Option<String>,
    /// Who pays, once that is known.
    pub(super) wallet: Option<Wallet>,
    /// When it ends, while it is not paid.
    pub(super) expires: Option<i64>,
    /// The `PayPal-Request-Id` that it was made with.
    pub(super) request_id: Option<String>,
    pub(super) authorizations: Vec<String>,
    pub(super) captures: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Intent {
    Authorize,
    Capture,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Status {
    Created,
    PayerActionRequired,
    Approved,
    Completed,
    Voided,
}

impl Intent {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Authorize => "AUTHORIZE",
            Self::Capture => "CAPTURE",
        }
    }
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::PayerActionRequired => "PAYER_ACTION_REQUIRED",
            Self::Approved => "APPROVED",
            Self::Completed => "COMPLETED",
            Self::Voided => "VOIDED",
        }
    }
}

impl Filed for Order {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Order {
    /// Does it wait for the payer?
    pub(super) fn is_open(&self) -> bool {
        matches!(self.status, Status::Created | Status::PayerActionRequired)
    }

    pub(super) fn custom_id(&self) -> Option<String> {
        self.unit["custom_id"].as_str().map(ToOwned::to_owned)
    }

    pub(super) fn invoice_id(&self) -> Option<String> {
        self.unit["invoice_id"].as_str().map(ToOwned::to_owned)
    }
}
