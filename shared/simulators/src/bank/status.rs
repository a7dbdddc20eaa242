//! The statuses of consents and payments, and the reasons that go with them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// `OBInternalConsentStatus1Code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum ConsentStatus {
    /// Waits for the payer.
    Awau,
    /// May be used.
    Auth,
    /// Refused, or not approved in time: version 4.0 has no status of its own for that.
    Rjct,
    /// Used by a payment.
    Cond,
}

/// `ExternalPaymentTransactionStatus1Code`, as far as it comes up here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum PaymentStatus {
    Rcvd,
    Pdng,
    Actc,
    Accp,
    Acsp,
    Acsc,
    Acwp,
    Accc,
    Blck,
    Rjct,
}

impl ConsentStatus {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Awau => "AWAU",
            Self::Auth => "AUTH",
            Self::Rjct => "RJCT",
            Self::Cond => "COND",
        }
    }
}

impl PaymentStatus {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Rcvd => "RCVD",
            Self::Pdng => "PDNG",
            Self::Actc => "ACTC",
            Self::Accp => "ACCP",
            Self::Acsp => "ACSP",
            Self::Acsc => "ACSC",
            Self::Acwp => "ACWP",
            Self::Accc => "ACCC",
            Self::Blck => "BLCK",
            Self::Rjct => "RJCT",
        }
    }

    /// Has the money been moved, for good?
    pub(super) fn is_settled(self) -> bool {
        matches!(self, Self::Acsc | Self::Acwp | Self::Accc)
    }
}

/// Why something has the status that it has: ISO 20022's codes, and Open Banking's that begin with U.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
    InsufficientFunds,
    ClosedAccount,
    BlockedAccount,
    Declined,
    /// The payer said no.
    Refused,
    /// The payer said nothing.
    NotApproved,
}

impl Reason {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::InsufficientFunds => "AM04",
            Self::ClosedAccount => "AC04",
            Self::BlockedAccount => "AC06",
            Self::Declined => "MS03",
            Self::Refused => "U037",
            Self::NotApproved => "U036",
        }
    }

    pub(super) fn description(self) -> &'static str {
        match self {
            Self::InsufficientFunds => "The account has not enough money",
            Self::ClosedAccount => "The account is closed",
            Self::BlockedAccount => "The account is blocked",
            Self::Declined => "The bank declines without a reason",
            Self::Refused => "The payer refused",
            Self::NotApproved => "The payer did not approve in time",
        }
    }

    /// As `OBStatusReason`.
    pub(super) fn to_json(self) -> Value {
        json!({"StatusReasonCode": self.code(), "StatusReasonDescription": self.description()})
    }
}
