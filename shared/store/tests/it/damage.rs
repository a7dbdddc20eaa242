//! Rows that do not read as what was written, and writes that must never be: errors that say which, never a panic.

use std::collections::BTreeMap;

use futures::future::join_all;
use tollgate_domain::Timestamp;
use tollgate_gateway::{
    contract::{Samples, Story, Subject, yen},
    ports::{Agenda, SettlementChunks, Store, StoreError, Timelines, agenda::Agendum},
    records::Committed,
};

use crate::subject::{OnFile, options};

/// Applies `damage` to a fresh store with one payment, and tells the payment's id.
async fn damaged(damage: &str) -> (OnFile, Samples, String) {
    let subject = OnFile::new();
    let samples = Samples::new(120);
    let story = samples.opened();
    let id = story.payment.id.to_string();
    subject.store.commit(story.last()).await.unwrap();
    drop(story);
    let connection = subject.connection();
    connection.pragma_update(None, "ignore_check_constraints", true).unwrap();
    assert_eq!(connection.execute(damage, []).unwrap(), 1, "{damage}");
    (subject, samples, id)
}

#[tokio::test]
async fn a_payment_that_is_unreadable_is_named_and_hurts_nothing_else() {
    for (column, value) in [
        ("status", "'LOST'"),
        ("currency", "'XXX'"),
        ("amount", "-1"),
        ("provider", "'piggy'"),
        ("provider_request_id", "'not a uuid'"),
        ("merchant_id", "'pay_00000000000000000000000000'"),
        ("capture_method", "'never'"),
        ("details", "'{'"),
        ("failure", "'[]'"),
        ("open_operation", "'{}'"),
        ("open_operation", "replace(open_operation, 'authorize', 'divine')"),
        ("open_operation", "replace(open_operation, '1000', '-1000')"),
        ("open_operation", "open_operation || ' '  || 'x'"),
        ("operations", "-1"),
        ("version", "-1"),
        ("created_at", "9223372036854775807"),
    ] {
        let (subject, samples, id) = damaged(&format!("UPDATE payments SET {column} = {value}")).await;
        let found = subject.store.payment(id.parse().unwrap()).await;
        let Err(StoreError::Corrupt(message)) = found else { panic!("{column} = {value}: {found:?}") };
        assert!(message.contains(&id), "{column} = {value}: {message}");
        // Nothing else suffers.
        let other = samples.opened();
        subject.store.commit(other.last()).await.unwrap();
        assert_eq!(subject.store.payment(other.payment.id).await.unwrap(), Some(other.payment));
        subject.store.ping().await.unwrap();
    }
}

#[tokio::test]
async fn an_unreadable_payment_keeps_its_place_before_a_job_and_a_settlement_and_hides_no_other() {
    let subject = OnFile::new();
    let (samples, store) = (Samples::new(123), &subject.store);
    let stories: Vec<_> = (0..3).map(|_| samples.opened().captured(1000)).collect();
    let settled = || samples.opened().authorized().capture_requested(1000).captured(1000).settled();
    let refunded: Vec<_> = (0..3).map(|_| settled().refund_requested(100).refund_completed()).collect();
    for set in stories.iter().chain(&refunded).flat_map(|story| &story.sets) {
        store.commit(set).await.unwrap();
    }
    let connection = subject.connection();
    connection.pragma_update(None, "ignore_check_constraints", true).unwrap();
    for story in [&stories[1], &refunded[1]] {
        let damage = "UPDATE payments SET details = '{' WHERE id = ?1";
        assert_eq!(connection.execute(damage, [story.payment.id.to_string()]).unwrap(), 1);
    }
    let unread =
        |story: &Story<'_>| [&stories[1], &refunded[1]].iter().any(|other| other.payment.id == story.payment.id);

    let waiting = store.payments_to_settle(None, Timestamp::MAX, None, 10).await.unwrap();
    let found: BTreeMap<_, _> = waiting.iter().map(|one| (one.id, one.read.is_none())).collect();
    assert_eq!(found, stories.iter().map(|story| (story.payment.id, unread(story))).collect());
    assert!(waiting.iter().all(|one| one.merchant == samples.merchant && one.payment == one.id));
    let refunds = store.refunds_to_settle(None, Timestamp::MAX, None, 10).await.unwrap();
    let found: BTreeMap<_, _> = refunds.iter().map(|one| (one.payment, one.read.is_none())).collect();
    assert_eq!(found, refunded.iter().map(|story| (story.payment.id, unread(story))).collect());
    let due = store.due(Agendum::Truth, Timestamp::MAX, None, 10).await.unwrap();
    assert_eq!(due.len(), 6, "each is looked at by itself");
}

#[tokio::test]
async fn history_that_is_unreadable_is_an_error_too() {
    for (column, value) in [("what", "'magic'"), ("cause", "'fate'"), ("transitions", "'PENDING'"), ("at", "9e18")] {
        let (subject, _, id) = damaged(&format!("UPDATE history SET {column} = CAST({value} AS ANY)")).await;
        let found = subject.store.timeline(id.parse().unwrap()).await;
        assert!(matches!(&found, Err(StoreError::Corrupt(message)) if message.contains(&id)), "{column}: {found:?}");
    }
}

#[tokio::test]
async fn what_must_never_be_is_refused_and_hurts_no_other_set_of_its_batch() {
    let subject = OnFile::with(options(1).ephemeral());
    let samples = Samples::new(121);
    let mut sets: Vec<_> = (0..60).map(|_| samples.opened().last().clone()).collect();
    for (index, set) in sets.iter_mut().enumerate().filter(|(index, _)| index % 10 == 3) {
        let payment = &mut set.payment.as_mut().unwrap().payment;
        match index % 20 {
            3 => payment.captured = yen(payment.amount.minor() + 1),
            _ => payment.refund_reserved = yen(1),
        }
    }
    let commits = join_all(sets.iter().map(|set| subject.store.commit(set))).await;
    for ((index, set), committed) in sets.iter().enumerate().zip(commits) {
        let found = subject.store.payment(set.payment.as_ref().unwrap().payment.id).await.unwrap();
        if index % 10 == 3 {
            assert!(matches!(committed, Err(StoreError::Corrupt(_))), "{committed:?}");
            assert_eq!(found, None);
        } else {
            assert_eq!(committed.unwrap(), Committed::Done);
            assert!(found.is_some());
        }
    }
    assert_eq!(subject.contents().await["history"].len(), 54);
}

#[tokio::test]
async fn a_version_that_does_not_follow_the_stored_one_is_a_conflict() {
    let subject = OnFile::new();
    let samples = Samples::new(122);
    let story = samples.opened().authorized().capture_requested(400);
    subject.store.commit(&story.sets[0]).await.unwrap();
    let before = subject.contents().await;
    assert!(matches!(subject.store.commit(&story.sets[2]).await, Ok(Committed::Conflict(_))));
    assert_eq!(subject.contents().await, before);
}
