//! Deliveries: born with their event, claimed by one, tried once per number.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use tollgate_domain::{Delivery, DeliveryStatus, Timestamp, Tried};

use super::{Samples, Story, Subject, tell};
use crate::ports::{
    Agenda, Deliveries, Endpoints, Merchants, Timelines,
    deliveries::{DeliveryAttempt, Outgoing},
    merchants::{Merchant, WebhookEndpoint},
};

const FAR: Duration = Duration::from_secs(3600);

/// In the same commit, due a minute later, with the body of its event.
pub async fn a_delivery_is_born_with_its_event<S: Subject>(subject: &S) {
    let samples = Samples::new(100);
    let told = samples.opened().authorized();
    tell(subject.store(), &told).await;
    let event = &told.last().payment.as_ref().unwrap().events[0];
    let born = outgoing(subject, &told, 1).await;
    assert_eq!(born.body, event.body);
    let expected = Delivery {
        payment: told.payment.id,
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
    assert_eq!(subject.store().outgoing(told.payment.id, 2).await.unwrap(), None);
}

/// Of many at once, one takes each; the others find nothing until its time comes again.
pub async fn a_due_delivery_is_claimed_by_one<S: Subject>(subject: &S) {
    let samples = Samples::new(101);
    let mut expected = BTreeSet::new();
    for _ in 0..20 {
        let told = samples.opened().authorized();
        tell(subject.store(), &told).await;
        expected.insert(told.payment.id);
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

/// Whoever waits to be due, waits for an endpoint, was claimed or is delivered does not count, in whatever shard it is.
pub async fn the_oldest_due_delivery_is_the_one_that_is_due_longest_and_not_claimed<S: Subject>(subject: &S) {
    let samples = Samples::new(109);
    let store = subject.store();
    let now = Samples::start() + FAR;
    assert_eq!(store.oldest_due(now).await.unwrap(), None, "there are none");
    let mut deliveries = Vec::new();
    for _ in 0..8_u32 {
        let told = samples.opened().authorized();
        tell(store, &told).await;
        deliveries.push(outgoing(subject, &told, 1).await.delivery);
    }
    // In no order: due at 3, 5, 7 … minutes before, one a minute later, one never.
    for (place, delivery) in deliveries.iter().enumerate().rev() {
        let minutes = u64::try_from(place).unwrap() * 2 + 3;
        let put_off = match place {
            0 => delivery.put_off(now + Duration::from_secs(60)),
            1 => delivery.without_endpoint(),
            _ => delivery.put_off(now - Duration::from_secs(minutes * 60)),
        };
        assert!(store.reschedule(delivery, &put_off).await.unwrap());
    }
    let oldest = now - Duration::from_secs(17 * 60);
    assert_eq!(store.oldest_due(now).await.unwrap(), Some(oldest));
    assert_eq!(store.oldest_due(oldest).await.unwrap(), Some(oldest), "to the very moment");
    assert_eq!(store.oldest_due(oldest - Duration::from_secs(1)).await.unwrap(), None, "not yet");
    let delivery = outgoing_of(subject, &deliveries[7]).await;
    let taken = delivery.after(Tried::Taken, 0.5, now);
    assert!(store.record_attempt(&delivery, &taken, &attempt(1, Some(200), None, now)).await.unwrap());
    assert_eq!(store.oldest_due(now).await.unwrap(), Some(now - Duration::from_secs(15 * 60)), "that one is delivered");
    assert_eq!(store.claim_due(now, now + FAR, 100).await.unwrap().len(), 5);
    assert_eq!(store.oldest_due(now).await.unwrap(), None, "all are claimed");
    assert_eq!(store.oldest_due(now + FAR).await.unwrap(), Some(now + Duration::from_secs(60)));
}

async fn outgoing_of<S: Subject>(subject: &S, delivery: &Delivery) -> Delivery {
    subject.store().outgoing(delivery.payment, delivery.sequence).await.unwrap().unwrap().delivery
}

/// The number guards it: the second one to record a try writes nothing.
pub async fn a_try_is_recorded_once_with_the_delivery_after_it<S: Subject>(subject: &S) {
    let samples = Samples::new(102);
    let told = samples.opened().authorized();
    tell(subject.store(), &told).await;
    let store = subject.store();
    let before = outgoing(subject, &told, 1).await.delivery;
    let failed = before.after(Tried::Failed { retry_after: None }, 0.5, told.now);
    let first = attempt(1, Some(500), None, told.now);
    assert!(store.record_attempt(&before, &failed, &first).await.unwrap());
    let taken = before.after(Tried::Taken, 0.5, told.now);
    assert!(!store.record_attempt(&before, &taken, &attempt(1, Some(200), None, told.now)).await.unwrap());
    assert_eq!(store.deliveries(told.payment.id).await.unwrap(), [(failed.clone(), vec![first.clone()])]);
    let taken = failed.after(Tried::Taken, 0.5, told.now);
    let second = attempt(2, None, Some("no answer in time"), told.now);
    assert!(store.record_attempt(&failed, &taken, &second).await.unwrap());
    assert_eq!(store.deliveries(told.payment.id).await.unwrap(), [(taken, vec![first, second])]);
    assert_eq!(store.next_due().await.unwrap().delivery, None, "what is delivered is not due");
}

/// A delivery put off from an older state than the present one is not put off.
pub async fn a_delivery_that_was_tried_meanwhile_is_not_rescheduled<S: Subject>(subject: &S) {
    let samples = Samples::new(103);
    let told = samples.opened().authorized();
    tell(subject.store(), &told).await;
    let before = outgoing(subject, &told, 1).await.delivery;
    let put_off = before.put_off(told.now + FAR);
    assert!(subject.store().reschedule(&before, &put_off).await.unwrap());
    assert_eq!(outgoing(subject, &told, 1).await.delivery, put_off);
    let taken = put_off.after(Tried::Taken, 0.5, told.now);
    assert!(subject.store().record_attempt(&put_off, &taken, &attempt(1, Some(200), None, told.now)).await.unwrap());
    assert!(!subject.store().reschedule(&before, &before.put_off(told.now)).await.unwrap());
    assert_eq!(outgoing(subject, &told, 1).await.delivery, taken);
    let again = taken.anew(told.now);
    assert!(subject.store().reschedule(&taken, &again).await.unwrap(), "by hand, from the present state");
    assert_eq!(outgoing(subject, &told, 1).await.delivery, again);
}

/// They are not due, and the merchant's word makes them due, no other merchant's.
pub async fn deliveries_wait_for_their_merchants_endpoint<S: Subject>(subject: &S) {
    let (mine, theirs) = (Samples::new(104), Samples::new(105));
    let mut stories = Vec::new();
    for samples in [&mine, &mine, &mine, &theirs] {
        let told = samples.opened().authorized();
        tell(subject.store(), &told).await;
        let born = outgoing(subject, &told, 1).await.delivery;
        assert!(subject.store().reschedule(&born, &born.without_endpoint()).await.unwrap());
        stories.push(told);
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

/// A try that was under way while its delivery was begun anew, or released, is not written over that: not even its
/// own row, for who made it looks again and records it with what follows from there.
pub async fn a_try_is_not_written_over_what_happened_meanwhile<S: Subject>(subject: &S) {
    let samples = Samples::new(108);
    let told = samples.opened().authorized();
    tell(subject.store(), &told).await;
    let store = subject.store();
    let born = outgoing(subject, &told, 1).await.delivery;
    let failed = born.after(Tried::Failed { retry_after: None }, 0.5, told.now);
    assert!(store.record_attempt(&born, &failed, &attempt(1, Some(500), None, told.now)).await.unwrap());
    let anew = failed.anew(told.now);
    let waiting = failed.without_endpoint();
    let second = attempt(2, Some(500), None, told.now);
    for meanwhile in [anew, waiting] {
        let before = outgoing(subject, &told, 1).await.delivery;
        assert!(store.reschedule(&before, &meanwhile).await.unwrap());
        let late = failed.after(Tried::Failed { retry_after: None }, 0.5, told.now);
        assert!(!store.record_attempt(&failed, &late, &second).await.unwrap());
        assert!(!store.reschedule(&failed, &failed.put_off(told.now)).await.unwrap());
        let kept = store.deliveries(told.payment.id).await.unwrap().remove(0);
        assert_eq!((&kept.0, kept.1.len()), (&meanwhile, 1));
    }
    let waiting = outgoing(subject, &told, 1).await.delivery;
    assert_eq!(store.release_waiting(samples.merchant, told.now, 10).await.unwrap(), 1);
    let taken = waiting.after(Tried::Taken, 0.5, told.now);
    assert!(!store.record_attempt(&waiting, &taken, &second).await.unwrap(), "released meanwhile");
    // A claim only pushes the time: it is the same delivery.
    let released = outgoing(subject, &told, 1).await.delivery;
    assert_eq!(store.claim_due(told.now, told.now + FAR, 10).await.unwrap().len(), 1);
    let taken = released.after(Tried::Taken, 0.5, told.now);
    assert!(store.record_attempt(&released, &taken, &second).await.unwrap());
    assert_eq!(store.next_due().await.unwrap().delivery, None);
    assert_eq!(store.release_waiting(samples.merchant, told.now, 10).await.unwrap(), 0, "it waits for nothing");
}

/// Those that are not paused and that deliveries wait for, page by page, each once.
pub async fn endpoints_that_are_waited_for_in_vain_are_found<S: Subject>(subject: &S) {
    let store = subject.store();
    let samples = [120, 121, 122, 123, 124, 125].map(Samples::new);
    let [waits, paused, nothing_waits, none, waits_too, released] = &samples;
    for samples in &samples {
        let told = samples.opened().authorized();
        tell(store, &told).await;
        if samples.merchant == none.merchant {
            continue;
        }
        let name = "Shoes".to_owned();
        let (id, created_at) = (samples.merchant, Samples::start());
        let merchant = Merchant { id, name, requests_per_minute: None, fee_basis_points: 0, created_at };
        store.put_merchant(&merchant).await.unwrap();
        let endpoint = WebhookEndpoint {
            merchant: id,
            url: "https://shop.example/hooks".to_owned(),
            sealed_secret: vec![1],
            sealed_previous: Vec::new(),
            paused_at: (id == paused.merchant).then_some(created_at),
            revision: 1,
            updated_at: created_at,
        };
        assert!(store.put_endpoint(&endpoint).await.unwrap());
        if id != nothing_waits.merchant {
            let born = outgoing(subject, &told, 1).await.delivery;
            assert!(store.reschedule(&born, &born.without_endpoint()).await.unwrap());
        }
    }
    assert_eq!(store.release_waiting(released.merchant, Samples::start(), 10).await.unwrap(), 1);
    for limit in [1, 2, 3, 5, 100] {
        let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
        while pages < 10 {
            let page = store.waited_for(after, limit).await.unwrap();
            pages += 1;
            found.extend(page.waited_for);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(after, None, "{limit} at a time: it comes to an end");
        assert!(limit > 1 || pages == 4, "{pages}: nobody is looked at for whom nothing waits");
        let mut expected = vec![waits.merchant, waits_too.merchant];
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{limit} at a time");
    }
}

/// Each merchant its own, every one once, in an order that does not change.
pub async fn the_feed_shows_a_merchants_events_in_the_order_of_their_commits<S: Subject>(subject: &S) {
    let (mine, theirs) = (Samples::new(106), Samples::new(107));
    let mut expected = Vec::new();
    for round in 0..6 {
        let samples = if round % 3 == 2 { &theirs } else { &mine };
        let told = samples.opened().frozen().captured(1000);
        tell(subject.store(), &told).await;
        if round % 3 != 2 {
            expected.extend(told.last().payment.as_ref().unwrap().events.clone());
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

async fn outgoing<S: Subject>(subject: &S, told: &Story<'_>, sequence: u32) -> Outgoing {
    subject.store().outgoing(told.payment.id, sequence).await.unwrap().unwrap()
}

fn attempt(number: u32, http_status: Option<u16>, error: Option<&str>, at: Timestamp) -> DeliveryAttempt {
    let error = error.map(str::to_owned);
    DeliveryAttempt { number, at, http_status, error, duration: Duration::from_micros(1_234) }
}
