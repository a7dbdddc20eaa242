//! A story: one payment moved step by step, with the change set of every step.

use std::time::Duration;

use tollgate_domain::{
    Answer, Change, EventId, Failure, NewPayment, Observation, Payment, PaymentStatus, PostingSet, Refund, RefundState,
    RefundView, Timestamp, TransactionState, TransactionView, Transition, What,
};

use super::samples::{Samples, yen};
use crate::records::{Cause, ChangeSet, EventRecord, IdempotencyRecord};

/// A payment, and how it came to be as it is.
#[derive(Debug, Clone)]
pub struct Story<'a> {
    samples: &'a Samples,
    /// As it now is.
    pub payment: Payment,
    /// The present: every step takes [`Story::step`].
    pub now: Timestamp,
    /// How long a step takes: one second, or nothing for a clock that stands still.
    pub step: Duration,
    /// The change sets, in order.
    pub sets: Vec<ChangeSet>,
    refund: Option<Refund>,
}

impl<'a> Story<'a> {
    /// Begins with `new`, committed at `now` under a key of its own.
    pub fn open(samples: &'a Samples, new: NewPayment, now: Timestamp) -> Self {
        let key = samples.key();
        let change = Payment::open(new, samples.attempt(now), key, now);
        let payment = change.payment.clone();
        let mut story = Self { samples, payment, now, step: Duration::from_secs(1), sets: Vec::new(), refund: None };
        story.push(change, Cause::Merchant);
        story.last_mut().new_key = Some(IdempotencyRecord {
            key,
            fingerprint: samples.key(),
            payment: story.payment.id,
            operation: 1,
            created_at: now,
        });
        story
    }

    /// The last change set.
    pub fn last(&self) -> &ChangeSet {
        self.sets.last().expect("a story has a first step")
    }

    /// The last change set, to be added to.
    pub fn last_mut(&mut self) -> &mut ChangeSet {
        self.sets.last_mut().expect("a story has a first step")
    }

    /// The next step as another instance would make it: the same payment, another change.
    pub fn rival(&self, step: impl FnOnce(Self) -> Self) -> ChangeSet {
        step(self.clone()).last().clone()
    }

    /// From here on the clock stands still.
    #[must_use]
    pub fn frozen(mut self) -> Self {
        self.step = Duration::ZERO;
        self
    }

    /// The provider's answer to what is open.
    #[must_use]
    pub fn answered(mut self, answer: &Answer) -> Self {
        self.now += self.step;
        let number = self.payment.open.as_ref().expect("something is open").number;
        let next = self.samples.attempt(self.now);
        let change = self.payment.answered(number, answer, next, self.now).expect("it was open");
        self.push(change, Cause::ProviderAnswer);
        self
    }

    /// The transaction as seen at the provider just now.
    #[must_use]
    pub fn seen(mut self, state: TransactionState) -> Self {
        self.now += self.step;
        let next = self.samples.attempt(self.now);
        let Observation::Change(change) = self.payment.observed(&self.view(state), true, next, self.now) else {
            panic!("nothing follows");
        };
        self.push(*change, Cause::ProviderEvent(format!("evt {}", self.payment.version)));
        self
    }

    /// The outcome of what is open is not known.
    #[must_use]
    pub fn unknown(self) -> Self {
        self.answered(&Answer::Unknown { reason: "the answer was lost".to_owned() })
    }

    /// One of several steps is done.
    #[must_use]
    pub fn advanced(self) -> Self {
        self.answered(&Answer::Advanced { progress: "ORDER-7".to_owned() })
    }

    /// The provider refuses what is open.
    #[must_use]
    pub fn refused(self) -> Self {
        let failure = Failure {
            code: "card_declined".to_owned(),
            message: "The card was declined".to_owned(),
            provider_code: Some("insufficient_funds".to_owned()),
        };
        self.answered(&Answer::Refused { failure, authorization_gone: false })
    }

    /// It is the payer's turn.
    #[must_use]
    pub fn payer_must_act(self) -> Self {
        self.seen(TransactionState::AwaitingPayer { url: "https://bank.example/3ds".to_owned(), until: None })
    }

    /// The money is held.
    #[must_use]
    pub fn authorized(self) -> Self {
        self.seen(TransactionState::Authorized { expires_at: None })
    }

    /// So many yen are taken.
    #[must_use]
    pub fn captured(self, minor: i64) -> Self {
        self.seen(TransactionState::Captured { amount: yen(minor), refunded: yen(0) })
    }

    /// The hold is released.
    #[must_use]
    pub fn voided(self) -> Self {
        self.seen(TransactionState::Voided)
    }

    /// The merchant captures so many yen.
    #[must_use]
    pub fn capture_requested(self, minor: i64) -> Self {
        self.requested(|payment, samples, now| {
            payment.request_capture(Some(yen(minor)), samples.attempt(now), samples.key(), now)
        })
    }

    /// The merchant voids.
    #[must_use]
    pub fn void_requested(self) -> Self {
        self.requested(|payment, samples, now| payment.request_void(samples.attempt(now), samples.key(), now))
    }

    /// The merchant refunds so many yen.
    #[must_use]
    pub fn refund_requested(self, minor: i64) -> Self {
        self.requested(|payment, samples, now| {
            let (attempt, reason) = (samples.attempt(now), Some("too small".to_owned()));
            payment.request_refund(samples.refund_id(), Some(yen(minor)), reason, attempt, samples.key(), now)
        })
    }

    /// The refund that was asked for is done.
    #[must_use]
    pub fn refund_completed(self) -> Self {
        self.refund_seen(RefundState::Completed)
    }

    /// The refund that was asked for came to nothing, also where it was done before.
    #[must_use]
    pub fn refund_failed(self) -> Self {
        self.refund_seen(RefundState::Failed(Failure::new("refund_failed", "The money came back")))
    }

    fn refund_seen(mut self, state: RefundState) -> Self {
        self.now += self.step;
        let refund = self.refund.clone().expect("a refund was asked for");
        let view = RefundView { refund_reference: "re_7".to_owned(), instead_of: None, state };
        let change = self.payment.refund_moved(&refund, &view, self.now).expect("it can still move");
        self.push(change, Cause::LookUp);
        self
    }

    /// It is in a settlement. (The domain has no such transition yet.)
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.now += self.step;
        let from = self.payment.status;
        let mut payment = self.payment.clone();
        payment.version += 1;
        payment.status = PaymentStatus::Settled;
        payment.updated_at = self.now;
        let change = Change {
            operation: payment.operations,
            payment,
            what: What::Captured,
            detail: None,
            transitions: vec![Transition { from: Some(from), to: PaymentStatus::Settled }],
            operations: Vec::new(),
            refund: None,
            events: Vec::new(),
            postings: PostingSet::default(),
        };
        self.push(change, Cause::Job("settlement".to_owned()));
        self
    }

    fn view(&self, state: TransactionState) -> TransactionView {
        let transaction_id =
            self.payment.provider_transaction_id.clone().unwrap_or_else(|| format!("pi_{}", self.payment.id));
        TransactionView { transaction_id, request_id: None, amount: self.payment.amount, state, kept: None }
    }

    fn requested<R: std::fmt::Debug>(
        mut self,
        request: impl FnOnce(&Payment, &Samples, Timestamp) -> Result<Change, R>,
    ) -> Self {
        self.now += self.step;
        let change = request(&self.payment, self.samples, self.now).expect("the payment allows it");
        let operation = change.operation().expect("a request opens one").clone();
        self.push(change, Cause::Merchant);
        self.last_mut().new_key = Some(IdempotencyRecord {
            key: operation.key.expect("a merchant's operation has a key"),
            fingerprint: self.samples.key(),
            payment: self.payment.id,
            operation: operation.number,
            created_at: self.now,
        });
        self
    }

    fn push(&mut self, change: Change, cause: Cause) {
        self.payment = change.payment.clone();
        self.refund = change.refund.clone().or(self.refund.take());
        let events = change.events.iter().map(|event| {
            let id: EventId = self.samples.event_id();
            EventRecord {
                id,
                payment: self.payment.id,
                merchant: self.payment.merchant,
                sequence: event.sequence,
                kind: event.kind,
                body: format!("{{\"id\":\"{id}\",\"sequence\":{}}}", event.sequence),
                at: event.at,
            }
        });
        let events = events.collect();
        self.sets.push(ChangeSet::of(self.samples.change_id(), change, cause, "corr-story", events));
    }
}
