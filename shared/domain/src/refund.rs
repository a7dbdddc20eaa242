//! A refund: its amount is reserved on the payment's row when it is asked for, and only the provider's final refusal
//! releases it (rule 1). It can fail after it completed (rule 23).

use crate::{Failure, Money, PaymentId, RefundId, SettlementId, Timestamp};

/// How a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefundStatus {
    /// Reserved, and not known to be done.
    Pending,
    /// The payer has it.
    Completed,
    /// It came to nothing; the amount can be refunded again.
    Failed,
}

impl RefundStatus {
    /// The name in bodies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }

    /// Whether `self` may become `next`: `PENDING` becomes either, `COMPLETED` may still come back, `FAILED` is final.
    pub const fn may_become(self, next: Self) -> bool {
        matches!((self, next), (Self::Pending, Self::Completed | Self::Failed) | (Self::Completed, Self::Failed))
    }
}

/// One refund of one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its id.
    pub id: RefundId,
    /// The payment.
    pub payment_id: PaymentId,
    /// How much.
    pub amount: Money,
    /// The merchant's words.
    pub reason: Option<String>,
    /// How it stands.
    pub status: RefundStatus,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// The provider's id of it, once known.
    pub provider_reference: Option<String>,
    /// Since when it waits for the settlement that takes it off what the merchant gets, or gives it back (rule 22).
    pub to_settle_at: Option<Timestamp>,
    /// The settlement that it last was part of.
    pub settlement: Option<SettlementId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
