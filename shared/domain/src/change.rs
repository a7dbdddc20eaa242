//! What a decision yields: the next version of the payment, and everything that must be committed with it.

use crate::{
    Event, EventKind, Failure, Operation, OperationState, Payment, PaymentStatus, PostingSet, Refund, Review,
    ReviewReason, Timestamp, Transition, What,
};

/// One change of one payment. It is committed whole, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The payment after it; its version is one more than before.
    pub payment: Payment,
    /// What it was about.
    pub what: What,
    /// The operation that it was about.
    pub operation: u32,
    /// Why, for the timeline: a provider's reason, never a payer's data.
    pub detail: Option<String>,
    /// The statuses passed through: none, one, or two (automatic capture, rule 6).
    pub transitions: Vec<Transition>,
    /// Every operation that is new or changed, as it now is.
    pub operations: Vec<Operation>,
    /// The refund that is new or changed.
    pub refund: Option<Refund>,
    /// What the merchant is told.
    pub events: Vec<Event>,
    /// What the ledger is told.
    pub postings: PostingSet,
}

impl Change {
    /// The operation of this change, as it now is.
    pub fn operation(&self) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.number == self.operation)
    }
}

/// Builds a change step by step; the only code that moves a payment's status.
pub(crate) struct Draft {
    change: Change,
    now: Timestamp,
}

impl Draft {
    /// Starts from the payment as it was.
    pub(crate) fn of(payment: &Payment, what: What, operation: u32, now: Timestamp) -> Self {
        let mut payment = payment.clone();
        payment.version += 1;
        payment.updated_at = now;
        Self {
            change: Change {
                payment,
                what,
                operation,
                detail: None,
                transitions: Vec::new(),
                operations: Vec::new(),
                refund: None,
                events: Vec::new(),
                postings: PostingSet::default(),
            },
            now,
        }
    }

    pub(crate) fn payment(&mut self) -> &mut Payment {
        &mut self.change.payment
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn postings(&mut self) -> &mut PostingSet {
        &mut self.change.postings
    }

    pub(crate) fn detail(&mut self, detail: &str) {
        self.change.detail = Some(detail.to_owned());
    }

    pub(crate) fn what(&mut self, what: What) {
        self.change.what = what;
    }

    /// Moves the status along one of the contract's arrows.
    pub(crate) fn move_to(&mut self, to: PaymentStatus) {
        let from = self.change.payment.status;
        debug_assert!(from.may_become(to), "{from:?} does not become {to:?}");
        if to.is_without_money() {
            // Nothing comes next that the adapter could need it for, and it can hold what a payer gave.
            self.change.payment.provider_state = None;
        }
        self.change.payment.status = to;
        self.change.transitions.push(Transition { from: Some(from), to });
    }

    /// Puts `operation` where the payment keeps its open one.
    pub(crate) fn open(&mut self, operation: Operation) {
        self.change.operations.push(operation.clone());
        self.change.payment.open = Some(operation);
    }

    /// Writes `operation` without opening it.
    pub(crate) fn write(&mut self, operation: Operation) {
        self.change.operations.push(operation);
    }

    /// Closes the open operation.
    pub(crate) fn close(&mut self, state: OperationState, failure: Option<Failure>) {
        if let Some(mut operation) = self.change.payment.open.take() {
            operation.close(state, failure, self.now);
            self.change.operations.push(operation);
        }
        // It was looked for because of what is known now.
        let unresolved = |review: &mut Review| review.reason == ReviewReason::Unresolved;
        self.change.payment.review.take_if(unresolved);
    }

    /// Writes the refund as it now is.
    pub(crate) fn refund(&mut self, refund: Refund) {
        self.change.refund = Some(refund);
    }

    /// Tells the merchant, with the payment as it is at this point of the change.
    pub(crate) fn tell(&mut self, kind: EventKind) {
        self.change.payment.events += 1;
        self.change.events.push(Event {
            kind,
            sequence: self.change.payment.events,
            payment: self.change.payment.clone(),
            refund: None,
            at: self.now,
        });
    }

    /// Tells the merchant of a refund.
    pub(crate) fn tell_refund(&mut self, kind: EventKind, refund: &Refund) {
        self.tell(kind);
        if let Some(event) = self.change.events.last_mut() {
            event.refund = Some(refund.clone());
        }
    }

    pub(crate) fn done(self) -> Change {
        self.change
    }
}
