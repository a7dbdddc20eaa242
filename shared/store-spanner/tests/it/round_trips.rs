//! What operations cost: calls that go over the wire, counted by a proxy, and mutations, counted by Spanner.

use std::collections::BTreeMap;

use tollgate_domain::SettlementId;
use tollgate_emulators::GrpcProxy;
use tollgate_gateway::{
    contract::{Samples, Subject, yen},
    ports::{Deliveries, Store},
    records::{Cause, ChangeSet, Committed, EventRecord},
};
use tollgate_store_spanner::{INDEXES, MUTATIONS_AT_MOST, SETTLEMENT_CHUNK, SpannerStore, mutations_of};

use crate::{
    clock::Clock,
    subject::{OnSpanner, options},
};

fn calls(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|(method, count)| ((*method).to_owned(), *count)).collect()
}

#[tokio::test]
async fn a_change_set_is_one_call_and_a_decision_two() {
    let Some(subject) = OnSpanner::new().await else { return };
    let proxy = GrpcProxy::before(&subject.host).await;
    let store = SpannerStore::new(options(&subject.database, proxy.host()), Clock::real());
    store.ping().await.unwrap();
    proxy.take_counts();
    let samples = Samples::new(210);
    let story = samples.opened().authorized();
    for set in &story.sets {
        store.commit(set).await.unwrap();
        assert_eq!(proxy.take_counts(), calls(&[("Commit", 1)]), "no begin, no read");
    }
    store.payment(story.payment.id).await.unwrap();
    assert_eq!(proxy.take_counts(), calls(&[("StreamingRead", 1)]));
    let before = store.outgoing(story.payment.id, 1).await.unwrap().unwrap().delivery;
    assert_eq!(proxy.take_counts(), calls(&[("StreamingRead", 3)]), "delivery, event and endpoint");
    let until = story.now + std::time::Duration::from_secs(9);
    assert!(store.reschedule(&before, &before.put_off(until)).await.unwrap());
    assert_eq!(proxy.take_counts(), calls(&[("StreamingRead", 1), ("Commit", 1)]), "it begins with the read");
}

/// What a settlement commits of one payment, with a fee and its event.
fn settled(samples: &Samples) -> ChangeSet {
    let captured = samples.opened().authorized().capture_requested(1000).captured(1000);
    let change = captured.payment.settle(SettlementId::from_random([1; 16]), yen(10), captured.now).unwrap();
    assert_eq!((change.events.len(), change.postings.lines().len()), (1, 4));
    let event = |event: &tollgate_domain::Event| EventRecord {
        id: samples.event_id(),
        payment: captured.payment.id,
        merchant: samples.merchant,
        sequence: event.sequence,
        kind: event.kind,
        body: "{}".to_owned(),
        at: event.at,
    };
    let events = change.events.iter().map(event).collect();
    ChangeSet::of(samples.change_id(), change, Cause::Job("settlement".to_owned()), "corr", events)
}

#[tokio::test]
async fn no_commit_counts_for_more_mutations_than_is_said() {
    let Some(subject) = OnSpanner::new().await else { return };
    let samples = Samples::new(211);
    for (_, story) in samples.every_state() {
        for set in &story.sets {
            assert!(mutations_of(set) < MUTATIONS_AT_MOST / 100);
            subject.store().commit(set).await.unwrap();
        }
    }
    // With a line and totals of its own each, a settlement's chunk has room for this many.
    let settled = mutations_of(&settled(&samples));
    assert!(SETTLEMENT_CHUNK as usize * (settled + 26) < MUTATIONS_AT_MOST, "{settled}");
    let mut large = ChangeSet::beside(samples.change_id());
    let story = samples.opened();
    large.calls = (0..3000).map(|_| samples.call(&story)).collect();
    let refused = subject.store().commit(&large).await.unwrap_err().to_string();
    assert!(refused.contains("more mutations"), "{refused}");
}

#[tokio::test]
async fn the_schemas_indexes_are_those_that_are_counted() {
    let Some(subject) = OnSpanner::new().await else { return };
    let sql = "SELECT table_name, index_name, COUNT(*) FROM information_schema.index_columns
               WHERE table_schema = '' AND index_type = 'INDEX' AND table_name != 'schema_migrations'
                 AND NOT STARTS_WITH(index_name, 'IDX_')
               GROUP BY table_name, index_name";
    let mut there: Vec<Vec<String>> = subject.raw.texts(sql).await;
    there.sort();
    let count = |index: &tollgate_store_spanner::Index| {
        vec![index.table.to_owned(), index.name.to_owned(), index.cells.to_string()]
    };
    let mut counted: Vec<Vec<String>> = INDEXES.iter().map(count).collect();
    counted.sort();
    assert_eq!(counted, there);
}

#[tokio::test]
async fn what_must_never_be_is_refused_by_the_database_itself() {
    let Some(subject) = OnSpanner::new().await else { return };
    let samples = Samples::new(212);
    let story = samples.opened().authorized();
    for set in &story.sets {
        subject.store().commit(set).await.unwrap();
    }
    let id = story.payment.id;
    for wrong in [
        "captured = amount + 1",
        "captured = -1",
        "refunded = 1",
        "status = 'WISHED'",
        "version = 0",
        "provider = 'mattress'",
        "amount = 1000000000000",
        "review = 'unresolved'",
        "shard = 64",
        "currency = 'YE'",
    ] {
        let refused = subject.raw.execute(&format!("UPDATE payments SET {wrong} WHERE payment_id = '{id}'")).await;
        assert!(refused.is_err(), "{wrong}");
    }
    for wrong in [
        format!("UPDATE postings SET minor = 0 WHERE payment_id = '{id}'"),
        format!("UPDATE deliveries SET status = 'DELIVERED' WHERE payment_id = '{id}'"),
        format!("DELETE FROM payments WHERE payment_id = '{id}'"),
    ] {
        assert!(subject.raw.execute(&wrong).await.is_err(), "{wrong}");
    }
    assert_eq!(subject.store().payment(id).await.unwrap(), Some(story.payment));
}

#[tokio::test]
async fn an_outcome_is_committed_though_the_key_that_it_releases_is_gone() {
    let Some(subject) = OnSpanner::new().await else { return };
    let samples = Samples::new(213);
    let story = samples.opened().authorized();
    subject.store().commit(&story.sets[0]).await.unwrap();
    assert_eq!(subject.raw.execute("DELETE FROM idempotency WHERE TRUE").await.unwrap(), 1);
    assert!(!story.sets[1].released_keys.is_empty());
    assert_eq!(subject.store().commit(&story.sets[1]).await.unwrap(), Committed::Done);
    assert_eq!(subject.store().payment(story.payment.id).await.unwrap(), Some(story.payment));
}
