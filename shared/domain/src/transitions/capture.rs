//! The outcome of a capture.

use super::Attempt;
use crate::{
    Account, Change, EventKind, Failure, Money, OperationKind, OperationState, Payment, PaymentStatus, Timestamp, What,
    change::Draft,
};

impl Payment {
    /// The money is taken: by our capture, or (adopted from the provider's truth) by somebody at the provider.
    pub(super) fn captured(&self, amount: Money, now: Timestamp) -> Change {
        let mut draft = Draft::of(self, What::Captured, self.open_number(), now);
        let ours = self.open.as_ref().is_some_and(|open| open.kind == OperationKind::Capture);
        let failure =
            (!ours).then(|| Failure::new("already_captured", "The payment was captured; refund it once it is settled"));
        draft.close(if ours { OperationState::Succeeded } else { OperationState::Refused }, failure);
        draft.take(amount);
        draft.done()
    }

    /// The provider refused: the money stays held, or the hold is gone with it (rule 6).
    pub(super) fn capture_refused(
        &self,
        failure: &Failure,
        authorization_gone: bool,
        next: Attempt,
        now: Timestamp,
    ) -> Change {
        let mut draft = Draft::of(self, What::CaptureRefused, self.open_number(), now);
        draft.detail(&failure.code);
        // Only a merchant's own capture has a key; one that follows an automatic authorization has none.
        let automatic = self.open.as_ref().is_some_and(|open| open.key.is_none());
        draft.close(OperationState::Refused, Some(failure.clone()));
        draft.tell(EventKind::PaymentCaptureFailed);
        if authorization_gone {
            draft.release();
        } else if automatic {
            let void = draft.payment().next_operation(OperationKind::Void, self.amount, next, now);
            draft.payment().operations = void.number;
            draft.open(void);
        }
        draft.done()
    }
}

impl Draft {
    /// AUTHORIZED → VOIDED: the hold is gone.
    pub(super) fn release(&mut self) {
        let payment = self.payment();
        let (merchant, provider, held) = (payment.merchant, payment.provider, payment.amount);
        self.move_to(PaymentStatus::Voided);
        self.postings().transfer(Account::MemoDue(merchant), Account::MemoHeld(provider), held);
        self.tell(EventKind::PaymentVoided);
    }
}
