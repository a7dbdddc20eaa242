//! Commits whose answers are lost on the wire, and a database that is away: a proxy cuts the connections.

use std::time::Duration;

use futures::future::join_all;
use tollgate_domain::Tried;
use tollgate_emulators::{Cut, GrpcProxy};
use tollgate_gateway::{
    contract::{Samples, Story, Subject},
    ports::{Deliveries, Store, StoreError},
    records::{ChangeSet, Committed, Guard},
};
use tollgate_store_spanner::SpannerStore;

use crate::{
    clock::Clock,
    subject::{OnSpanner, options},
};

/// A database, and a store that reaches it through a proxy.
struct Far {
    subject: OnSpanner,
    proxy: GrpcProxy,
    store: SpannerStore,
}

impl Far {
    async fn new() -> Option<Self> {
        let subject = OnSpanner::new().await?;
        let proxy = GrpcProxy::before(&subject.host).await;
        let store = SpannerStore::new(options(&subject.database, proxy.host()), Clock::real());
        store.ping().await.unwrap();
        Some(Self { subject, proxy, store })
    }

    /// As the gateway does it (rule 14): the same set again, until there is an answer. How often it was sent.
    async fn commit(&self, set: &ChangeSet) -> (Committed, u32) {
        for sent in 1..20 {
            match self.store.commit(set).await {
                Ok(committed) => return (committed, sent),
                Err(StoreError::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("no answer in 20 tries");
    }
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_done_when_it_is_sent_again_and_only_once() {
    let Some(far) = Far::new().await else { return };
    let samples = Samples::new(200);
    for (name, mut story) in samples.every_state() {
        let (call, event, reference) = (samples.call(&story), samples.event(&story), samples.reference(&story));
        story.last_mut().calls.push(call);
        story.last_mut().received = Some(event);
        story.last_mut().reference = Some(reference);
        for set in &story.sets {
            far.proxy.cut("Commit", Cut::After);
            let (committed, sent) = far.commit(set).await;
            assert_eq!((committed, sent), (Committed::Done, 2), "{name}");
            assert!(far.proxy.has_cut_all(), "{name}");
        }
        let payment = far.store.payment(story.payment.id).await.unwrap();
        assert_eq!(payment.as_ref(), Some(&story.payment), "{name}");
        let events = far.subject.events(story.payment.id).await;
        assert_eq!(events.len(), usize::try_from(story.payment.events).unwrap(), "{name}");
    }
}

#[tokio::test]
async fn a_commit_that_was_lost_on_its_way_is_done_when_it_is_sent_again() {
    let Some(far) = Far::new().await else { return };
    let samples = Samples::new(201);
    let story = samples.opened();
    far.proxy.cut("Commit", Cut::Before);
    far.proxy.cut("Commit", Cut::Before);
    let (committed, sent) = far.commit(story.last()).await;
    assert_eq!((committed, sent), (Committed::Done, 3));
}

#[tokio::test]
async fn of_two_writers_whose_answers_are_lost_one_wins_and_the_other_sees_the_conflict() {
    let Some(far) = Far::new().await else { return };
    let samples = Samples::new(202);
    for _ in 0..5 {
        let story = samples.opened();
        assert_eq!(far.commit(story.last()).await.0, Committed::Done);
        let (one, other) = (story.rival(Story::authorized), story.rival(Story::refused));
        far.proxy.cut("Commit", Cut::After);
        far.proxy.cut("Commit", Cut::After);
        let (first, second) = futures::join!(far.commit(&one), far.commit(&other));
        let both = [first.0, second.0];
        assert!(both.contains(&Committed::Done), "{both:?}");
        assert!(both.contains(&Committed::Conflict(Guard::Version)), "{both:?}");
        let winner = if first.0 == Committed::Done { one } else { other };
        let kept = far.store.payment(story.payment.id).await.unwrap();
        assert_eq!(kept, winner.payment.map(|change| change.payment), "no lost update");
    }
}

#[tokio::test]
async fn a_try_whose_record_lost_its_answer_is_recorded_once() {
    let Some(far) = Far::new().await else { return };
    let samples = Samples::new(203);
    let told = samples.opened().authorized();
    for set in &told.sets {
        far.commit(set).await;
    }
    let before = far.store.outgoing(told.payment.id, 1).await.unwrap().unwrap().delivery;
    let taken = before.after(Tried::Taken, 0.5, told.now);
    let attempt = tollgate_gateway::ports::deliveries::DeliveryAttempt {
        number: 1,
        at: told.now,
        http_status: Some(200),
        error: None,
        duration: Duration::from_millis(3),
    };
    far.proxy.cut("Commit", Cut::After);
    // Whether this call learns of it or not: what is kept is right.
    let first = far.store.record_attempt(&before, &taken, &attempt).await;
    let again = far.store.record_attempt(&before, &taken, &attempt).await.unwrap();
    assert!(!again, "it was recorded: {first:?}");
    assert_eq!(far.store.deliveries(told.payment.id).await.unwrap(), [(taken, vec![attempt])]);
}

#[tokio::test]
async fn a_database_that_is_away_fails_calls_in_time_and_serves_again_once_it_is_back() {
    let Some(subject) = OnSpanner::new().await else { return };
    let proxy = GrpcProxy::before(&subject.host).await;
    let mut options = options(&subject.database, proxy.host());
    (options.attempt_timeout, options.operation_timeout) = (Duration::from_millis(500), Duration::from_secs(1));
    let store = SpannerStore::new(options, Clock::real());
    let samples = Samples::new(204);
    let story = samples.opened();
    proxy.set_away(true);
    let clock = Clock::real();
    let started = clock.monotonic();
    let error = crate::clock::soon(store.ping()).await.unwrap_err().to_string();
    assert!(error.contains("Spanner is not reached"), "{error}");
    assert!(crate::clock::soon(store.commit(story.last())).await.is_err());
    let took = clock.monotonic().saturating_sub(started);
    assert!(took < Duration::from_secs(5), "{took:?}");
    proxy.set_away(false);
    let back = async {
        while store.ping().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    crate::clock::soon(back).await;
    assert_eq!(crate::clock::soon(store.commit(story.last())).await.unwrap(), Committed::Done);
    // And away while it is connected.
    proxy.set_away(true);
    assert!(crate::clock::soon(store.payment(story.payment.id)).await.is_err());
    proxy.set_away(false);
    let back = async {
        while store.payment(story.payment.id).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    crate::clock::soon(back).await;
}

#[tokio::test]
async fn a_database_without_tables_says_what_to_do() {
    let Some(emulator) = tollgate_emulators::spanner() else { return };
    let database = emulator.create_database();
    let store = SpannerStore::new(options(&database, emulator.host()), Clock::real());
    let error = store.ping().await.unwrap_err().to_string();
    assert!(error.contains("tollgate migrate"), "{error}");
}

#[tokio::test]
async fn a_connection_that_died_without_a_word_is_given_up_and_another_one_made() {
    let Some(subject) = OnSpanner::new().await else { return };
    let proxy = GrpcProxy::before(&subject.host).await;
    let short = Duration::from_millis(300);
    let options = tollgate_store_spanner::Options {
        attempt_timeout: short,
        operation_timeout: 2 * short,
        ..options(&subject.database, proxy.host())
    };
    let store = SpannerStore::new(options, Clock::real());
    let pings = async || join_all((0..8).map(|_| store.ping())).await.into_iter().flatten().count();
    let all_are_answered = async || {
        for _ in 0..20 {
            if pings().await == 8 {
                return true;
            }
        }
        false
    };
    assert!(all_are_answered().await, "it connects");
    assert!(all_are_answered().await, "on all of its connections");
    proxy.lose_connections();
    assert!(pings().await < 8, "what was connected is dead");
    assert!(all_are_answered().await, "it is connected again");
}
