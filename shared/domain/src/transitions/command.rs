//! What merchants ask for, and what takes a cut-off operation over: the intents, committed before any call.

use super::Attempt;
use crate::{
    Account, CaptureMethod, Change, Event, KeyHash, Lease, Money, NewPayment, Operation, OperationKind, OperationState,
    Payment, PaymentStatus, PostingSet, Refund, RefundId, RefundStatus, Refusal, Timestamp, Transition, What,
    change::Draft,
};

impl Payment {
    /// Makes a payment with its authorization open: commit 1 of the two that a payment takes.
    pub fn open(new: NewPayment, attempt: Attempt, key: KeyHash, now: Timestamp) -> Change {
        let zero = Money::zero(new.amount.currency());
        let mut payment = Self {
            id: new.id,
            merchant: new.merchant,
            version: 1,
            status: PaymentStatus::Pending,
            amount: new.amount,
            captured: zero,
            refunded: zero,
            refund_reserved: zero,
            provider: new.provider,
            provider_transaction_id: None,
            provider_state: None,
            provider_request_id: attempt.request_id,
            capture_method: new.capture_method,
            details: new.details,
            failure: None,
            expires_at: None,
            captured_at: None,
            settlement: None,
            reversed_at: None,
            review: None,
            open: None,
            remembered_void: None,
            operations: 0,
            events: 0,
            created_at: now,
            updated_at: now,
        };
        let mut operation = payment.next_operation(OperationKind::Authorize, new.amount, attempt, now);
        operation.payment_method = Some(new.payment_method);
        operation.return_url = Some(new.return_url);
        operation.key = Some(key);
        payment.operations = 1;
        payment.open = Some(operation.clone());
        Change {
            payment,
            what: What::PaymentOpened,
            operation: 1,
            detail: None,
            transitions: vec![Transition { from: None, to: PaymentStatus::Pending }],
            operations: vec![operation],
            refund: None,
            events: Vec::<Event>::new(),
            postings: PostingSet::default(),
        }
    }

    /// A capture of `amount`, or of everything. What is not captured is released.
    pub fn request_capture(
        &self,
        amount: Option<Money>,
        attempt: Attempt,
        key: KeyHash,
        now: Timestamp,
    ) -> Result<Change, Refusal> {
        self.nothing_open()?;
        if self.status != PaymentStatus::Authorized || self.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(Refusal::StateConflict(self.status));
        }
        let amount = amount.unwrap_or(self.amount);
        if amount.is_zero() {
            return Err(Refusal::BadAmount);
        }
        if amount.exceeds(self.amount).map_err(|_| Refusal::BadAmount)? {
            return Err(Refusal::ExceedsAuthorized(self.amount));
        }
        let mut operation = self.next_operation(OperationKind::Capture, amount, attempt, now);
        operation.key = Some(key);
        Ok(self.intent(What::CaptureRequested, operation, now))
    }

    /// A void. On a payment whose authorization is unknown it is remembered and carried out when that is known. Where a payer is
    /// waited for whose approval would take the money at once, his turn ends now: behind that a void would come too late.
    pub fn request_void(&self, attempt: Attempt, key: KeyHash, now: Timestamp) -> Result<Change, Refusal> {
        let mut operation = self.next_operation(OperationKind::Void, self.amount, attempt, now);
        operation.key = Some(key);
        if self.status == PaymentStatus::Pending && self.remembered_void.is_none() {
            operation.state = OperationState::Waiting;
            operation.lease = None;
            operation.last_call_until = None;
            let mut draft = Draft::of(self, What::VoidRemembered, operation.number, now);
            draft.payment().operations = operation.number;
            draft.payment().remembered_void = Some(operation.clone());
            if self.capture_method == CaptureMethod::Automatic
                && let Some(mut open) = self.open.clone()
                && let Some(turn) = &mut open.payer
            {
                turn.until = turn.until.min(now);
                draft.open(open);
            }
            draft.write(operation);
            return Ok(draft.done());
        }
        self.nothing_open()?;
        if self.status != PaymentStatus::Authorized {
            return Err(Refusal::StateConflict(self.status));
        }
        Ok(self.intent(What::VoidRequested, operation, now))
    }

    /// A refund of `amount`, or of all that is left: reserved here, sent afterwards.
    pub fn request_refund(
        &self,
        id: RefundId,
        amount: Option<Money>,
        reason: Option<String>,
        attempt: Attempt,
        key: KeyHash,
        now: Timestamp,
    ) -> Result<Change, Refusal> {
        self.nothing_open()?;
        if self.status != PaymentStatus::Settled {
            return Err(Refusal::NotSettled(self.status));
        }
        let left = self.refundable();
        let amount = amount.unwrap_or(left);
        // "All that is left" of nothing, where refunds on their way have reserved it all, is too much as well.
        if left.is_zero() || amount.exceeds(left).map_err(|_| Refusal::BadAmount)? {
            return Err(Refusal::RefundExceedsCaptured(left));
        }
        if amount.is_zero() {
            return Err(Refusal::BadAmount);
        }
        let refund = Refund {
            id,
            payment_id: self.id,
            amount,
            reason,
            status: RefundStatus::Pending,
            failure: None,
            provider_reference: None,
            to_settle_at: None,
            settlement: None,
            created_at: now,
            updated_at: now,
        };
        let mut operation = self.next_operation(OperationKind::Refund, amount, attempt, now);
        operation.key = Some(key);
        operation.refund = Some(Box::new(refund.clone()));
        let mut change = self.intent(What::RefundRequested, operation, now);
        change.payment.refund_reserved =
            change.payment.refund_reserved.plus(amount).map_err(|_| Refusal::RefundExceedsCaptured(left))?;
        change.postings.transfer(Account::Available(self.merchant), Account::Refunding(self.merchant), amount);
        change.refund = Some(refund);
        Ok(change)
    }

    /// Takes the open operation over from a call that was cut off, with the right to send it again.
    /// `None`: nothing is open.
    pub fn take_over(&self, lease: Lease, now: Timestamp) -> Option<Change> {
        let mut operation = self.open.clone()?;
        let mut draft = Draft::of(self, What::TakenOver, operation.number, now);
        operation.lease_to(lease);
        draft.open(operation);
        Some(draft.done())
    }

    /// Takes the open operation over only to ask: nobody, a stalled call included, may send it any more.
    /// `None`: nothing is open, or a call could still be on its way.
    pub fn take_over_to_ask(&self, now: Timestamp) -> Option<Change> {
        let mut operation = self.open.clone()?;
        if !operation.nobody_may_send(now) {
            return None;
        }
        let mut draft = Draft::of(self, What::TakenOver, operation.number, now);
        operation.lease = None;
        draft.open(operation);
        Some(draft.done())
    }

    /// The provider shows that the open capture, void, refund or reversal was not done, asked after
    /// [`Payment::take_over_to_ask`]: it is sent afresh, under a new id. (A provider that keeps its own error under the old
    /// one would answer that for ever.) `None`: no such operation is open, or somebody may still send it as it was.
    pub fn afresh(&self, next: Attempt, now: Timestamp) -> Option<Change> {
        // An authorization is the merchant's to repeat (rule 3).
        let movable = |open: &Operation| open.kind != OperationKind::Authorize && open.lease.is_none();
        let mut operation = self.open.clone().filter(movable)?;
        if !operation.nobody_may_send(now) {
            return None;
        }
        let mut draft = Draft::of(self, What::TakenOver, operation.number, now);
        draft.detail("not done at the provider: sent afresh under a new id");
        operation.request_id = next.request_id;
        operation.progress = None;
        operation.lease_to(next.lease);
        draft.open(operation);
        Some(draft.done())
    }

    fn nothing_open(&self) -> Result<(), Refusal> {
        if self.open.is_some() { Err(Refusal::OperationInProgress) } else { Ok(()) }
    }

    pub(super) fn intent(&self, what: What, operation: Operation, now: Timestamp) -> Change {
        let mut draft = Draft::of(self, what, operation.number, now);
        draft.payment().operations = operation.number;
        draft.open(operation);
        draft.done()
    }
}
