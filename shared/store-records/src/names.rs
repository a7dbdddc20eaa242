//! The names under which choices are kept. They stand in rows for years, so they are stated here and do not follow
//! what the API or the logs call a thing.

use tollgate_domain::{
    CaptureMethod, DeliveryStatus, EventKind, OperationKind, OperationState, PaymentStatus, ProviderName, RefundStatus,
    ReviewReason, SettlementStatus, What,
    audit::Invariant,
    exception::{ExceptionDone, ExceptionKind, Movement, RecordState, Resolution},
    settlement::LineKind,
};

/// A choice that is kept by name.
pub trait Named: Copy {
    /// The name in the row.
    fn name(self) -> &'static str;
    /// The choice of this name.
    fn named(name: &str) -> Option<Self>;
}

macro_rules! names {
    ($type:ty { $($variant:ident = $name:literal,)* }) => {
        impl Named for $type {
            fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

names!(PaymentStatus {
    Pending = "PENDING",
    Authorized = "AUTHORIZED",
    Captured = "CAPTURED",
    Settled = "SETTLED",
    Refunded = "REFUNDED",
    Failed = "FAILED",
    Voided = "VOIDED",
});

names!(RefundStatus {
    Pending = "PENDING",
    Completed = "COMPLETED",
    Failed = "FAILED",
});

names!(ProviderName {
    Stripe = "stripe",
    Paypal = "paypal",
    Bank = "bank",
});

names!(ExceptionKind {
    MissingHere = "missing_here",
    MissingThere = "missing_there",
    Amount = "amount",
    Currency = "currency",
    State = "state",
    Duplicate = "duplicate",
});

names!(Movement {
    Capture = "capture",
    Refund = "refund",
    Returned = "returned",
});

names!(RecordState {
    Pending = "pending",
    Completed = "completed",
    Denied = "denied",
});

names!(Resolution {
    Matched = "matched",
    ByHand = "by_hand",
});

names!(ExceptionDone {
    Opened = "opened",
    Reopened = "reopened",
    Assigned = "assigned",
    Resolved = "resolved",
});

names!(DeliveryStatus {
    Pending = "PENDING",
    Delivered = "DELIVERED",
    Retrying = "RETRYING",
    DeadLettered = "DEAD_LETTERED",
});

names!(ReviewReason {
    Unresolved = "unresolved",
    ProviderDiffers = "provider_differs",
});

names!(SettlementStatus {
    Running = "RUNNING",
    Completed = "COMPLETED",
    Failed = "FAILED",
});

names!(LineKind {
    Payment = "payment",
    Refund = "refund",
    RefundReturned = "refund_returned",
    CarriedOver = "carried_over",
});

names!(Invariant {
    Readable = "readable",
    Amounts = "amounts",
    ChangesBalance = "changes_balance",
    Accounts = "accounts",
    Memo = "memo",
    Pending = "pending",
    Available = "available",
    Refunding = "refunding",
    Receivable = "receivable",
    Suspense = "suspense",
    Refunds = "refunds",
    Versions = "versions",
    Events = "events",
    Deliveries = "deliveries",
    Operations = "operations",
});

names!(CaptureMethod {
    Manual = "manual",
    Automatic = "automatic",
});

names!(OperationKind {
    Authorize = "authorize",
    Capture = "capture",
    Void = "void",
    Refund = "refund",
    Reversal = "reversal",
});

names!(OperationState {
    Waiting = "waiting",
    Open = "open",
    Succeeded = "succeeded",
    Refused = "refused",
    Dropped = "dropped",
});

names!(EventKind {
    PaymentAuthorized = "payment.authorized",
    PaymentCaptured = "payment.captured",
    PaymentCaptureFailed = "payment.capture_failed",
    PaymentSettled = "payment.settled",
    PaymentFailed = "payment.failed",
    PaymentVoided = "payment.voided",
    PaymentRefunded = "payment.refunded",
    PaymentNeedsReview = "payment.needs_review",
    RefundCompleted = "refund.completed",
    RefundFailed = "refund.failed",
});

names!(What {
    PaymentOpened = "payment_opened",
    CaptureRequested = "capture_requested",
    VoidRequested = "void_requested",
    VoidRemembered = "void_remembered",
    RefundRequested = "refund_requested",
    TakenOver = "taken_over",
    StepDone = "step_done",
    OutcomeUnknown = "outcome_unknown",
    NotReached = "provider_not_reached",
    FailedOver = "failed_over",
    PayerActionRequired = "payer_action_required",
    PayerReturned = "payer_returned",
    PayerApproved = "payer_approved",
    Authorized = "authorized",
    ExpiryLearned = "expiry_learned",
    Captured = "captured",
    Failed = "failed",
    Voided = "voided",
    CaptureRefused = "capture_refused",
    VoidRefused = "void_refused",
    RefundAccepted = "refund_accepted",
    RefundCompleted = "refund_completed",
    RefundFailed = "refund_failed",
    LateSuccess = "late_success",
    Reversed = "reversed",
    ReversalRefused = "reversal_refused",
    AuthorizationExpired = "authorization_expired",
    ApprovalExpired = "approval_expired",
    NeedsReview = "needs_review",
    ReviewOver = "review_over",
    Settled = "settled",
    RefundSettled = "refund_settled",
});
