//! The outcome of a refund: accepted, done, refused, or taken back after it was done (rule 23).

use crate::{
    Account, Change, EventKind, Failure, OperationKind, OperationState, Payment, PaymentStatus, Refund, RefundState,
    RefundStatus, RefundView, Timestamp, What, change::Draft,
};

impl Payment {
    /// What follows from the provider showing `refund` (the row as it now is) in another state.
    /// `None`: nothing that was not known, or it is of another refund at the provider than the one that counts.
    pub fn refund_moved(&self, refund: &Refund, view: &RefundView, now: Timestamp) -> Option<Change> {
        let known = refund.provider_reference.as_ref();
        let learned = known != Some(&view.refund_reference);
        if known.is_some() && learned && known != view.instead_of.as_ref() {
            return None;
        }
        let mut refund = refund.clone();
        refund.provider_reference = Some(view.refund_reference.clone());
        match &view.state {
            RefundState::Completed if refund.status.may_become(RefundStatus::Completed) => {
                Some(self.refund_completed(refund, now))
            }
            RefundState::Failed(failure) if refund.status.may_become(RefundStatus::Failed) => {
                Some(self.refund_failed(refund, failure, now))
            }
            _ if learned => Some(self.refund_accepted(refund, now)),
            _ => None,
        }
    }

    /// The provider's final no to the request itself: the reservation is released.
    pub(super) fn refund_refused(&self, refund: &Refund, failure: &Failure, now: Timestamp) -> Option<Change> {
        refund.status.may_become(RefundStatus::Failed).then(|| self.refund_failed(refund.clone(), failure, now))
    }

    /// Accepted, and on its way: the amount stays reserved until the provider's last word.
    fn refund_accepted(&self, refund: Refund, now: Timestamp) -> Change {
        let mut draft = self.refund_draft(What::RefundAccepted, OperationState::Succeeded, &refund, None, now);
        draft.write_refund(refund, now);
        draft.done()
    }

    fn refund_completed(&self, mut refund: Refund, now: Timestamp) -> Change {
        let mut draft = self.refund_draft(What::RefundCompleted, OperationState::Succeeded, &refund, None, now);
        let payment = draft.payment();
        payment.refund_reserved = payment.refund_reserved.minus(refund.amount).unwrap_or(payment.refund_reserved);
        payment.refunded = payment.refunded.plus(refund.amount).unwrap_or(payment.refunded);
        let whole = payment.refunded == payment.captured;
        refund.status = RefundStatus::Completed;
        refund.to_settle_at = Some(now);
        draft.postings().transfer(Account::Refunding(self.merchant), Account::Receivable(self.provider), refund.amount);
        let refund = draft.write_refund(refund, now);
        draft.tell_refund(EventKind::RefundCompleted, &refund);
        if whole {
            draft.move_to(PaymentStatus::Refunded);
            draft.tell(EventKind::PaymentRefunded);
        }
        draft.done()
    }

    fn refund_failed(&self, mut refund: Refund, failure: &Failure, now: Timestamp) -> Change {
        let refused = OperationState::Refused;
        let mut draft = self.refund_draft(What::RefundFailed, refused, &refund, Some(failure.clone()), now);
        draft.detail(&failure.code);
        let payment = draft.payment();
        let back_from = if refund.status == RefundStatus::Completed {
            payment.refunded = payment.refunded.minus(refund.amount).unwrap_or(payment.refunded);
            Account::Receivable(self.provider)
        } else {
            payment.refund_reserved = payment.refund_reserved.minus(refund.amount).unwrap_or(payment.refund_reserved);
            Account::Refunding(self.merchant)
        };
        if self.status == PaymentStatus::Refunded {
            draft.move_to(PaymentStatus::Settled);
        }
        draft.postings().transfer(back_from, Account::Available(self.merchant), refund.amount);
        refund.status = RefundStatus::Failed;
        // What a settlement took off, the next one gives back; what none took off yet, none will.
        refund.to_settle_at = refund.settlement.map(|_| now);
        refund.failure = Some(failure.clone());
        let refund = draft.write_refund(refund, now);
        draft.tell_refund(EventKind::RefundFailed, &refund);
        draft.done()
    }

    /// Starts a change about `refund`, closing the operation that carries it out where that is still open.
    fn refund_draft(
        &self,
        what: What,
        state: OperationState,
        refund: &Refund,
        failure: Option<Failure>,
        now: Timestamp,
    ) -> Draft {
        let mut draft = Draft::of(self, what, self.open_number(), now);
        let carries = |open: &crate::Operation| {
            open.kind == OperationKind::Refund && open.refund.as_ref().is_some_and(|carried| carried.id == refund.id)
        };
        if self.open.as_ref().is_some_and(carries) {
            draft.close(state, failure);
        }
        draft
    }
}

impl Draft {
    fn write_refund(&mut self, mut refund: Refund, now: Timestamp) -> Refund {
        refund.updated_at = now;
        self.refund(refund.clone());
        refund
    }
}
