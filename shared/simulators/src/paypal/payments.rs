//! Authorizations, captures and refunds, as kept.

use serde::{Deserialize, Serialize};

use super::{money::Money, sources::Wallet};
use crate::shelf::Filed;

/// Money that is held.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Authorization {
    pub(super) id: String,
    pub(super) order: String,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) amount: Money,
    pub(super) status: Held,
    pub(super) wallet: Wallet,
    pub(super) custom_id: Option<String>,
    pub(super) invoice_id: Option<String>,
    /// When it ends, if nobody captures it.
    pub(super) expires: i64,
    /// It ended by itself.
    pub(super) expired: bool,
    /// Captures of it, and of its reauthorization, that did not fail.
    pub(super) captured: i64,
    /// A capture said that it was the last one.
    pub(super) closed: bool,
    /// The authorization that this one renewed.
    pub(super) parent: Option<String>,
    /// The authorization that renewed this one.
    pub(super) renewed_by: Option<String>,
}

/// What an authorization is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Held {
    Created,
    PartiallyCaptured,
    Captured,
    Voided,
}

impl Held {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::PartiallyCaptured => "PARTIALLY_CAPTURED",
            Self::Captured => "CAPTURED",
            Self::Voided => "VOIDED",
        }
    }
}

impl Authorization {
    /// Can it still be captured?
    pub(super) fn is_open(&self) -> bool {
        matches!(self.status, Held::Created | Held::PartiallyCaptured)
    }

    /// What it is after its captures changed.
    pub(super) fn status_by_captures(&self) -> Held {
        match self.captured {
            _ if self.status == Held::Voided => Held::Voided,
            0 => Held::Created,
            captured if self.closed || captured >= self.amount.minor => Held::Captured,
            _ => Held::PartiallyCaptured,
        }
    }
}

/// Money that was taken, or will be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Capture {
    pub(super) id: String,
    pub(super) order: String,
    pub(super) authorization: Option<String>,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) amount: Money,
    pub(super) status: Taken,
    pub(super) wallet: Wallet,
    pub(super) is_final: bool,
    pub(super) custom_id: Option<String>,
    pub(super) invoice_id: Option<String>,
    /// Refunds that did not fail.
    pub(super) refunded: i64,
    /// What becomes of it by itself, and when.
    pub(super) turn: Option<(i64, Taken)>,
}

/// What a capture is, its refunds aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Taken {
    Pending,
    Completed,
    /// Refused at once.
    Declined,
    /// Refused after it was pending.
    Denied,
    /// Taken back by the payer's bank.
    Reversed,
}

impl Capture {
    pub(super) fn refundable(&self) -> i64 {
        if self.status == Taken::Completed { self.amount.minor - self.refunded } else { 0 }
    }

    pub(super) fn word(&self) -> &'static str {
        match self.status {
            Taken::Pending => "PENDING",
            Taken::Declined | Taken::Denied => "DECLINED",
            Taken::Completed if self.refunded == 0 => "COMPLETED",
            Taken::Completed if self.refunded < self.amount.minor => "PARTIALLY_REFUNDED",
            Taken::Completed | Taken::Reversed => "REFUNDED",
        }
    }

    /// PayPal's word for why it is so, where there is one.
    pub(super) fn reason(&self) -> Option<&'static str> {
        match self.status {
            Taken::Pending => Some("PENDING_REVIEW"),
            Taken::Declined | Taken::Denied => Some("OTHER"),
            Taken::Reversed => Some("CHARGEBACK"),
            Taken::Completed => (self.refunded > 0).then_some("REFUNDED"),
        }
    }
}

/// Money that goes back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) order: String,
    pub(super) capture: String,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) amount: Money,
    pub(super) status: Returned,
    pub(super) custom_id: Option<String>,
    pub(super) invoice_id: Option<String>,
    pub(super) note: Option<String>,
    /// All that was refunded of the capture, this included.
    pub(super) total: i64,
    /// What becomes of it by itself, and when.
    pub(super) turn: Option<(i64, Returned)>,
}

/// What a refund is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Returned {
    Pending,
    Completed,
    Failed,
}

impl Returned {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

impl Filed for Authorization {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Filed for Capture {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Filed for Refund {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}
