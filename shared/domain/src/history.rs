//! What a history row says of a change. One row per version: it is the guard of the commit (rule 13), the timeline
//! and the audit trail.

use crate::PaymentStatus;

/// A change of status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Before; `None` when the payment was made.
    pub from: Option<PaymentStatus>,
    /// After.
    pub to: PaymentStatus,
}

/// What a change was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// The payment and its authorization were committed; nothing was sent yet.
    PaymentOpened,
    /// A capture was committed; nothing was sent yet.
    CaptureRequested,
    /// A void was committed; nothing was sent yet.
    VoidRequested,
    /// A void was remembered until the authorization is known.
    VoidRemembered,
    /// A refund was reserved; nothing was sent yet.
    RefundRequested,
    /// The operation was taken over from a call that ended without an outcome.
    TakenOver,
    /// One step of several was done at the provider.
    StepDone,
    /// The outcome of the call is not known.
    OutcomeUnknown,
    /// The provider was not reached; nothing was sent.
    NotReached,
    /// The provider was not reached, and another one is tried (rule 9).
    FailedOver,
    /// The payer has to act.
    PayerActionRequired,
    /// The payer came back.
    PayerReturned,
    /// The payer has approved, and our next step follows.
    PayerApproved,
    /// The money is held.
    Authorized,
    /// The provider gave its own date for the end of the hold.
    ExpiryLearned,
    /// The money is taken.
    Captured,
    /// The payment came to nothing.
    Failed,
    /// The hold was released.
    Voided,
    /// The provider refused the capture.
    CaptureRefused,
    /// The provider refused the void.
    VoidRefused,
    /// The provider accepted the refund.
    RefundAccepted,
    /// The refund is done.
    RefundCompleted,
    /// The refund came to nothing.
    RefundFailed,
    /// A success turned up after the payment was over; its reversal was committed.
    LateSuccess,
    /// The late success was undone at the provider.
    Reversed,
    /// The provider refused to undo a late success: a person must look.
    ReversalRefused,
    /// The hold is past its end: a void was committed; nothing was sent yet.
    AuthorizationExpired,
    /// The payer did not act in time: the attempt is about to be cancelled at the provider.
    ApprovalExpired,
    /// A person has to look.
    NeedsReview,
    /// What a person had to look at is over.
    ReviewOver,
    /// It is part of a settlement.
    Settled,
    /// A refund, or one that came back, is part of a settlement.
    RefundSettled,
}

impl What {
    /// Every value, for parsing what was stored.
    pub const ALL: [Self; 32] = [
        Self::PaymentOpened,
        Self::CaptureRequested,
        Self::VoidRequested,
        Self::VoidRemembered,
        Self::RefundRequested,
        Self::TakenOver,
        Self::StepDone,
        Self::OutcomeUnknown,
        Self::NotReached,
        Self::FailedOver,
        Self::PayerActionRequired,
        Self::PayerReturned,
        Self::PayerApproved,
        Self::Authorized,
        Self::ExpiryLearned,
        Self::Captured,
        Self::Failed,
        Self::Voided,
        Self::CaptureRefused,
        Self::VoidRefused,
        Self::RefundAccepted,
        Self::RefundCompleted,
        Self::RefundFailed,
        Self::LateSuccess,
        Self::Reversed,
        Self::ReversalRefused,
        Self::AuthorizationExpired,
        Self::ApprovalExpired,
        Self::NeedsReview,
        Self::ReviewOver,
        Self::Settled,
        Self::RefundSettled,
    ];

    /// The name in the timeline and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaymentOpened => "payment_opened",
            Self::CaptureRequested => "capture_requested",
            Self::VoidRequested => "void_requested",
            Self::VoidRemembered => "void_remembered",
            Self::RefundRequested => "refund_requested",
            Self::TakenOver => "taken_over",
            Self::StepDone => "step_done",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::NotReached => "provider_not_reached",
            Self::FailedOver => "failed_over",
            Self::PayerActionRequired => "payer_action_required",
            Self::PayerReturned => "payer_returned",
            Self::PayerApproved => "payer_approved",
            Self::Authorized => "authorized",
            Self::ExpiryLearned => "expiry_learned",
            Self::Captured => "captured",
            Self::Failed => "failed",
            Self::Voided => "voided",
            Self::CaptureRefused => "capture_refused",
            Self::VoidRefused => "void_refused",
            Self::RefundAccepted => "refund_accepted",
            Self::RefundCompleted => "refund_completed",
            Self::RefundFailed => "refund_failed",
            Self::LateSuccess => "late_success",
            Self::Reversed => "reversed",
            Self::ReversalRefused => "reversal_refused",
            Self::AuthorizationExpired => "authorization_expired",
            Self::ApprovalExpired => "approval_expired",
            Self::NeedsReview => "needs_review",
            Self::ReviewOver => "review_over",
            Self::Settled => "settled",
            Self::RefundSettled => "refund_settled",
        }
    }
}
