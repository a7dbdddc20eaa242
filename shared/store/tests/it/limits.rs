//! Bounds: what happens when a queue is full, a thread dies, or nobody waits any more.

use futures::{FutureExt, future::join_all};
use rusqlite::TransactionBehavior;
use tollgate_domain::PaymentStatus;
use tollgate_gateway::{
    contract::Samples,
    ports::{Store, StoreError, Timelines},
    records::{Committed, ListQuery},
};
use tollgate_store::SqliteStore;

use crate::{
    clock::{Clock, soon},
    subject::{OnFile, options},
};

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_what_it_took_is_done() {
    let subject = OnFile::with(options(1).ephemeral().queues(8, 8).batch(1));
    let samples = Samples::new(140);
    let stories: Vec<_> = (0..50).map(|_| samples.opened()).collect();
    // Somebody else writes: the writer waits, and behind it the queue fills.
    let mut blocker = subject.connection();
    let held = blocker.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let mut commits: Vec<_> = stories.iter().map(|story| Some(subject.store.commit(story.last()))).collect();
    for commit in &mut commits {
        let answer = commit.as_mut().and_then(FutureExt::now_or_never);
        if let Some(answer) = answer {
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
            *commit = None;
        }
    }
    let taken: Vec<_> = commits.into_iter().flatten().collect();
    assert!((8..=9).contains(&taken.len()), "eight wait, and one is in the writer's hands: {}", taken.len());
    held.rollback().unwrap();
    for answer in soon(join_all(taken)).await {
        assert_eq!(answer.unwrap(), Committed::Done);
    }
}

#[tokio::test]
async fn a_writer_that_panicked_leaves_nobody_waiting_and_ping_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(path, options(1).ephemeral(), Clock::broken_on("store-writer")).unwrap();
    let samples = Samples::new(141);
    let sets: Vec<_> = (0..50).map(|_| samples.opened().last().clone()).collect();
    for answer in soon(join_all(sets.iter().map(|set| store.commit(set)))).await {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    let late = store.commit(&sets[0]).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    assert!(matches!(soon(store.ping()).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_store_that_somebody_else_has_locked_is_not_ready_until_it_can_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, options(1), Clock::real()).unwrap();
    soon(store.ping()).await.unwrap();
    let held = rusqlite::Connection::open(&path).unwrap();
    held.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let locked = soon(store.ping()).await;
    assert!(matches!(locked, Err(StoreError::Unavailable(_))), "{locked:?}");
    held.execute_batch("ROLLBACK").unwrap();
    soon(store.ping()).await.unwrap();
}

#[tokio::test]
async fn a_program_starts_while_somebody_else_has_locked_its_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let first = SqliteStore::open(&path, options(1), Clock::real()).unwrap();
    for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        let held = rusqlite::Connection::open(&path).unwrap();
        held.execute_batch(lock).unwrap();
        let second = SqliteStore::open(&path, options(2), Clock::real()).unwrap();
        assert!(soon(second.ping()).await.is_err(), "{lock}");
        held.execute_batch("ROLLBACK").unwrap();
        soon(second.ping()).await.unwrap();
    }
    drop(first);
}

#[tokio::test]
async fn a_store_that_is_dropped_has_written_what_it_took() {
    let subject = OnFile::with(options(1).ephemeral());
    let samples = Samples::new(142);
    let stories: Vec<_> = (0..200).map(|_| samples.opened()).collect();
    let other = subject.store.another(crate::subject::boot(2)).unwrap();
    for story in &stories {
        // Asked once, and never again.
        let answer = other.commit(story.last()).now_or_never();
        assert!(!matches!(answer, Some(Err(_) | Ok(Committed::Conflict(_)))), "{answer:?}");
    }
    drop(other);
    for story in &stories {
        assert!(subject.store.payment(story.payment.id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_store_that_cannot_write_says_unavailable_and_recovers() {
    let subject = OnFile::with(options(1).ephemeral());
    let samples = Samples::new(143);
    let story = samples.opened();
    let mut blocker = subject.connection();
    let held = blocker.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let answer = subject.store.commit(story.last()).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    // Reads do not wait for writers.
    assert_eq!(subject.store.payment(story.payment.id).await.unwrap(), None);
    held.rollback().unwrap();
    assert_eq!(subject.store.commit(story.last()).await.unwrap(), Committed::Done);
}

#[tokio::test]
async fn a_list_by_status_looks_through_so_many_at_a_time_and_finds_the_one_behind_them_all() {
    const OTHERS: usize = 4500;
    let subject = OnFile::with(options(1).ephemeral());
    let samples = Samples::new(142);
    let wanted = samples.opened();
    subject.store.commit(wanted.last()).await.unwrap();
    let others: Vec<_> = (0..OTHERS).map(|_| samples.opened().last().clone()).collect();
    for others in others.chunks(500) {
        for committed in join_all(others.iter().map(|set| subject.store.commit(set))).await {
            assert_eq!(committed.unwrap(), Committed::Done);
        }
    }
    let found = "UPDATE payments SET status = 'FAILED', created_at = created_at - 1 WHERE id = ?1";
    subject.connection().execute(found, [wanted.payment.id.to_string()]).unwrap();
    let mut query = ListQuery {
        merchant: samples.merchant,
        merchant_reference: None,
        status: Some(PaymentStatus::Failed),
        after: None,
        limit: 20,
    };
    let mut pages = Vec::new();
    loop {
        let page = subject.store.list(&query).await.unwrap();
        pages.push(page.payments.iter().map(|payment| payment.id).collect::<Vec<_>>());
        query.after = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec![], vec![], vec![wanted.payment.id]]);
}
