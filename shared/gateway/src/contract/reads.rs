//! Reads: strong where decisions are made, in order where people look.

use std::collections::BTreeSet;

use tollgate_domain::{MerchantId, Payment, PaymentId, PaymentStatus, Timestamp};

use super::{Samples, Story, Subject, done, tell};
use crate::{
    ports::{Endpoints, Merchants, Store, Timelines},
    records::{ChangeSet, ListQuery, Page, TimelineRow},
};

/// Not found is data, not an error.
pub async fn what_is_not_there_is_none<S: Subject>(subject: &S) {
    let samples = Samples::new(40);
    let store = subject.store();
    let known = samples.opened();
    tell(store, &known).await;
    assert_eq!(store.payment(samples.payment_id()).await.unwrap(), None);
    assert_eq!(store.operation(known.payment.id, 2).await.unwrap(), None);
    assert_eq!(store.operation(samples.payment_id(), 1).await.unwrap(), None);
    assert_eq!(store.idempotency(samples.key()).await.unwrap(), None);
    assert_eq!(store.timeline(samples.payment_id()).await.unwrap(), Vec::new());
    assert_eq!(store.by_key(samples.key()).await.unwrap(), None);
    assert_eq!(store.merchant(samples.merchant()).await.unwrap(), None);
    assert_eq!(store.endpoint(samples.merchant()).await.unwrap(), None);
    let page = store.list(&query(samples.merchant(), 10)).await.unwrap();
    assert_eq!(page, Page { payments: Vec::new(), next: None });
    store.ping().await.unwrap();
}

/// Strong: no read after a confirmed commit misses it.
pub async fn a_confirmed_commit_is_seen_by_the_next_read<S: Subject>(subject: &S) {
    let samples = Samples::new(41);
    for _ in 0..50 {
        let story = samples.opened().authorized();
        for set in &story.sets {
            done(subject.store(), set).await;
            let version = set.payment.as_ref().map(|change| change.payment.version);
            let seen = subject.store().payment(story.payment.id).await.unwrap();
            assert_eq!(seen.map(|payment| payment.version), version);
        }
    }
}

/// Newest first; of the same moment, the greater id first.
pub async fn lists_are_newest_first_and_ids_break_ties<S: Subject>(subject: &S) {
    let samples = Samples::new(42);
    let mut expected = Vec::new();
    for second in [3, 1, 2, 2, 2, 3] {
        expected.push(payment_at(subject, &samples, second).await);
    }
    expected.sort_by_key(|payment| std::cmp::Reverse((payment.created_at, payment.id)));
    let page = subject.store().list(&query(samples.merchant, 10)).await.unwrap();
    assert_eq!(page, Page { payments: expected.clone(), next: None });
    let page = subject.store().list(&query(samples.merchant, 6)).await.unwrap();
    assert_eq!(page.next, None, "exactly as many as there are");
    let page = subject.store().list(&query(samples.merchant, 5)).await.unwrap();
    let next = Some((expected[4].created_at, expected[4].id));
    assert_eq!(page, Page { payments: expected[..5].to_vec(), next });
}

/// What was there when paging began is shown once each, however many payments are made meanwhile.
pub async fn a_list_pages_through_without_gaps_or_repeats_while_payments_are_added<S: Subject>(subject: &S) {
    let samples = Samples::new(43);
    let mut expected = BTreeSet::new();
    for second in 0..20 {
        expected.insert(payment_at(subject, &samples, second / 3).await.id);
    }
    let mut seen: Vec<PaymentId> = Vec::new();
    let mut next = query(samples.merchant, 3);
    loop {
        let page = subject.store().list(&next).await.unwrap();
        seen.extend(page.payments.iter().map(|payment| payment.id));
        next.after = page.next;
        payment_at(subject, &samples, 100).await;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), expected.len(), "no repeats");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected, "no gaps");
}

/// Whatever is asked for.
pub async fn a_list_never_shows_another_merchants_payments<S: Subject>(subject: &S) {
    let (mine, theirs) = (Samples::new(44), Samples::new(45));
    let own = payment_at(subject, &mine, 1).await;
    let other = payment_at(subject, &theirs, 0).await;
    for reference in [None, own.details.merchant_reference.clone()] {
        for status in [None, Some(PaymentStatus::Pending)] {
            for after in [None, Some((own.created_at, own.id)), Some((other.created_at, other.id))] {
                let asked =
                    ListQuery { merchant_reference: reference.clone(), status, after, ..query(mine.merchant, 9) };
                let page = subject.store().list(&asked).await.unwrap();
                assert!(page.payments.iter().all(|payment| payment.merchant == mine.merchant), "{asked:?}");
                assert_eq!(page.payments.len(), usize::from(after.is_none()), "{asked:?}");
            }
        }
    }
}

/// By the merchant's own number, by status, by both.
pub async fn a_list_finds_by_reference_and_by_status<S: Subject>(subject: &S) {
    let samples = Samples::new(46);
    let story = |reference: Option<&str>, authorized: bool| {
        let mut new = samples.new_payment();
        new.details.merchant_reference = reference.map(str::to_owned);
        let story = Story::open(&samples, new, Samples::start());
        if authorized { story.authorized() } else { story }
    };
    let stories = [
        story(Some("a"), false),
        story(Some("a"), true),
        story(Some("A"), true),
        story(None, true),
        story(Some(""), false),
    ];
    for story in &stories {
        tell(subject.store(), story).await;
    }
    let authorized = Some(PaymentStatus::Authorized);
    for (reference, status, expected) in [
        (Some("a"), None, vec![0, 1]),
        (Some("a"), authorized, vec![1]),
        (Some("A"), None, vec![2]),
        (Some(""), None, vec![4]),
        (Some("b"), None, vec![]),
        (None, authorized, vec![1, 2, 3]),
        (None, Some(PaymentStatus::Failed), vec![]),
    ] {
        let merchant_reference = reference.map(str::to_owned);
        let asked = ListQuery { merchant_reference, status, ..query(samples.merchant, 9) };
        let page = subject.store().list(&asked).await.unwrap();
        let found: BTreeSet<_> = page.payments.iter().map(|payment| payment.id).collect();
        assert_eq!(found, expected.into_iter().map(|index: usize| stories[index].payment.id).collect(), "{asked:?}");
    }
}

/// Versions order it, not the clock; of one place, the order of the commits.
pub async fn the_timeline_is_in_order_even_with_a_frozen_clock<S: Subject>(subject: &S) {
    let samples = Samples::new(47);
    let mut story = samples.opened().frozen();
    let call = samples.call(&story);
    let mut look_ups: Vec<_> = (0..5).map(|_| samples.call(&story)).collect();
    let early = samples.event(&story);
    tell(subject.store(), &story).await;
    // Calls made from version 1, each committed by itself, and an event that told nothing new.
    for call in &look_ups {
        let mut set = ChangeSet::beside(samples.change_id());
        set.calls.push(call.clone());
        done(subject.store(), &set).await;
    }
    let mut set = ChangeSet::beside(samples.change_id());
    set.received = Some(early.clone());
    done(subject.store(), &set).await;
    // Version 2: caused by an event, with the audit row of the call that led to it.
    story = story.authorized();
    let mut cause = samples.event(&story);
    cause.effect = true;
    story.last_mut().calls.push(call.clone());
    story.last_mut().received = Some(cause.clone());
    done(subject.store(), story.last()).await;
    let repeat = samples.event(&story);
    let mut set = ChangeSet::beside(samples.change_id());
    set.received = Some(repeat.clone());
    done(subject.store(), &set).await;

    let change = |index: usize| TimelineRow::Change(story.sets[index].payment.as_ref().unwrap().history.clone());
    look_ups.push(call);
    let mut expected = vec![change(0)];
    expected.extend(look_ups.into_iter().map(TimelineRow::Call));
    expected.extend([TimelineRow::Event(early), TimelineRow::Event(cause), change(1), TimelineRow::Event(repeat)]);
    assert_eq!(subject.store().timeline(story.payment.id).await.unwrap(), expected);
}

/// Each payment has its own.
pub async fn the_timeline_shows_no_other_payment<S: Subject>(subject: &S) {
    let samples = Samples::new(48);
    let (mine, mut other) = (samples.opened(), samples.opened());
    let (call, event) = (samples.call(&other), samples.event(&other));
    other.last_mut().calls.push(call);
    other.last_mut().received = Some(event);
    tell(subject.store(), &mine).await;
    tell(subject.store(), &other).await;
    assert_eq!(subject.store().timeline(mine.payment.id).await.unwrap().len(), 1);
    assert_eq!(subject.store().timeline(other.payment.id).await.unwrap().len(), 3);
}

/// Makes a payment so many seconds after the start.
async fn payment_at<S: Subject>(subject: &S, samples: &Samples, second: i64) -> Payment {
    let now = Timestamp::from_microsecond(Samples::start().as_microsecond() + second * 1_000_000).unwrap();
    let story = Story::open(samples, samples.new_payment(), now);
    tell(subject.store(), &story).await;
    story.payment
}

fn query(merchant: MerchantId, limit: u32) -> ListQuery {
    ListQuery { merchant, merchant_reference: None, status: None, after: None, limit }
}
