//! Bugs to plant: each is one that a payment gateway was once shipped with. They sit at the ports, so that the real use-cases
//! run unchanged around them: a simulation that does not find one of them would not find it in the real code either.
//!
//! Must not know: how it is found.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The intent is written with the outcome, not before the call.
    IntentAfterCall,
    /// A merchant is answered before the commit is durable.
    AnsweredBeforeDurable,
    /// Who loses the race for a version goes on as if it had won.
    NoVersionGuard,
    /// A key that is taken is no obstacle.
    NoKeyGuard,
    /// Another body under a used key is taken for the same request.
    BodyNotCompared,
    /// Idempotency records are deleted an hour after their request.
    KeysForgottenEarly,
    /// An interrupted call is taken over without a commit.
    TakeOverWithoutCommit,
    /// Events are written beside the commit, and now and then not at all.
    EventsBesideCommit,
    /// An event's number is the payment's version.
    SequenceFromVersion,
    /// Events are told to whoever comes first.
    EventToTheWrongMerchant,
    /// A delivery counts as made when it was sent.
    DeliveredWhenSent,
    /// A webhook that failed is dead at once.
    DeliveryNotRetried,
    /// The provider is called with a new key at every try.
    RetryWithNewKey,
    /// A call without an answer has failed.
    FailedOnTimeout,
    /// A call without an answer was never made.
    TimeoutIsNotReached,
    /// A look-up that finds nothing counts at once, and what comes later is ignored.
    LateSuccessIgnored,
    /// A success too many counts as given back when that was asked for.
    ReversalNotSent,
    /// A part of the amount is captured, and all of it is believed to be.
    PartialCaptureTakenForWhole,
    /// A void that waits for the authorization is forgotten.
    RememberedVoidForgotten,
    /// A refund is not held against those before it.
    RefundSumUnchecked,
    /// A refund reserves nothing.
    RefundNotReserved,
    /// Every refund of a payment goes to the provider with the same key.
    RefundsShareAKey,
    /// A refund's failure after its success is not heard.
    FailedRefundIgnored,
    /// The ledger's lines are written beside the commit, and now and then not at all.
    PostingsBesideCommit,
    /// The ledger is told of a yen too many.
    PostingOffByOne,
    /// A settlement's checkpoint is written before its work.
    CheckpointBeforeWork,
    /// A settlement takes what was captured after its cut-off.
    CutOffIgnored,
    /// A shard of a settlement is thought to be settled before it is.
    ShardTakenForDone,
    /// What does not agree with the providers' records is found, and never found to agree.
    ExceptionNeverResolved,
    /// What could not be committed is thought to be.
    FailedCommitIsDone,
    /// The breaker counts declines as the provider's trouble.
    BreakerCountsDeclines,
    /// A provider's event is acknowledged before it is durable, and nobody asks by himself.
    AcknowledgedBeforeDurable,
    /// Nobody looks after payments that were left alone.
    StuckPaymentsNotSought,
}

impl Bug {
    /// Every bug.
    pub(crate) const ALL: [Self; 33] = [
        Self::IntentAfterCall,
        Self::AnsweredBeforeDurable,
        Self::NoVersionGuard,
        Self::NoKeyGuard,
        Self::BodyNotCompared,
        Self::KeysForgottenEarly,
        Self::TakeOverWithoutCommit,
        Self::EventsBesideCommit,
        Self::SequenceFromVersion,
        Self::EventToTheWrongMerchant,
        Self::DeliveredWhenSent,
        Self::DeliveryNotRetried,
        Self::RetryWithNewKey,
        Self::FailedOnTimeout,
        Self::TimeoutIsNotReached,
        Self::LateSuccessIgnored,
        Self::ReversalNotSent,
        Self::PartialCaptureTakenForWhole,
        Self::RememberedVoidForgotten,
        Self::RefundSumUnchecked,
        Self::RefundNotReserved,
        Self::RefundsShareAKey,
        Self::FailedRefundIgnored,
        Self::PostingsBesideCommit,
        Self::PostingOffByOne,
        Self::CheckpointBeforeWork,
        Self::CutOffIgnored,
        Self::ShardTakenForDone,
        Self::ExceptionNeverResolved,
        Self::FailedCommitIsDone,
        Self::BreakerCountsDeclines,
        Self::AcknowledgedBeforeDurable,
        Self::StuckPaymentsNotSought,
    ];

    /// What it is called in the table.
    pub(crate) fn name(self) -> String {
        let mut words = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_uppercase() && !words.is_empty() {
                words.push(' ');
            }
            words.push(letter.to_ascii_lowercase());
        }
        words
    }
}
