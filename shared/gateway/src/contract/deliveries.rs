//! Deliveries: born with their event, claimed by one, tried once per number.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use tollgate_domain::{Delivery, DeliveryStatus, Timestamp, Tried};

use super::{Samples, Story, Subject, tell};
use crate::ports::{
    Agenda, Deliveries, Endpoints, Timelines,
    deliveries::{DeliveryAttempt, Outgoing},
};

const FAR: Duration = Duration::from_secs(3600);

/// In the same commit, due a minute later, with the body of its event.
pub async fn a_delivery_is_born_with_its_event<S: Subject>(subject: &S) {
    let samples = Samples::new(100);
    let story = samples.opened().authorized();
    tell(subject.store(), &story).await;
    let event = &story.last().payment.as_ref().unwrap().events[0];
    let born = outgoing(subject, &story, 1).await;
    assert_eq!(born.body, event.body);
    let expected = Delivery {
        payment: story.payment.id,
        sequence: 1,
        merchant: samples.merchant,
        event: event.id,
        kind: event.kind,
        status: DeliveryStatus::Pending,
        attempts: 0,
        tries: 0,
        next_attempt_at: Some(Delivery::born_due(event.at)),
        waits_for_endpoint: false,
        created_at: event.at,
    };
    assert_eq!((born.delivery, born.endpoint), (expected, None));
    assert_eq!(subject.store().next_due().await.unwrap().delivery, Some(Delivery::born_due(event.at)));
    assert_eq!(subject.store().outgoing(story.payment.id, 2).await.unwrap(), None);
}

/// Of many at once, one takes each; the others find nothing until its time comes again.
pub async fn a_due_delivery_is_claimed_by_one<S: Subject>(subject: &S) {
    let samples = Samples::new(101);
    let mut expected = BTreeSet::new();
    for _ in 0..20 {
        let story = samples.opened().authorized();
        tell(subject.store(), &story).await;
        expected.insert(story.payment.id);
    }
    let (now, until) = (Samples::start() + FAR, Samples::start() + 2 * FAR);
    assert!(subject.store().claim_due(Samples::start(), until, 10).await.unwrap().is_empty(), "none is due yet");
    let claims = join_all((0..10).map(|_| subject.store().claim_due(now, until, 3))).await;
    let claimed: Vec<_> = claims.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(claimed.len(), expected.len(), "none twice");
    assert!(claimed.iter().all(|due| due.attempt == 1 && due.merchant == samples.merchant));
    assert_eq!(claimed.iter().map(|due| due.payment).collect::<BTreeSet<_>>(), expected, "none left out");
    assert!(subject.store().claim_due(now, until, 10).await.unwrap().is_empty());
    assert_eq!(subject.store().claim_due(until, until + FAR, 100).await.unwrap().len(), 20, "due again by itself");
}

/// The number guards it: the second one to record a try writes nothing.
pub async fn a_try_is_recorded_once_with_the_delivery_after_it<S: Subject>(subject: &S) {
    let samples = Samples::new(102);
    let story = samples.opened().authorized();
    tell(subject.store(), &story).await;
    let store = subject.store();
    let before = outgoing(subject, &story, 1).await.delivery;
    let failed = before.after(Tried::Failed { retry_after: None }, 0.5, story.now);
    let first = attempt(1, Some(500), None, story.now);
    assert!(store.record_attempt(&failed, &first).await.unwrap());
    let taken = before.after(Tried::Taken, 0.5, story.now);
    assert!(!store.record_attempt(&taken, &attempt(1, Some(200), None, story.now)).await.unwrap());
    assert_eq!(store.deliveries(story.payment.id).await.unwrap(), [(failed.clone(), vec![first.clone()])]);
    let taken = failed.after(Tried::Taken, 0.5, story.now);
    let second = attempt(2, None, Some("no answer in time"), story.now);
    assert!(store.record_attempt(&taken, &second).await.unwrap());
    assert_eq!(store.deliveries(story.payment.id).await.unwrap(), [(taken, vec![first, second])]);
    assert_eq!(store.next_due().await.unwrap().delivery, None, "what is delivered is not due");
}

/// A delivery put off from an older state than the present one is not put off.
pub async fn a_delivery_that_was_tried_meanwhile_is_not_rescheduled<S: Subject>(subject: &S) {
    let samples = Samples::new(103);
    let story = samples.opened().authorized();
    tell(subject.store(), &story).await;
    let before = outgoing(subject, &story, 1).await.delivery;
    let put_off = before.put_off(story.now + FAR);
    assert!(subject.store().reschedule(&put_off).await.unwrap());
    assert_eq!(outgoing(subject, &story, 1).await.delivery, put_off);
    let taken = put_off.after(Tried::Taken, 0.5, story.now);
    assert!(subject.store().record_attempt(&taken, &attempt(1, Some(200), None, story.now)).await.unwrap());
    assert!(!subject.store().reschedule(&before.put_off(story.now)).await.unwrap());
    assert_eq!(outgoing(subject, &story, 1).await.delivery, taken);
    let again = taken.anew(story.now);
    assert!(subject.store().reschedule(&again).await.unwrap(), "by hand, from the present state");
    assert_eq!(outgoing(subject, &story, 1).await.delivery, again);
}

/// They are not due, and the merchant's word makes them due, no other merchant's.
pub async fn deliveries_wait_for_their_merchants_endpoint<S: Subject>(subject: &S) {
    let (mine, theirs) = (Samples::new(104), Samples::new(105));
    let mut stories = Vec::new();
    for samples in [&mine, &mine, &mine, &theirs] {
        let story = samples.opened().authorized();
        tell(subject.store(), &story).await;
        let waiting = outgoing(subject, &story, 1).await.delivery.without_endpoint();
        assert!(subject.store().reschedule(&waiting).await.unwrap());
        stories.push(story);
    }
    assert_eq!(subject.store().next_due().await.unwrap().delivery, None);
    let at = Samples::start() + FAR;
    assert_eq!(subject.store().release_waiting(mine.merchant, at, 2).await.unwrap(), 2, "no more than asked for");
    assert_eq!(subject.store().release_waiting(mine.merchant, at, 2).await.unwrap(), 1);
    assert_eq!(subject.store().release_waiting(mine.merchant, at, 2).await.unwrap(), 0);
    let claimed = subject.store().claim_due(at, at + FAR, 10).await.unwrap();
    assert_eq!(claimed.len(), 3);
    assert!(claimed.iter().all(|due| due.merchant == mine.merchant));
    assert!(outgoing(subject, &stories[3], 1).await.delivery.waits_for_endpoint);
}

/// Each merchant its own, every one once, in an order that does not change.
pub async fn the_feed_shows_a_merchants_events_in_the_order_of_their_commits<S: Subject>(subject: &S) {
    let (mine, theirs) = (Samples::new(106), Samples::new(107));
    let mut expected = Vec::new();
    for round in 0..6 {
        let samples = if round % 3 == 2 { &theirs } else { &mine };
        let story = samples.opened().frozen().captured(1000);
        tell(subject.store(), &story).await;
        if round % 3 != 2 {
            expected.extend(story.last().payment.as_ref().unwrap().events.clone());
        }
    }
    let store = subject.store();
    assert_eq!(store.events(mine.merchant, None, 100).await.unwrap(), Some(expected.clone()));
    let mut seen = Vec::new();
    while let Some(page) =
        store.events(mine.merchant, seen.last().map(|event: &crate::records::EventRecord| event.id), 3).await.unwrap()
        && !page.is_empty()
    {
        seen.extend(page);
    }
    assert_eq!(seen, expected);
    assert_eq!(store.events(theirs.merchant, Some(expected[0].id), 3).await.unwrap(), None, "another merchant's");
    assert_eq!(store.events(mine.merchant, Some(mine.event_id()), 3).await.unwrap(), None, "nobody's");
}

async fn outgoing<S: Subject>(subject: &S, story: &Story<'_>, sequence: u32) -> Outgoing {
    subject.store().outgoing(story.payment.id, sequence).await.unwrap().unwrap()
}

fn attempt(number: u32, http_status: Option<u16>, error: Option<&str>, at: Timestamp) -> DeliveryAttempt {
    let error = error.map(str::to_owned);
    DeliveryAttempt { number, at, http_status, error, duration: Duration::from_micros(1_234) }
}
