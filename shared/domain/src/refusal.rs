//! Why the rules refuse a command: each has its own code in the API.

use crate::{Money, PaymentStatus};

/// A command that the payment's state does not allow. Nothing is written for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another operation's outcome is not known yet.
    #[error("another operation on this payment is not finished")]
    OperationInProgress,
    /// The status does not allow it.
    #[error("a payment that is {} does not allow this", .0.as_str())]
    StateConflict(PaymentStatus),
    /// A refund needs a settled payment.
    #[error("only a settled payment can be refunded, and this one is {}", .0.as_str())]
    NotSettled(PaymentStatus),
    /// More than this, which is authorized.
    #[error("the amount exceeds what is authorized, {0}")]
    ExceedsAuthorized(Money),
    /// The refunds reserved and completed would exceed what was captured: this is left.
    #[error("the refunds would exceed what was captured: {0} is left")]
    RefundExceedsCaptured(Money),
    /// The amount is zero or of another currency.
    #[error("the amount is not one that this payment can take")]
    BadAmount,
}
