//! A payment's life step by step: what each change books (rule 25's table), when, what it is called, and what the merchant is told.

use std::time::Duration;

use super::samples::{NOW, attempt, authorized, capturing, held, jpy, key, opened, shows, taken, view};
use crate::{
    Account::{Available, FeeIncome, MemoDue, MemoHeld, Pending, Receivable, Refunding},
    Answer, CaptureMethod, Change, Discrepancy, EventKind, Failure, MerchantId, Money, NotResolved, NotSettled,
    Observation, OperationKind, OperationState, Payment, PaymentStatus, PostingSet, ProviderName, Refund, RefundId,
    RefundState, RefundStatus, RefundView, Refusal, Review, ReviewReason, SettlementId, Timestamp, TransactionState,
    What,
    ledger::{Account, Side},
};

const MERCHANT: MerchantId = MerchantId::from_random([2; 16]);
const STRIPE: ProviderName = ProviderName::Stripe;
const BATCH: SettlementId = SettlementId::from_random([6; 16]);

fn at(hours: u64) -> Timestamp {
    NOW + Duration::from_secs(hours * 3600)
}

/// Debit, credit, amount: as the table has them.
fn booked(change: &Change) -> Vec<(Account, Account, i64)> {
    let pairs = change.postings.lines().chunks(2).map(|pair| {
        let [debit, credit] = pair else { panic!("half a transfer: {pair:?}") };
        assert_eq!((debit.side, credit.side, debit.amount), (Side::Debit, Side::Credit, credit.amount));
        assert_eq!(debit.signed_minor() + credit.signed_minor(), 0);
        (debit.account, credit.account, debit.amount.minor())
    });
    pairs.collect()
}

fn captured(minor: i64) -> Payment {
    shows(&capturing(minor), taken(minor)).payment
}

fn settled(minor: i64) -> Payment {
    captured(minor).settle(BATCH, jpy(30), NOW).unwrap().payment
}

/// A refund that was asked for: the payment then, and the refund.
fn refunding(payment: &Payment, minor: i64) -> (Payment, Refund) {
    let id = RefundId::from_random([u8::try_from(minor % 251).unwrap(); 16]);
    let change = payment.request_refund(id, Some(jpy(minor)), None, attempt(5, NOW), key(5), NOW).unwrap();
    (change.payment, change.refund.unwrap())
}

fn refund_shows(state: RefundState) -> RefundView {
    RefundView { refund_reference: "re_1".to_owned(), instead_of: None, state }
}

fn no() -> Failure {
    Failure::new("account_closed", "No account")
}

#[test]
fn every_step_books_what_the_table_of_the_ledger_says() {
    let hold = shows(&opened(CaptureMethod::Manual), held());
    assert_eq!(booked(&hold), [(MemoHeld(STRIPE), MemoDue(MERCHANT), 1000)]);
    let released =
        shows(&authorized().request_void(attempt(2, NOW), key(2), NOW).unwrap().payment, TransactionState::Voided);
    assert_eq!(booked(&released), [(MemoDue(MERCHANT), MemoHeld(STRIPE), 1000)]);
    let taken_in_part = shows(&capturing(400), taken(400));
    let memo_back = (MemoDue(MERCHANT), MemoHeld(STRIPE), 1000);
    assert_eq!(booked(&taken_in_part), [memo_back, (Receivable(STRIPE), Pending(MERCHANT), 400)]);
    let in_batch = taken_in_part.payment.settle(BATCH, jpy(12), NOW).unwrap();
    let fee = (Available(MERCHANT), FeeIncome, 12);
    assert_eq!(booked(&in_batch), [(Pending(MERCHANT), Available(MERCHANT), 400), fee]);
    let without_fee = taken_in_part.payment.settle(BATCH, jpy(0), NOW).unwrap();
    assert_eq!(booked(&without_fee).len(), 1, "nothing is booked for a fee of nothing");
}

#[test]
fn a_refund_is_reserved_then_given_back_or_released_and_taken_back_late() {
    let payment = settled(1000);
    let (reserved, refund) = refunding(&payment, 300);
    assert_eq!((reserved.refund_reserved, reserved.refunded), (jpy(300), jpy(0)));
    assert_eq!((reserved.refundable(), refund.status), (jpy(700), RefundStatus::Pending));

    let done = reserved.refund_moved(&refund, &refund_shows(RefundState::Completed), at(1)).unwrap();
    assert_eq!(booked(&done), [(Refunding(MERCHANT), Receivable(STRIPE), 300)]);
    assert_eq!((done.payment.refund_reserved, done.payment.refunded), (jpy(0), jpy(300)));
    let row = done.refund.clone().unwrap();
    assert_eq!((row.status, row.to_settle_at, row.updated_at), (RefundStatus::Completed, Some(at(1)), at(1)));

    let refused = reserved.refund_moved(&refund, &refund_shows(RefundState::Failed(no())), at(1)).unwrap();
    assert_eq!(booked(&refused), [(Refunding(MERCHANT), Available(MERCHANT), 300)]);
    assert_eq!((refused.payment.refund_reserved, refused.payment.refundable()), (jpy(0), jpy(1000)));
    let row_refused = refused.refund.unwrap();
    assert_eq!(
        (row_refused.to_settle_at, row_refused.failure),
        (None, Some(no())),
        "none took it off: none gives it back"
    );

    // A settlement took it off, and then it came back: the next one gives it back.
    let lined = done.payment.settle_refund(&row, BATCH, at(2)).unwrap();
    assert_eq!((booked(&lined).len(), lined.what), (0, What::RefundSettled));
    let row = lined.refund.unwrap();
    assert_eq!((row.to_settle_at, row.settlement, row.updated_at), (None, Some(BATCH), at(2)));
    let back = lined.payment.refund_moved(&row, &refund_shows(RefundState::Failed(no())), at(3)).unwrap();
    assert_eq!(booked(&back), [(Receivable(STRIPE), Available(MERCHANT), 300)]);
    assert_eq!((back.payment.refunded, back.payment.refundable()), (jpy(0), jpy(1000)));
    assert_eq!(back.refund.as_ref().unwrap().to_settle_at, Some(at(3)));
    assert!(lined.payment.settle_refund(&row, BATCH, at(4)).is_none(), "it does not wait any more");
}

#[test]
fn a_refunds_events_tell_of_the_refund_and_the_last_one_of_the_payment() {
    let (reserved, refund) = refunding(&settled(1000), 1000);
    let whole = reserved.refund_moved(&refund, &refund_shows(RefundState::Completed), NOW).unwrap();
    let told: Vec<_> =
        whole.events.iter().map(|event| (event.kind, event.refund.as_ref().map(|refund| refund.status))).collect();
    let expected = [(EventKind::RefundCompleted, Some(RefundStatus::Completed)), (EventKind::PaymentRefunded, None)];
    assert_eq!((told, whole.payment.status), (expected.to_vec(), PaymentStatus::Refunded));
    let row = whole.refund.unwrap();
    let back = whole.payment.refund_moved(&row, &refund_shows(RefundState::Failed(no())), NOW).unwrap();
    assert_eq!((back.payment.status, back.detail.as_deref()), (PaymentStatus::Settled, Some("account_closed")));
    let event = &back.events[0];
    assert_eq!(
        (event.kind, event.refund.as_ref().map(|refund| refund.status)),
        (EventKind::RefundFailed, Some(RefundStatus::Failed))
    );
    assert_eq!((event.sequence, event.at), (whole.payment.events + 1, NOW));
}

#[test]
fn refunds_never_come_to_more_than_was_captured_and_are_more_than_nothing() {
    let payment = settled(1000);
    let ask = |payment: &Payment, amount: Option<i64>| {
        payment.request_refund(RefundId::from_random([7; 16]), amount.map(jpy), None, attempt(5, NOW), key(5), NOW)
    };
    assert_eq!(ask(&payment, Some(1001)).unwrap_err(), Refusal::RefundExceedsCaptured(jpy(1000)));
    assert_eq!(ask(&payment, Some(0)).unwrap_err(), Refusal::BadAmount);
    assert_eq!(ask(&payment, None).unwrap().refund.unwrap().amount, jpy(1000), "all that is left");
    let euros = Money::new(5, "EUR".parse().unwrap()).unwrap();
    let foreign =
        payment.request_refund(RefundId::from_random([7; 16]), Some(euros), None, attempt(5, NOW), key(5), NOW);
    assert_eq!(foreign.unwrap_err(), Refusal::BadAmount);
    assert_eq!(ask(&captured(1000), Some(1)).unwrap_err(), Refusal::NotSettled(PaymentStatus::Captured));
    let (reserved, refund) = refunding(&payment, 600);
    assert_eq!(ask(&reserved, Some(1)).unwrap_err(), Refusal::OperationInProgress);
    let accepted = reserved.refund_moved(&refund, &refund_shows(RefundState::Pending), NOW).unwrap().payment;
    assert_eq!(
        ask(&accepted, Some(401)).unwrap_err(),
        Refusal::RefundExceedsCaptured(jpy(400)),
        "what is on its way counts"
    );
    assert_eq!(ask(&accepted, Some(400)).unwrap().refund.unwrap().amount, jpy(400));
    let (all, refund) = refunding(&accepted, 400);
    let all = all.refund_moved(&refund, &refund_shows(RefundState::Pending), NOW).unwrap().payment;
    assert_eq!(ask(&all, None).unwrap_err(), Refusal::RefundExceedsCaptured(jpy(0)), "all that is left of nothing");
}

#[test]
fn only_the_refund_at_the_provider_that_counts_is_listened_to() {
    let (reserved, refund) = refunding(&settled(1000), 300);
    let accepted = reserved.refund_moved(&refund, &refund_shows(RefundState::Pending), NOW).unwrap();
    assert_eq!((accepted.what, booked(&accepted).len()), (What::RefundAccepted, 0));
    assert!(accepted.payment.open.is_none(), "what carries it out is done");
    assert_eq!(accepted.operations.last().unwrap().state, OperationState::Succeeded);
    let known = accepted.refund.unwrap();
    let again = accepted.payment.refund_moved(&known, &refund_shows(RefundState::Pending), NOW);
    assert!(again.is_none(), "nothing that was not known");
    let other = RefundView { refund_reference: "re_2".to_owned(), ..refund_shows(RefundState::Completed) };
    assert!(accepted.payment.refund_moved(&known, &other, NOW).is_none(), "another refund than the one that counts");
    let instead = RefundView { instead_of: Some("re_1".to_owned()), ..other };
    let moved = accepted.payment.refund_moved(&known, &instead, NOW).unwrap();
    assert_eq!(moved.refund.unwrap().provider_reference.as_deref(), Some("re_2"));
}

#[test]
fn a_capture_is_dated_and_named_and_its_settlement_too() {
    let payment = capturing(400);
    let number = payment.open.as_ref().unwrap().number;
    let answer = Answer::Shows(view(taken(400)));
    let change = payment.answered(number, &answer, attempt(9, at(2)), at(2)).unwrap();
    assert_eq!((change.what, change.payment.captured_at), (What::Captured, Some(at(2))));
    assert_eq!(change.payment.to_settle_at(), Some(at(2)));
    let batch = change.payment.settle(BATCH, jpy(12), at(3)).unwrap();
    assert_eq!((batch.what, batch.payment.settlement), (What::Settled, Some(BATCH)));
    assert_eq!((batch.events[0].kind, batch.events[0].at), (EventKind::PaymentSettled, at(3)));
    assert_eq!(batch.payment.to_settle_at(), None);
    let automatic = shows(&opened(CaptureMethod::Automatic), taken(1000));
    assert_eq!(automatic.what, What::Captured, "of two transitions in one change, the last names it");
}

#[test]
fn what_cannot_be_settled_says_why() {
    let payment = captured(1000);
    let why = |payment: &Payment, fee: i64| payment.settle(BATCH, jpy(fee), NOW).unwrap_err();
    assert_eq!(why(&authorized(), 0), NotSettled::NotCaptured);
    assert_eq!(why(&settled(1000), 0), NotSettled::NotCaptured);
    assert_eq!(why(&payment, 1001), NotSettled::Fee);
    assert!(payment.settle(BATCH, jpy(1000), NOW).is_ok(), "a fee of everything is no more than everything");
    let differs = payment.needs_review(ReviewReason::ProviderDiffers, NOW).unwrap();
    assert_eq!(
        (why(&differs.payment, 0), differs.detail.as_deref()),
        (NotSettled::NeedsReview, Some("provider_differs"))
    );
    assert!(differs.payment.needs_review(ReviewReason::Unresolved, NOW).is_none(), "they know already");
    assert!(differs.payment.review_over(ReviewReason::Unresolved, NOW).is_none(), "of another reason");
    let over = differs.payment.review_over(ReviewReason::ProviderDiffers, NOW).unwrap();
    assert_eq!(
        (over.what, over.payment.review, over.detail.as_deref()),
        (What::ReviewOver, None, Some("provider_differs"))
    );
}

#[test]
fn a_person_ends_what_differs_and_nothing_that_only_the_provider_can_end() {
    let differs = |payment: &Payment| payment.differs("refunded_there; x", NOW).unwrap().payment;
    let resolve = |payment: &Payment, pays_out| payment.resolve_by_hand(None, pays_out, "ticket 7", NOW);
    let why = |payment: &Payment| resolve(payment, true).unwrap_err();
    assert_eq!(why(&captured(1000)), NotResolved::NothingWaits);
    assert_eq!(why(&differs(&capturing(1000))), NotResolved::OutcomeUnknown);
    let unresolved = captured(1000).needs_review(ReviewReason::Unresolved, NOW).unwrap().payment;
    assert_eq!(why(&unresolved), NotResolved::OutcomeUnknown);
    let failed = Payment { status: PaymentStatus::Failed, ..captured(1000) };
    assert_eq!(why(&differs(&failed)), NotResolved::GivenBackByItself);
    let (held, taken) = (differs(&captured(1000)), differs(&settled(1000)));
    assert_eq!(held.resolve_by_hand(Some("not_ours; x"), true, "", NOW), Err(NotResolved::NotOurs));
    assert_eq!(resolve(&held, false), Err(NotResolved::WouldBePaidOut), "and nobody said that it should");
    for change in [resolve(&held, true).unwrap(), resolve(&taken, false).unwrap()] {
        assert_eq!((change.what, change.payment.review), (What::ReviewOver, None));
        assert_eq!(change.detail.as_deref(), Some("provider_differs: ticket 7"));
        assert!(change.events.is_empty() && change.transitions.is_empty() && change.postings.lines().is_empty());
    }
}

#[test]
fn what_differs_is_told_in_words_that_change_with_either_side_and_name_its_kind() {
    let payment = settled(1000);
    let there = |minor| view(TransactionState::Captured { amount: jpy(1000), refunded: jpy(minor) });
    let told = |payment: &Payment, minor| Discrepancy::RefundedThere.told(payment, Some(&there(minor)));
    let words = told(&payment, 400);
    assert_eq!(
        words,
        "refunded_there; the provider shows 1000 JPY captured, 400 JPY given back, of 1000 JPY; here 1000 JPY captured, \
         0 JPY given back, 0 JPY about to be"
    );
    assert_eq!(words, told(&payment, 400));
    let others = [
        told(&payment, 500),
        told(&Payment { refunded: jpy(100), ..payment.clone() }, 400),
        told(&Payment { refund_reserved: jpy(100), ..payment.clone() }, 400),
        Discrepancy::RefundedThere.told(&payment, Some(&view(TransactionState::Voided))),
        Discrepancy::RefundedThere.told(&payment, None),
        Discrepancy::RefundMissing.told(&payment, None),
    ];
    for (at, other) in others.iter().enumerate() {
        assert!(*other != words && !others[..at].contains(other), "{other}");
    }
    for kind in Discrepancy::ALL {
        assert_eq!(Discrepancy::of_words(&kind.told(&payment, None)), Some(kind));
    }
    assert_eq!((Discrepancy::of_words(""), Discrepancy::of_words("refunded_there2; x")), (None, None));
    let detail = payment.differs(&words, NOW).unwrap().detail.unwrap();
    assert_eq!(Payment::difference_of(&detail), Some(words.as_str()));
    assert_eq!((Payment::difference_of("provider_differs"), Payment::difference_of("unresolved")), (None, None));
}

#[test]
fn an_outcome_ends_the_review_that_waited_for_one_and_no_other() {
    for (reason, left) in
        [(ReviewReason::Unresolved, None), (ReviewReason::ProviderDiffers, Some(ReviewReason::ProviderDiffers))]
    {
        let marked = Payment { review: Some(Review { reason, since: NOW }), ..capturing(1000) };
        let change = shows(&marked, taken(1000));
        assert_eq!(change.payment.review.map(|review| review.reason), left);
    }
}

#[test]
fn an_operation_is_overdue_after_an_hour_and_nobodys_after_its_lease() {
    let payment = capturing(1000);
    let open = payment.open.as_ref().unwrap();
    assert_eq!((open.resolve_by(), open.opened_at), (at(1), NOW));
    assert_eq!(opened(CaptureMethod::Manual).resolve_by(), Some(at(1)));
    assert_eq!(payment.resolve_by(), None, "of a payment that is not known yet alone");
    let second = Duration::from_secs(1);
    assert!(!open.is_overdue(at(1) - second) && open.is_overdue(at(1)));
    let until = open.lease.unwrap().call_until;
    assert!(!open.is_nobodys(until - second) && open.is_nobodys(until));
    let safe = until + Duration::from_secs(300);
    assert!(!open.nobody_may_send(safe - second) && open.nobody_may_send(safe));
    let closed = crate::Operation { state: OperationState::Succeeded, ..open.clone() };
    assert!(!closed.is_overdue(at(9)));
    assert!(!open.payers_turn_is_over(at(99)));
    let of = |kind, state| crate::Operation { kind, state, ..open.clone() };
    let (authorize, capture, dropped) = (OperationKind::Authorize, OperationKind::Capture, OperationState::Dropped);
    assert!(of(authorize, dropped).was_left_behind(), "another provider was tried");
    assert!(!of(capture, dropped).was_left_behind() && !of(authorize, OperationState::Open).was_left_behind());
    let turn = crate::PayerTurn { url: String::new(), until: at(1) };
    let waiting = crate::Operation { payer: Some(turn), ..open.clone() };
    assert!(!waiting.payers_turn_is_over(at(1) - second) && waiting.payers_turn_is_over(at(1)));
    assert!(!waiting.is_overdue(at(2) - second) && waiting.is_overdue(at(2)), "the payer's time comes before ours");
}

#[test]
fn names_that_are_kept_and_shown_do_not_change() {
    use OperationKind::{Authorize, Capture, Refund, Reversal, Void};
    use OperationState::{Dropped, Open, Refused, Succeeded, Waiting};
    let kinds = [Authorize, Capture, Void, Refund, Reversal].map(OperationKind::as_str);
    assert_eq!(kinds, ["authorize", "capture", "void", "refund", "reversal"]);
    let closed = [Waiting, Open, Succeeded, Refused, Dropped].map(OperationState::is_closed);
    assert_eq!(closed, [false, false, true, true, true]);
    assert_eq!(crate::SettlementStatus::ALL.map(crate::SettlementStatus::as_str), ["RUNNING", "COMPLETED", "FAILED"]);
    let why = [
        NotSettled::NotCaptured,
        NotSettled::OperationOpen,
        NotSettled::NeedsReview,
        NotSettled::Fee,
        NotSettled::Unreadable,
        NotSettled::UnknownMerchant,
        NotSettled::Violates,
    ];
    let names = [
        "not_captured",
        "operation_open",
        "needs_review",
        "fee",
        "unreadable",
        "unknown_merchant",
        "invariant_violated",
    ];
    assert_eq!(why.map(NotSettled::as_str), names);
    let refunds = [RefundStatus::Pending, RefundStatus::Completed, RefundStatus::Failed].map(RefundStatus::as_str);
    assert_eq!(refunds, ["PENDING", "COMPLETED", "FAILED"]);
    assert_eq!(ReviewReason::ALL.map(ReviewReason::as_str), ["unresolved", "provider_differs"]);
}

#[test]
fn nothing_is_nothing_in_every_currency_and_is_not_booked() {
    assert!(jpy(0).is_zero() && !jpy(1).is_zero());
    let mut postings = PostingSet::default();
    postings.transfer(FeeIncome, Pending(MERCHANT), jpy(0));
    assert!(postings.lines().is_empty());
    postings.transfer(FeeIncome, Pending(MERCHANT), jpy(1));
    assert_eq!(postings.lines().len(), 2);
}

#[test]
fn a_capture_that_succeeds_is_closed_as_done_and_a_void_that_came_too_late_as_refused() {
    let change = shows(&capturing(400), taken(400));
    let closed = change.operations.last().unwrap();
    assert_eq!((closed.state, &closed.failure), (OperationState::Succeeded, &None));
    // Somebody at the provider captured it while our void was open.
    let voiding = authorized().request_void(attempt(2, NOW), key(2), NOW).unwrap().payment;
    let Observation::Change(change) = voiding.observed(&view(taken(1000)), true, attempt(9, NOW), NOW) else {
        panic!("it is captured")
    };
    let closed = change.operations.last().unwrap();
    assert_eq!((change.payment.status, closed.kind), (PaymentStatus::Captured, OperationKind::Void));
    let code = closed.failure.as_ref().map(|failure| failure.code.as_str());
    assert_eq!((closed.state, code), (OperationState::Refused, Some("already_captured")));
}

#[test]
fn a_refund_that_the_provider_refuses_outright_is_released_and_closes_what_carried_it() {
    let (reserved, refund) = refunding(&settled(1000), 300);
    let number = reserved.open.as_ref().unwrap().number;
    let answer = Answer::Refused { failure: no(), authorization_gone: false };
    let change = reserved.answered(number, &answer, attempt(9, NOW), NOW).unwrap();
    assert_eq!((change.what, change.payment.refund_reserved), (What::RefundFailed, jpy(0)));
    assert!(change.payment.open.is_none());
    assert_eq!(change.refund.unwrap().id, refund.id);
}

#[test]
fn news_of_one_refund_does_not_close_the_operation_of_another() {
    let (reserved, first) = refunding(&settled(1000), 300);
    let accepted = reserved.refund_moved(&first, &refund_shows(RefundState::Pending), NOW).unwrap();
    let (both, second) = refunding(&accepted.payment, 200);
    let open = both.open.as_ref().unwrap().number;
    let done = both.refund_moved(&accepted.refund.unwrap(), &refund_shows(RefundState::Completed), NOW).unwrap();
    assert_eq!(
        done.payment.open.as_ref().map(|operation| operation.number),
        Some(open),
        "{second:?} is still on its way"
    );
    assert_eq!((done.payment.refunded, done.payment.refund_reserved), (jpy(300), jpy(200)));
}

#[test]
fn nothing_is_sent_afresh_while_somebody_holds_the_right_to_send_it_or_where_it_is_the_merchants_to_repeat() {
    let payment = capturing(1000);
    let safe = payment.open.as_ref().unwrap().last_call_until.unwrap() + Duration::from_secs(300);
    assert_eq!(payment.afresh(attempt(9, safe), safe), None, "its lease was never taken away");
    let asked = payment.take_over_to_ask(safe).unwrap().payment;
    assert!(asked.afresh(attempt(9, safe), safe).is_some());
    let authorizing = opened(CaptureMethod::Manual).take_over_to_ask(safe).unwrap().payment;
    assert_eq!(authorizing.afresh(attempt(9, safe), safe), None);
}

#[test]
fn a_hold_is_released_from_its_end_on_and_only_while_nothing_is_open() {
    let held = Payment { expires_at: Some(at(5)), ..authorized() };
    assert_eq!(held.expire(attempt(8, NOW), at(5) - Duration::from_secs(1)), None);
    let change = held.expire(attempt(8, NOW), at(5)).unwrap();
    let void = change.payment.open.as_ref().unwrap();
    assert_eq!((change.what, void.kind, void.amount), (What::AuthorizationExpired, OperationKind::Void, jpy(1000)));
    assert_eq!(change.payment.expire(attempt(8, NOW), at(6)), None, "its void is open");
    let capturing = Payment { expires_at: Some(at(5)), ..capturing(1000) };
    assert_eq!(capturing.expire(attempt(8, NOW), at(6)), None, "a capture is open");
    assert_eq!(Payment { expires_at: Some(at(5)), ..captured(1000) }.expire(attempt(8, NOW), at(6)), None);
}

#[test]
fn a_payers_turn_that_is_over_is_taken_before_it_is_cancelled() {
    let state = TransactionState::AwaitingPayer { url: "https://pay.example/3ds".to_owned(), until: Some(at(2)) };
    let waiting = shows(&opened(CaptureMethod::Manual), state).payment;
    let until = waiting.open.as_ref().unwrap().payer.as_ref().unwrap().until;
    let lease = attempt(8, until).lease;
    assert_eq!(waiting.expire_approval(lease, until - Duration::from_secs(1)), None);
    let change = waiting.expire_approval(lease, until).unwrap();
    assert_eq!((change.what, change.payment.open.unwrap().lease), (What::ApprovalExpired, Some(lease)));
    assert_eq!(capturing(1000).expire_approval(lease, at(99)), None, "no payer is waited for");
}
