//! The agenda: what is due, in order, and nothing else.

use std::time::Duration;

use tollgate_domain::{PaymentStatus, Timestamp};

use super::{Samples, Subject, tell};
use crate::ports::{Agenda, Store, Timelines, agenda::Agendum};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// By their own word, and only those.
pub async fn payments_are_due_when_they_say_so<S: Subject>(subject: &S) {
    let samples = Samples::new(110);
    let mut waiting = Vec::new();
    for (name, told) in samples.every_state() {
        tell(subject.store(), &told).await;
        if let Some(at) = told.payment.due_at() {
            waiting.push((at, told.payment.id, name));
        }
    }
    waiting.sort();
    let now = waiting[waiting.len() / 2].0;
    let expected: Vec<_> = waiting.iter().filter(|(at, ..)| *at <= now).map(|(at, id, _)| (*at, *id)).collect();
    assert!(!expected.is_empty() && expected.len() < waiting.len(), "some are due and some are not: {waiting:?}");
    let mut seen = Vec::new();
    loop {
        let page = subject.store().due(Agendum::Stuck, now, seen.last().copied(), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, expected, "the longest overdue first, each once");
    assert_eq!(subject.store().next_due().await.unwrap().stuck, waiting.first().map(|(at, ..)| *at));
    let truth = subject.store().due(Agendum::Truth, now + 40 * DAY, None, 100).await.unwrap();
    assert_eq!(truth.len(), samples.every_state().len(), "every payment is compared with the provider's truth");
}

/// Until then it is not due; a change of the payment sets its time anew.
pub async fn a_payment_put_off_is_due_at_its_new_time_or_after_its_next_change<S: Subject>(subject: &S) {
    let samples = Samples::new(111);
    let store = subject.store();
    let told = samples.opened().unknown();
    tell(store, &told).await;
    let (id, version, far) = (told.payment.id, told.payment.version, Samples::start() + 10 * DAY);
    store.postpone(Agendum::Stuck, id, version - 1, None).await.unwrap();
    assert_eq!(store.next_due().await.unwrap().stuck, told.payment.due_at(), "decided from an older version");
    store.postpone(Agendum::Stuck, id, version, Some(far)).await.unwrap();
    assert_eq!(store.next_due().await.unwrap().stuck, Some(far));
    assert!(store.due(Agendum::Stuck, Samples::start() + DAY, None, 10).await.unwrap().is_empty());
    assert_eq!(store.payment(id).await.unwrap(), Some(told.payment.clone()), "no version is made of it");
    store.postpone(Agendum::Truth, id, version, None).await.unwrap();
    assert!(store.due(Agendum::Truth, Timestamp::MAX, None, 10).await.unwrap().is_empty());
    let later = told.authorized();
    super::done(store, later.last()).await;
    assert_eq!(store.next_due().await.unwrap().stuck, later.payment.due_at());
    assert_eq!(store.due(Agendum::Truth, Timestamp::MAX, None, 10).await.unwrap().len(), 1);
}

/// By status, for on-call.
pub async fn what_is_stuck_is_counted_by_status<S: Subject>(subject: &S) {
    let samples = Samples::new(112);
    for told in [samples.opened().unknown(), samples.opened().unknown(), samples.opened().authorized()] {
        tell(subject.store(), &told).await;
    }
    let standing = subject.store().standing(Samples::start() + DAY).await.unwrap();
    assert_eq!((standing.stuck, standing.need_review), (vec![(PaymentStatus::Pending, 2)], 0));
    let standing = subject.store().standing(Samples::start() + 8 * DAY).await.unwrap();
    assert_eq!(standing.stuck.iter().map(|(_, count)| count).sum::<u64>(), 3);
}

/// A refund is read back as it was written, by its id and by its payment.
pub async fn refunds_are_found_by_id_and_by_payment<S: Subject>(subject: &S) {
    let samples = Samples::new(113);
    let settled = || samples.opened().authorized().capture_requested(1000).captured(1000).settled();
    let told = settled().refund_requested(100).refund_completed();
    let other = settled().refund_requested(200);
    for told in [&told, &other] {
        tell(subject.store(), told).await;
    }
    let refund = told.last().payment.as_ref().unwrap().refund.clone().unwrap();
    assert!(refund.to_settle_at.is_some(), "it waits for a settlement");
    assert_eq!(subject.store().refund(refund.id).await.unwrap(), Some(refund.clone()));
    assert_eq!(subject.store().refunds(told.payment.id).await.unwrap(), [refund]);
    assert_eq!(subject.store().refund(tollgate_domain::RefundId::from_random([9; 16])).await.unwrap(), None);
}
