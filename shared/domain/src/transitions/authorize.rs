//! The outcome of an authorization, and what it leads to: the capture of an automatic payment, a remembered void.

use super::Attempt;
use crate::{
    Account, CaptureMethod, Change, EventKind, Failure, Money, OperationKind, OperationState, PayerTurn, Payment,
    PaymentStatus, Timestamp, What,
    change::Draft,
    payment::{APPROVAL_LASTS, AUTHORIZATION_LASTS},
};

impl Payment {
    /// The money is held; `captured` where the same call took it.
    pub(super) fn authorized(
        &self,
        transaction_id: &str,
        expires_at: Option<Timestamp>,
        captured: Option<Money>,
        next: Attempt,
        now: Timestamp,
    ) -> Change {
        let mut draft = Draft::of(self, What::Authorized, self.open_number(), now);
        let payment = draft.payment();
        payment.provider_transaction_id = Some(transaction_id.to_owned());
        payment.expires_at = Some(expires_at.unwrap_or(now + AUTHORIZATION_LASTS));
        if let Some(open) = &mut payment.open {
            open.transaction_id = Some(transaction_id.to_owned());
        }
        draft.close(OperationState::Succeeded, None);
        draft.move_to(PaymentStatus::Authorized);
        let (held, due) = (Account::MemoHeld(self.provider), Account::MemoDue(self.merchant));
        draft.postings().transfer(held, due, self.amount);
        draft.tell(EventKind::PaymentAuthorized);
        if let Some(amount) = captured {
            draft.take(amount);
            draft.refuse_remembered_void(now);
        } else if let Some(mut void) = draft.payment().remembered_void.take() {
            void.state = OperationState::Open;
            // Its time begins now: until here nobody could send it.
            void.opened_at = now;
            void.transaction_id = Some(transaction_id.to_owned());
            void.lease_to(next.lease);
            draft.open(void);
        } else if self.capture_method == CaptureMethod::Automatic {
            let mut capture = draft.payment().next_operation(OperationKind::Capture, self.amount, next, now);
            capture.transaction_id = Some(transaction_id.to_owned());
            draft.payment().operations = capture.number;
            draft.open(capture);
        }
        draft.done()
    }

    /// The provider's own date for the end of the hold: an event, which told of the hold first, may not carry it.
    pub(super) fn expiry_learned(&self, expires_at: Timestamp, now: Timestamp) -> Change {
        let mut draft = Draft::of(self, What::ExpiryLearned, self.operations, now);
        draft.payment().expires_at = Some(expires_at);
        draft.done()
    }

    /// The payer has to act before the outcome can be known.
    pub(super) fn payer_must_act(
        &self,
        transaction_id: &str,
        url: &str,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Change {
        let mut draft = Draft::of(self, What::PayerActionRequired, self.open_number(), now);
        draft.payment().provider_transaction_id = Some(transaction_id.to_owned());
        if let Some(mut open) = draft.payment().open.take() {
            open.transaction_id = Some(transaction_id.to_owned());
            // A later answer may bring a new page, never more time; and none where a void is asked for that could only come too late.
            let given_up = self.remembered_void.is_some() && self.capture_method == CaptureMethod::Automatic;
            let until = if given_up { now } else { until.unwrap_or(now + APPROVAL_LASTS) };
            let until = open.payer.map_or(until, |turn| turn.until);
            open.payer = Some(PayerTurn { url: url.to_owned(), until });
            open.lease = None;
            draft.open(open);
        }
        draft.done()
    }

    /// The payer came back, and the provider still shows nothing new.
    pub fn payer_returned(&self, now: Timestamp) -> Option<Change> {
        let open = self.open.clone()?;
        let mut draft = Draft::of(self, What::PayerReturned, open.number, now);
        draft.open(open);
        Some(draft.done())
    }

    /// It came to nothing, by the provider's word.
    pub(super) fn authorization_failed(
        &self,
        transaction_id: Option<&str>,
        failure: &Failure,
        now: Timestamp,
    ) -> Change {
        let mut draft = Draft::of(self, What::Failed, self.open_number(), now);
        let payment = draft.payment();
        payment.failure = Some(failure.clone());
        if let Some(transaction_id) = transaction_id {
            payment.provider_transaction_id = Some(transaction_id.to_owned());
        }
        draft.close(OperationState::Refused, Some(failure.clone()));
        if let Some(mut void) = draft.payment().remembered_void.take() {
            void.close(OperationState::Dropped, None, now);
            draft.write(void);
        }
        draft.move_to(PaymentStatus::Failed);
        draft.tell(EventKind::PaymentFailed);
        draft.done()
    }

    /// The provider has no such request, asked after [`Payment::take_over_to_ask`]: it never arrived.
    /// `None`: there is no authorization open that nobody may send any more.
    pub fn never_arrived(&self, now: Timestamp) -> Option<Change> {
        let open = self.open.as_ref().filter(|open| open.kind == OperationKind::Authorize)?;
        let failure = Failure::new("not_processed", "The provider never received this payment: nothing was charged");
        (open.lease.is_none() && open.nobody_may_send(now)).then(|| self.authorization_failed(None, &failure, now))
    }

    pub(super) fn open_number(&self) -> u32 {
        self.open.as_ref().map_or(self.operations, |open| open.number)
    }
}

impl Draft {
    /// AUTHORIZED → CAPTURED: `amount` is taken, the hold on the rest is released.
    pub(super) fn take(&mut self, amount: Money) {
        let now = self.now();
        let payment = self.payment();
        payment.captured = amount;
        payment.captured_at = Some(now);
        let (merchant, provider, held) = (payment.merchant, payment.provider, payment.amount);
        self.move_to(PaymentStatus::Captured);
        self.what(What::Captured);
        self.postings().transfer(Account::MemoDue(merchant), Account::MemoHeld(provider), held);
        self.postings().transfer(Account::Receivable(provider), Account::Pending(merchant), amount);
        self.tell(EventKind::PaymentCaptured);
    }

    /// A void was asked for in time, but the same call that authorized also captured: it can only be refused.
    fn refuse_remembered_void(&mut self, now: Timestamp) {
        if let Some(mut void) = self.payment().remembered_void.take() {
            let failure = Failure::new("already_captured", "The payment was captured; refund it once it is settled");
            void.close(OperationState::Refused, Some(failure), now);
            self.write(void);
        }
    }
}
