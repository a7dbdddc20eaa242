//! What was seen of providers' records, what should be among them, and exceptions.

use std::time::Duration;

use tollgate_domain::{
    Currency, Exception, ExceptionKind, Money, Movement, PaymentId, ProviderName, ProviderRecord, RecordState, RefundId,
    Timestamp,
    exception::{ExceptionDone, Found, Resolution},
};

use super::{Samples, Subject, tell, yen};
use crate::{
    ports::{
        Exceptions, RecordBooks,
        exceptions::{KeptRecord, OpenExceptions},
    },
    reconcile::exception_id,
};

const STRIPE: ProviderName = ProviderName::Stripe;

fn kept(subject: &str, record: &str) -> KeptRecord {
    let (subject, record) = (subject.to_owned(), record.to_owned());
    KeptRecord { provider: STRIPE, subject, record, amount: Some(yen(1000)), at: Samples::start() }
}

fn later(seconds: u64) -> Timestamp {
    Samples::start() + Duration::from_secs(seconds)
}

/// Whoever is first, in one call or in two at once; another provider's records are others.
pub async fn a_subject_has_the_first_record_that_showed_it_and_no_other<S: Subject>(subject: &S) {
    let store = subject.store();
    assert_eq!(store.kept_record(STRIPE, "pay_1").await.unwrap(), None);
    let all = [kept("pay_1", "txn_1"), kept("pay_2", "txn_2"), kept("pay_1", "txn_3")];
    assert_eq!(store.keep_records(&all).await.unwrap(), ["txn_1", "txn_2", "txn_1"]);
    assert_eq!(store.keep_records(&all).await.unwrap(), ["txn_1", "txn_2", "txn_1"], "again: nothing changes");
    assert_eq!(store.kept_record(STRIPE, "pay_1").await.unwrap(), Some(kept("pay_1", "txn_1")));
    let elsewhere = KeptRecord { provider: ProviderName::Paypal, amount: None, ..kept("pay_1", "9AB") };
    assert_eq!(store.keep_records(std::slice::from_ref(&elsewhere)).await.unwrap(), ["9AB"]);
    assert_eq!(store.kept_record(ProviderName::Paypal, "pay_1").await.unwrap(), Some(elsewhere));
    assert_eq!(store.keep_records(&[]).await.unwrap(), Vec::<String>::new());
    let (one, two) = ([kept("pay_9", "txn_8")], [kept("pay_9", "txn_9")]);
    let (one, two) = futures::join!(store.keep_records(&one), store.keep_records(&two));
    assert_eq!(one.unwrap(), two.unwrap(), "both are told of the same");
}

/// By the time of the capture, from the first moment on and before the last, whatever became of the payment since.
pub async fn what_was_captured_in_a_period_is_paged_through_by_provider<S: Subject>(subject: &S) {
    let samples = Samples::new(260);
    let store = subject.store();
    let mut captured = Vec::new();
    for (_, told) in samples.every_state() {
        tell(store, &told).await;
        captured.extend(told.payment.captured_at.map(|at| (at, told.payment.id)));
    }
    captured.sort_unstable();
    assert!(captured.len() >= 6, "{captured:?}");
    let (from, until) = (captured[1].0, captured[captured.len() - 1].0);
    let expected: Vec<_> = captured.iter().copied().filter(|(at, _)| *at >= from && *at < until).collect();
    let mut seen: Vec<(Timestamp, PaymentId)> = Vec::new();
    loop {
        let page = store.captured_between(STRIPE, (from, until), seen.last().copied(), 2).await.unwrap();
        let is_last = page.len() < 2;
        seen.extend(page);
        if is_last {
            break;
        }
    }
    assert_eq!(seen, expected);
    assert_eq!(store.captured_between(ProviderName::Paypal, (from, until), None, 10).await.unwrap(), []);
}

/// By when it was asked for, which never changes.
pub async fn what_was_given_back_in_a_period_is_paged_through<S: Subject>(subject: &S) {
    let samples = Samples::new(261);
    let store = subject.store();
    let mut refunds = Vec::new();
    for (_, told) in samples.every_state() {
        tell(store, &told).await;
        let all = told.sets.iter().filter_map(|set| set.payment.as_ref()?.refund.as_ref());
        refunds.extend(all.map(|refund| (refund.created_at, refund.id)));
    }
    refunds.sort_unstable();
    refunds.dedup();
    assert!(refunds.len() >= 4, "{refunds:?}");
    let (from, until) = (refunds[0].0, later(365 * 24 * 3600));
    let mut seen: Vec<(Timestamp, RefundId)> = Vec::new();
    loop {
        let page = store.refunds_between((from, until), seen.last().copied(), 3).await.unwrap();
        let is_last = page.len() < 3;
        seen.extend(page);
        if is_last {
            break;
        }
    }
    assert_eq!(seen, refunds);
    assert_eq!(store.refunds_between((later(0) - Duration::from_secs(60), from), None, 10).await.unwrap(), []);
}

/// As they were committed.
pub async fn a_transaction_leads_to_its_payment_and_a_payment_to_its_ledger<S: Subject>(subject: &S) {
    let samples = Samples::new(262);
    let mut told = samples.opened().authorized().capture_requested(400).captured(400);
    let reference = samples.reference(&told);
    told.last_mut().reference = Some(reference.clone());
    tell(subject.store(), &told).await;
    let store = subject.store();
    assert_eq!(store.payment_of(STRIPE, &reference.reference).await.unwrap(), Some(told.payment.id));
    assert_eq!(store.payment_of(ProviderName::Paypal, &reference.reference).await.unwrap(), None);
    let booked = store.booked(told.payment.id).await.unwrap();
    let receivable: Vec<_> = booked.iter().filter(|line| line.account == "receivable:stripe").collect();
    assert!(matches!(receivable[..], [line] if line.minor == 400 && line.currency == "JPY"), "{booked:?}");
    assert_eq!(store.booked(samples.payment_id()).await.unwrap(), []);
}

fn found(record: &str, kind: ExceptionKind) -> Found {
    let record = ProviderRecord {
        id: record.to_owned(),
        movement: Movement::Returned,
        payment: None,
        refund: Some(RefundId::from_random([8; 16])),
        transaction: None,
        amount: None,
        currency: None::<Currency>,
        state: RecordState::Denied,
        at: Samples::start(),
    };
    Found { provider: ProviderName::Paypal, kind, record, our_amount: None::<Money>, our_state: "none".to_owned() }
}

/// With nothing in it that may be left out, and with everything.
pub async fn an_exception_comes_back_unchanged_with_who_did_what_to_it<S: Subject>(subject: &S) {
    let store = subject.store();
    let (opened, first) = Samples::exception("txn_1", later(0));
    assert_eq!(store.exception(opened.id).await.unwrap(), None);
    assert!(store.put_exception(&opened, Some(&first)).await.unwrap());
    assert_eq!(store.exception(opened.id).await.unwrap(), Some(opened.clone()));
    let (assigned, second) = opened.assign("Ann 靴", "Bob", later(1)).unwrap();
    assert!(store.put_exception(&assigned, Some(&second)).await.unwrap());
    let seen = Exception { revision: 3, last_seen: later(2), ..assigned };
    assert!(store.put_exception(&seen, None).await.unwrap());
    let (resolved, third) = seen.resolve(Resolution::ByHand, "Ann", "agreed: \"ours\"", later(3)).unwrap();
    assert!(store.put_exception(&resolved, Some(&third)).await.unwrap());
    assert_eq!(store.exception(opened.id).await.unwrap(), Some(resolved));
    assert_eq!(store.exception_changes(opened.id, 10).await.unwrap(), [third.clone(), second, first]);
    assert_eq!(store.exception_changes(opened.id, 1).await.unwrap(), [third]);
    let kind = ExceptionKind::State;
    let id = exception_id(ProviderName::Paypal, kind, "9AB");
    let (bare, change) = Exception::open(id, found("9AB", kind), "provider-records", later(0));
    assert!(store.put_exception(&bare, Some(&change)).await.unwrap());
    assert_eq!(store.exception(id).await.unwrap(), Some(bare));
    assert_eq!(change.done, ExceptionDone::Opened);
}

/// The other sees that it lost, and nothing of it is kept. The very same again is done once.
pub async fn of_two_changes_of_an_exception_at_once_one_happens<S: Subject>(subject: &S) {
    let store = subject.store();
    let (opened, first) = Samples::exception("txn_1", later(0));
    let (other, _) = Samples::exception("txn_1", later(5));
    assert!(store.put_exception(&opened, Some(&first)).await.unwrap());
    assert!(store.put_exception(&opened, Some(&first)).await.unwrap(), "again: done once");
    assert!(!store.put_exception(&other, Some(&first)).await.unwrap(), "it is there");
    let (ann, to_ann) = opened.assign("Ann", "Ann", later(1)).unwrap();
    let (bob, to_bob) = opened.assign("Bob", "Bob", later(1)).unwrap();
    let (one, two) =
        futures::join!(store.put_exception(&ann, Some(&to_ann)), store.put_exception(&bob, Some(&to_bob)));
    assert!(one.unwrap() != two.unwrap(), "one of them");
    assert_eq!(store.exception_changes(opened.id, 10).await.unwrap().len(), 2);
    let gap = Exception { revision: 9, ..ann };
    assert!(!store.put_exception(&gap, None).await.unwrap(), "no gap");
}

/// Those that are resolved are not among them.
pub async fn open_exceptions_are_counted_by_kind_and_paged_through_the_oldest_first<S: Subject>(subject: &S) {
    let store = subject.store();
    assert_eq!(store.open_exceptions().await.unwrap(), []);
    let mut all = Vec::new();
    for (number, seconds) in [(1, 30_u64), (2, 10), (3, 20), (4, 10)] {
        let (exception, change) = Samples::exception(&format!("txn_{number}"), later(seconds));
        assert!(store.put_exception(&exception, Some(&change)).await.unwrap());
        all.push(exception);
    }
    let kind = ExceptionKind::MissingHere;
    let id = exception_id(ProviderName::Paypal, kind, "9AB");
    let (missing, change) = Exception::open(id, found("9AB", kind), "provider-records", later(40));
    assert!(store.put_exception(&missing, Some(&change)).await.unwrap());
    all.push(missing);
    let (resolved, change) = all[2].resolve(Resolution::Matched, "job", "both say the same", later(50)).unwrap();
    assert!(store.put_exception(&resolved, Some(&change)).await.unwrap());
    all[2] = resolved;
    all.sort_by_key(|exception| (exception.first_seen, exception.id));
    for open in [true, false] {
        let expected: Vec<_> = all.iter().filter(|one| !open || one.resolved.is_none()).cloned().collect();
        let mut seen: Vec<Exception> = Vec::new();
        loop {
            let after = seen.last().map(|last| (last.first_seen, last.id));
            let page = store.exceptions(open, after, 2).await.unwrap();
            let is_last = page.len() < 2;
            seen.extend(page);
            if is_last {
                break;
            }
        }
        assert_eq!(seen, expected, "open: {open}");
    }
    let mut counted = store.open_exceptions().await.unwrap();
    counted.sort_by_key(|open| open.kind);
    let open = |kind, count, oldest| OpenExceptions { kind, count, oldest };
    assert_eq!(counted, [open(kind, 1, later(40)), open(ExceptionKind::Amount, 3, later(10))]);
}
