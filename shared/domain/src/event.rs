//! Events to merchants: written in the same commit as the change that they tell of.

use crate::{Payment, Refund, Timestamp};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// `payment.authorized`
    PaymentAuthorized,
    /// `payment.captured`
    PaymentCaptured,
    /// `payment.capture_failed`
    PaymentCaptureFailed,
    /// `payment.settled`
    PaymentSettled,
    /// `payment.failed`
    PaymentFailed,
    /// `payment.voided`
    PaymentVoided,
    /// `payment.refunded`
    PaymentRefunded,
    /// `payment.needs_review`
    PaymentNeedsReview,
    /// `refund.completed`
    RefundCompleted,
    /// `refund.failed`
    RefundFailed,
}

impl EventKind {
    /// The type in the event's body.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaymentAuthorized => "payment.authorized",
            Self::PaymentCaptured => "payment.captured",
            Self::PaymentCaptureFailed => "payment.capture_failed",
            Self::PaymentSettled => "payment.settled",
            Self::PaymentFailed => "payment.failed",
            Self::PaymentVoided => "payment.voided",
            Self::PaymentRefunded => "payment.refunded",
            Self::PaymentNeedsReview => "payment.needs_review",
            Self::RefundCompleted => "refund.completed",
            Self::RefundFailed => "refund.failed",
        }
    }
}

/// One event, before it has an id. The snapshots are as of the transition that it tells of, not of the commit's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// 1, 2, 3 … within the payment, without gaps (rule 15).
    pub sequence: u32,
    /// The payment after the transition.
    pub payment: Payment,
    /// The refund that it is about, for `refund.*`.
    pub refund: Option<Refund>,
    /// When.
    pub at: Timestamp,
}
