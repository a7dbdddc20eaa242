//! What holds for every sequence of commands, answers, events and time: the machine is never left, every posting set
//! balances, no amount wraps, and nothing that an operation guards is lost.

use std::{collections::HashMap, time::Duration};

use proptest::prelude::*;

use super::samples::{attempt, held, jpy, key, opened, taken, view};
use crate::{
    Account, Answer, CaptureMethod, Change, Failure, Observation, OperationState, Payment, PaymentStatus, ProviderName,
    RefundId, RefundState, RefundView, ReviewReason, SettlementId, Side, Timestamp, TransactionState,
    audit::{Booked, Books, Span},
};

/// Anything that can happen to a payment.
#[derive(Debug, Clone)]
enum Happening {
    Capture(Option<i64>),
    Void,
    Refund(Option<i64>),
    TakeOver,
    TakeOverToAsk,
    NeverArrived,
    Afresh,
    PayerReturned,
    Answer(AnswerKind),
    Seen { state: StateKind, fresh: bool, other: bool, amount: i64 },
    FailOver,
    SeenBehind { state: StateKind, fresh: bool },
    RefundSeen(u8),
    Settle(i64),
    SettleRefund,
    Expire,
    ExpireApproval,
    NeedsReview(ReviewReason),
    ReviewOver(ReviewReason),
    ResolvedByHand(bool),
    Later(u32),
}

#[derive(Debug, Clone)]
enum AnswerKind {
    Shows(StateKind),
    Refund(u8),
    Advanced,
    Refused { gone: bool },
    Unknown,
    NotReached,
}

#[derive(Debug, Clone)]
enum StateKind {
    AwaitingPayer,
    Approved,
    Processing,
    Authorized,
    Captured { amount: i64, refunded: i64 },
    Voided,
    Declined,
}

fn state_kind() -> impl Strategy<Value = StateKind> {
    prop_oneof![
        1 => Just(StateKind::AwaitingPayer),
        1 => Just(StateKind::Approved),
        1 => Just(StateKind::Processing),
        3 => Just(StateKind::Authorized),
        3 => (1..=1100_i64, 0..=1100_i64)
            .prop_map(|(amount, refunded)| StateKind::Captured { amount, refunded: refunded.min(amount) }),
        1 => Just(StateKind::Voided),
        1 => Just(StateKind::Declined),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let amount = proptest::option::of(prop_oneof![Just(0_i64), 1..=1200_i64]);
    let answer = prop_oneof![
        4 => state_kind().prop_map(AnswerKind::Shows),
        1 => (0..3_u8).prop_map(AnswerKind::Refund),
        1 => Just(AnswerKind::Advanced),
        1 => any::<bool>().prop_map(|gone| AnswerKind::Refused { gone }),
        1 => Just(AnswerKind::Unknown),
        1 => Just(AnswerKind::NotReached),
    ];
    prop_oneof![
        3 => amount.clone().prop_map(Happening::Capture),
        1 => Just(Happening::Void),
        3 => amount.prop_map(Happening::Refund),
        1 => Just(Happening::TakeOver),
        1 => Just(Happening::TakeOverToAsk),
        1 => Just(Happening::NeverArrived),
        1 => Just(Happening::Afresh),
        1 => Just(Happening::PayerReturned),
        6 => answer.prop_map(Happening::Answer),
        4 => (state_kind(), any::<bool>(), prop::bool::weighted(0.2), prop_oneof![9 => Just(1000_i64), 1 => 1..2000_i64])
            .prop_map(|(state, fresh, other, amount)| Happening::Seen { state, fresh, other, amount }),
        3 => Just(Happening::FailOver),
        2 => (state_kind(), any::<bool>()).prop_map(|(state, fresh)| Happening::SeenBehind { state, fresh }),
        1 => (0..3_u8).prop_map(Happening::RefundSeen),
        2 => (0..1200_i64).prop_map(Happening::Settle),
        1 => Just(Happening::SettleRefund),
        1 => Just(Happening::Expire),
        1 => Just(Happening::ExpireApproval),
        1 => prop::sample::select(&ReviewReason::ALL[..]).prop_map(Happening::NeedsReview),
        1 => prop::sample::select(&ReviewReason::ALL[..]).prop_map(Happening::ReviewOver),
        1 => any::<bool>().prop_map(Happening::ResolvedByHand),
        // Now and then past the end of a payer's turn, seldom past that of a hold.
        2 => prop_oneof![9 => 1..900_u32, 1 => Just(8 * 86_400)].prop_map(Happening::Later),
    ]
}

fn failure() -> Failure {
    Failure::new("card_declined", "Declined")
}

fn state(kind: &StateKind) -> TransactionState {
    match kind {
        StateKind::AwaitingPayer => TransactionState::AwaitingPayer { url: "https://3ds".to_owned(), until: None },
        StateKind::Approved => TransactionState::Approved { progress: "order".to_owned() },
        StateKind::Processing => TransactionState::Processing,
        StateKind::Authorized => held(),
        StateKind::Captured { amount, refunded: 0 } => taken(*amount),
        StateKind::Captured { amount, refunded } => {
            TransactionState::Captured { amount: jpy(*amount), refunded: jpy(*refunded) }
        }
        StateKind::Voided => TransactionState::Voided,
        StateKind::Declined => TransactionState::Declined(failure()),
    }
}

fn refund_view(kind: u8) -> RefundView {
    let state = match kind {
        0 => RefundState::Pending,
        1 => RefundState::Completed,
        _ => RefundState::Failed(failure()),
    };
    RefundView { refund_reference: "re_1".to_owned(), instead_of: None, state }
}

/// A payment with its whole past: what a store would hold.
struct World {
    payment: Payment,
    now: Timestamp,
    step: u8,
    balances: HashMap<Account, i64>,
    postings: Vec<Booked>,
    operations: HashMap<u32, OperationState>,
    refunds: Vec<crate::Refund>,
    statuses: Vec<PaymentStatus>,
    sequence: u32,
}

impl World {
    fn new(capture_method: CaptureMethod) -> Self {
        let payment = opened(capture_method);
        Self {
            operations: payment.open.iter().map(|open| (open.number, open.state)).collect(),
            postings: Vec::new(),
            payment,
            now: super::samples::NOW,
            step: 10,
            balances: HashMap::new(),
            refunds: Vec::new(),
            statuses: vec![PaymentStatus::Pending],
            sequence: 0,
        }
    }

    /// What follows from `happening`; `None` where it is refused or means nothing.
    fn decide(&mut self, happening: &Happening) -> Option<Change> {
        self.step = self.step.wrapping_add(1);
        let (payment, now) = (&self.payment, self.now);
        let next = attempt(self.step, now);
        let amount = |minor: &Option<i64>| minor.map(jpy);
        match happening {
            Happening::Capture(minor) => payment.request_capture(amount(minor), next, key(self.step), now).ok(),
            Happening::Void => payment.request_void(next, key(self.step), now).ok(),
            Happening::Refund(minor) => {
                let id = RefundId::from_random([self.step; 16]);
                payment.request_refund(id, amount(minor), None, next, key(self.step), now).ok()
            }
            Happening::TakeOver => payment.take_over(next.lease, now),
            Happening::TakeOverToAsk => payment.take_over_to_ask(now),
            Happening::NeverArrived => payment.never_arrived(now),
            Happening::Afresh => payment.afresh(next, now),
            Happening::PayerReturned => payment.payer_returned(now),
            Happening::Answer(kind) => {
                let number = payment.open.as_ref()?.number;
                payment.answered(number, &answer(kind), next, now)
            }
            Happening::Seen { state: kind, fresh, other, amount } => {
                let mut seen = view(state(kind));
                seen.amount = jpy(*amount);
                if *other {
                    "pi_other".clone_into(&mut seen.transaction_id);
                }
                match payment.observed(&seen, *fresh, next, now) {
                    Observation::Change(change) => Some(*change),
                    _ => None,
                }
            }
            Happening::FailOver => payment.fail_over(ProviderName::Paypal, "vault".to_owned(), "away", next, now),
            Happening::SeenBehind { .. } if payment.provider == ProviderName::Stripe => None,
            Happening::SeenBehind { state: kind, fresh } => {
                let mut seen = view(state(kind));
                "pi_behind".clone_into(&mut seen.transaction_id);
                match payment.observed_elsewhere(ProviderName::Stripe, &seen, *fresh, next, now) {
                    Observation::Change(change) => Some(*change),
                    _ => None,
                }
            }
            Happening::RefundSeen(kind) => payment.refund_moved(self.refunds.last()?, &refund_view(*kind), now),
            Happening::Settle(fee) => payment.settle(SettlementId::from_random([1; 16]), jpy(*fee), now).ok(),
            Happening::SettleRefund => {
                payment.settle_refund(self.refunds.last()?, SettlementId::from_random([2; 16]), now)
            }
            Happening::Expire => payment.expire(next, now),
            Happening::ExpireApproval => payment.expire_approval(next.lease, now),
            Happening::NeedsReview(reason) => payment.needs_review(*reason, now),
            Happening::ReviewOver(reason) => payment.review_over(*reason, now),
            Happening::ResolvedByHand(pays_out) => payment.resolve_by_hand(None, *pays_out, "agreed", now).ok(),
            Happening::Later(seconds) => {
                self.now = now + Duration::from_secs(u64::from(*seconds));
                None
            }
        }
    }

    /// Takes the change over as a store would, and checks it.
    fn commit(&mut self, change: &Change) {
        assert_eq!(change.payment.version, self.payment.version + 1, "one version at a time");
        let mut status = self.payment.status;
        for transition in &change.transitions {
            assert_eq!(transition.from, Some(status));
            assert!(status.may_become(transition.to), "{status:?} became {:?}", transition.to);
            status = transition.to;
            self.statuses.push(status);
        }
        assert_eq!(status, change.payment.status, "no status moves without a transition");
        for event in &change.events {
            self.sequence += 1;
            assert_eq!(event.sequence, self.sequence, "events count up without gaps");
        }
        let sum: i64 = change.postings.lines().iter().map(|line| line.signed_minor()).sum();
        assert_eq!(sum, 0, "debits and credits are the same");
        for line in change.postings.lines() {
            *self.balances.entry(line.account).or_default() += line.signed_minor();
            assert!(matches!(line.side, Side::Debit | Side::Credit) && !line.amount.is_zero());
            self.postings.push(Booked {
                version: change.payment.version,
                account: line.account.to_string(),
                currency: line.amount.currency().code().to_owned(),
                minor: line.signed_minor(),
            });
        }
        self.operations.extend(change.operations.iter().map(|operation| (operation.number, operation.state)));
        if let Some(refund) = &change.refund {
            self.refunds.retain(|known| known.id != refund.id);
            self.refunds.push(refund.clone());
        }
        let was_open = self.payment.open.as_ref().map(|open| open.number);
        let is_open = change.payment.open.as_ref().map(|open| open.number);
        if let Some(number) = was_open.filter(|_| was_open != is_open) {
            let written = change.operations.iter().find(|operation| operation.number == number);
            let closed = written.expect("an operation that is no longer open is written");
            assert!(closed.state.is_closed() && closed.payment_method.is_none() && closed.lease.is_none());
        }
        self.payment = change.payment.clone();
        self.check();
        assert_eq!(self.books().violations(), [], "{:?}", self.payment);
    }

    /// What a store would hold now.
    fn books(&self) -> Books {
        let events = Span::whole(u64::from(self.sequence));
        Books {
            payment: self.payment.clone(),
            postings: self.postings.clone(),
            refunds: self.refunds.clone(),
            operations: self.operations.iter().map(|(number, state)| (*number, *state)).collect(),
            versions: Span::whole(self.payment.version),
            events,
            deliveries: events,
        }
    }

    fn check(&self) {
        let payment = &self.payment;
        assert!(payment.captured.minor() <= payment.amount.minor());
        assert!(payment.refunded.minor() + payment.refund_reserved.minor() <= payment.captured.minor());
        assert_eq!(payment.status == PaymentStatus::Pending, self.statuses.len() == 1);
        assert!(payment.status != PaymentStatus::Pending || payment.open.is_some(), "a pending payment has an owner");
        assert!(payment.remembered_void.is_none() || payment.status == PaymentStatus::Pending);
        if let Some(open) = &payment.open {
            assert_eq!(open.state, OperationState::Open);
            assert!(open.number <= payment.operations);
            assert!(open.lease.is_none_or(|lease| Some(lease.call_until) <= open.last_call_until));
        }
        let balance = |account| self.balances.get(&account).copied().unwrap_or(0);
        let held = if payment.status == PaymentStatus::Authorized { payment.amount.minor() } else { 0 };
        assert_eq!(balance(Account::MemoHeld(payment.provider)), held, "the memo shows what is held now");
        assert_eq!(balance(Account::MemoDue(payment.merchant)), -held);
        let in_suspense = -balance(Account::Suspense);
        assert_eq!(
            ProviderName::ALL.into_iter().map(|at| balance(Account::Receivable(at))).sum::<i64>(),
            payment.captured.minor() - payment.refunded.minor() + in_suspense,
            "the providers owe what was taken and not given back"
        );
        assert_eq!(balance(Account::Refunding(payment.merchant)), -payment.refund_reserved.minor());
    }
}

fn answer(kind: &AnswerKind) -> Answer {
    match kind {
        AnswerKind::Shows(kind) => Answer::Shows(view(state(kind))),
        AnswerKind::Refund(kind) => Answer::ShowsRefund(refund_view(*kind)),
        AnswerKind::Advanced => Answer::Advanced { progress: "step".to_owned() },
        AnswerKind::Refused { gone } => Answer::Refused { failure: failure(), authorization_gone: *gone },
        AnswerKind::Unknown => Answer::Unknown { reason: "timeout".to_owned() },
        AnswerKind::NotReached => Answer::NotReached { reason: "refused".to_owned(), retry_after: None },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_leaves_the_machine_unbalances_the_ledger_or_wraps_an_amount(
        automatic: bool,
        happenings in proptest::collection::vec(happening(), 1..60),
    ) {
        let method = if automatic { CaptureMethod::Automatic } else { CaptureMethod::Manual };
        let mut world = World::new(method);
        for happening in &happenings {
            if let Some(change) = world.decide(happening) {
                world.commit(&change);
            }
        }
    }

    #[test]
    fn a_view_that_is_not_fresh_never_ends_a_payment(
        automatic: bool,
        happenings in proptest::collection::vec(happening(), 0..30),
        kind in state_kind(),
    ) {
        let method = if automatic { CaptureMethod::Automatic } else { CaptureMethod::Manual };
        let mut world = World::new(method);
        for happening in &happenings {
            if let Some(change) = world.decide(happening) {
                world.commit(&change);
            }
        }
        let hint = world.payment.observed(&view(state(&kind)), false, attempt(1, world.now), world.now);
        if let Observation::Change(change) = hint {
            // Only our own void, which is the end that was asked for, may be confirmed by a hint.
            let ended = |status| change.payment.status == status && world.payment.status != status;
            prop_assert!(!ended(PaymentStatus::Failed));
            if ended(PaymentStatus::Voided) {
                let open = world.payment.open.as_ref().map(|open| open.kind);
                prop_assert_eq!(open, Some(crate::OperationKind::Void));
            }
        }
    }
}
