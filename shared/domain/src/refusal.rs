//! Why the rules refuse a command: each has its own code in the API.

/// A command that the payment's state does not allow. Nothing is written for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another operation's outcome is not known yet.
    #[error("another operation on this payment is not finished")]
    OperationInProgress,
    /// The status does not allow it.
    #[error("the payment's status does not allow this")]
    StateConflict,
    /// A refund needs a settled payment.
    #[error("only a settled payment can be refunded")]
    NotSettled,
    /// More than what is authorized.
    #[error("the amount exceeds what is authorized")]
    ExceedsAuthorized,
    /// The refunds reserved and completed would exceed what was captured.
    #[error("the refunds would exceed what was captured")]
    RefundExceedsCaptured,
    /// The amount is zero or of another currency.
    #[error("the amount is not one that this payment can take")]
    BadAmount,
}
