//! What operators did, and how they look for deliveries.

use std::time::Duration;

use tollgate_domain::{ChangeId, Delivery, DeliveryStatus, Timestamp, Tried};

use super::{Samples, Subject, tell};
use crate::ports::{
    Deliveries, DeliveryLists, OperatorActs,
    deliveries::{DeliveryAttempt, DeliveryQuery},
    operators::OperatorAct,
};

const SECOND: Duration = Duration::from_secs(1);

fn act(number: u8, at: Timestamp) -> OperatorAct {
    OperatorAct {
        id: ChangeId::from_random([number; 16]),
        at,
        by: "Ann 靴".to_owned(),
        why: number.is_multiple_of(2).then(|| "incident 4711: \"slow\"".to_owned()),
        command: "deliveries redeliver".to_owned(),
        subject: "all of mer_1".to_owned(),
        outcome: None,
    }
}

/// Of one time, too; page by page; whoever begins or ends one again changes nothing.
pub async fn what_operators_did_is_kept_with_what_came_of_it_the_last_one_first<S: Subject>(subject: &S) {
    let store = subject.store();
    assert_eq!(store.acts(None, 10).await.unwrap(), []);
    let start = Samples::start();
    let all = [act(4, start + SECOND), act(3, start), act(2, start), act(1, start - SECOND)];
    for act in [&all[2], &all[0], &all[3], &all[1]] {
        store.begin_act(act).await.unwrap();
    }
    assert_eq!(store.acts(None, 10).await.unwrap(), all);
    assert_eq!(store.acts(None, 2).await.unwrap(), all[..2]);
    assert_eq!(store.acts(Some((all[1].at, all[1].id)), 10).await.unwrap(), all[2..]);
    assert_eq!(store.acts(None, 0).await.unwrap(), []);
    store.end_act(all[3].id, "12 are due again").await.unwrap();
    store.end_act(all[3].id, "none").await.unwrap();
    store.begin_act(&all[3]).await.unwrap();
    let ended = OperatorAct { outcome: Some("12 are due again".to_owned()), ..all[3].clone() };
    assert_eq!(store.acts(Some((all[2].at, all[2].id)), 10).await.unwrap(), [ended]);
    store.end_act(ChangeId::from_random([9; 16]), "nobody's").await.unwrap();
    assert_eq!(store.acts(None, 10).await.unwrap().len(), 4);
}

fn query(from: Timestamp, until: Timestamp) -> DeliveryQuery {
    DeliveryQuery { merchant: None, statuses: Vec::new(), from, until, after: None, limit: 100 }
}

async fn all<S: Subject>(subject: &S, query: &DeliveryQuery, limit: u32) -> Vec<Delivery> {
    let (mut found, mut seen) = (Vec::new(), 0);
    let mut query = DeliveryQuery { limit, ..query.clone() };
    for _ in 0..100 {
        let page = subject.store().look_through(&query).await.unwrap();
        assert!(page.seen <= limit && page.found.len() <= page.seen as usize, "{page:?}");
        (seen, query.after) = (seen + page.seen, page.next);
        found.extend(page.found);
        if query.after.is_none() {
            return found;
        }
    }
    panic!("it does not end, {seen} were seen");
}

/// What happened at its beginning is inside. Pages of any size come to the same, in order.
pub async fn deliveries_are_looked_through_by_time_and_the_end_of_the_time_is_outside<S: Subject>(subject: &S) {
    let samples = Samples::new(980);
    let (mut times, mut places) = (Vec::new(), Vec::new());
    for at in [0, 1, 1, 1, 2, 3, 3] {
        let mut story = samples.opened();
        story.now += SECOND * at;
        let told = story.authorized();
        tell(subject.store(), &told).await;
        times.push(told.now);
        places.push((told.now, told.payment.id, 1));
    }
    places.sort();
    let (first, last) = (times[0], times[6]);
    let just = Duration::from_micros(1);
    for (from, until, expected) in [
        (first, last + just, 0..7),
        (first + just, last, 1..5),
        (first, last, 0..5),
        (times[1], times[4], 1..4),
        (last, last + SECOND, 5..7),
        (last + just, last + SECOND, 7..7),
        (times[1], times[1], 1..1),
        (last, first, 0..0),
    ] {
        for limit in [1, 2, 3, 7, 100] {
            let found = all(subject, &query(from, until), limit).await;
            let found = found.iter().map(|it| (it.created_at, it.payment, it.sequence)).collect::<Vec<_>>();
            assert_eq!(found, places[expected.clone()], "{from} to {until}, {limit} at a time");
        }
    }
    let nothing = subject.store().look_through(&DeliveryQuery { limit: 0, ..query(first, last) }).await.unwrap();
    assert_eq!((nothing.seen, nothing.found), (0, Vec::new()));
}

/// As they stand now, not as they were born.
pub async fn deliveries_are_looked_for_by_merchant_and_by_how_they_stand<S: Subject>(subject: &S) {
    let (mine, theirs) = (Samples::new(981), Samples::new(982));
    let store = subject.store();
    let mut expected = Vec::new();
    for (samples, is_taken) in [(&mine, true), (&mine, false), (&theirs, true), (&theirs, false)] {
        let told = samples.opened().authorized();
        tell(store, &told).await;
        let born = store.outgoing(told.payment.id, 1).await.unwrap().unwrap().delivery;
        let tried = if is_taken { Tried::Taken } else { Tried::Failed { retry_after: None } };
        let after = born.after(tried, 0.5, told.now);
        let attempt =
            DeliveryAttempt { number: 1, at: told.now, http_status: Some(200), error: None, duration: Duration::ZERO };
        assert!(store.record_attempt(&born, &after, &attempt).await.unwrap());
        expected.push(after);
    }
    let range = query(Samples::start(), Samples::start() + SECOND * 60);
    for (merchant, statuses) in [
        (None, vec![]),
        (Some(mine.merchant), vec![]),
        (Some(mine.merchant), vec![DeliveryStatus::Delivered]),
        (None, vec![DeliveryStatus::Retrying]),
        (None, vec![DeliveryStatus::Retrying, DeliveryStatus::Delivered]),
        (None, vec![DeliveryStatus::DeadLettered]),
        (Some(Samples::new(983).merchant), vec![]),
    ] {
        let query = DeliveryQuery { merchant, statuses, ..range.clone() };
        let mut wanted: Vec<_> =
            expected.iter().filter(|it| query.wants(it.merchant, it.status)).cloned().collect();
        wanted.sort_by_key(|it| (it.created_at, it.payment, it.sequence));
        for limit in [1, 3, 100] {
            assert_eq!(all(subject, &query, limit).await, wanted, "{query:?}");
        }
    }
}
