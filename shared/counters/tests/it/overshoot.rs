//! How far a quota is overshot when Redis goes away and comes back: by a second of its budget, at most.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use tollgate_counters::{Options, RedisCounters};
use tollgate_gateway::ports::{
    Counters,
    counters::{DecidedBy, Limit},
};

use crate::{
    server::Server,
    subject::{QUOTA, connect, merchant, patient, pause, until_decided_by},
};

const INSTANCES: u32 = 3;
const A_SECOND: u32 = 120;

/// Takes all that `instances` give of a quota while `happens` happens. Answers how many tokens that were, and how long it
/// took.
#[allow(clippy::disallowed_methods, reason = "callers of a test, and how long they took")]
async fn taken_while(
    instances: &[Arc<RedisCounters>],
    limit: Limit,
    happens: impl Future<Output = ()>,
) -> (u32, Duration) {
    let (started, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let takers = instances.iter().map(|counters| {
        let (counters, stop) = (Arc::clone(counters), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut granted = 0;
            while !stop.load(Ordering::SeqCst) {
                granted += u32::from(counters.take(QUOTA, limit).await.granted);
                pause(1).await;
            }
            granted
        })
    });
    let takers: Vec<_> = takers.collect();
    happens.await;
    stop.store(true, Ordering::SeqCst);
    let granted = join_all(takers).await.into_iter().map(Result::unwrap).sum();
    (granted, started.elapsed())
}

async fn instances(server: &Server) -> Vec<Arc<RedisCounters>> {
    let options = Options {
        instances: NonZeroU32::new(INSTANCES).unwrap(),
        command_timeout: Duration::from_millis(100),
        ..patient()
    };
    let url = server.url();
    let connected = join_all((0..INSTANCES).map(|_| connect(&url, options.clone()))).await;
    connected.into_iter().map(Arc::new).collect()
}

async fn all_decided_by(instances: &[Arc<RedisCounters>], decider: DecidedBy) {
    join_all(instances.iter().map(|counters| until_decided_by(&**counters, decider))).await;
}

fn is_within_a_second_of_budget(granted: u32, burst: u32, took: Duration) {
    let allowed = f64::from(burst) + took.as_secs_f64() * f64::from(A_SECOND);
    let overshoot = f64::from(granted) - allowed;
    assert!(overshoot <= f64::from(A_SECOND), "{granted} granted, {allowed} allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_a_second_of_its_budget_when_redis_loses_all_it_knew() {
    let Some(server) = Server::with(&[]) else { return };
    let instances = instances(&server).await;
    // A burst of two seconds: were it believed to be there when Redis is back, it alone would be too much.
    let limit = Limit::per_second(A_SECOND, 2 * A_SECOND);
    let (granted, took) = taken_while(&instances, limit, async {
        pause(100).await;
        server.kill();
        all_decided_by(&instances, DecidedBy::Fallback).await;
        pause(300).await;
        server.start_again();
        all_decided_by(&instances, DecidedBy::Shared).await;
        pause(300).await;
    })
    .await;
    is_within_a_second_of_budget(granted, 2 * A_SECOND, took);
    assert!(granted > 2 * A_SECOND, "and the burst was given: {granted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_a_second_of_its_budget_when_redis_stands_still_and_goes_on() {
    let Some(server) = Server::with(&[]) else { return };
    let instances = instances(&server).await;
    let limit = Limit::per_second(A_SECOND, A_SECOND);
    let (granted, took) = taken_while(&instances, limit, async {
        pause(100).await;
        server.freeze();
        all_decided_by(&instances, DecidedBy::Fallback).await;
        pause(500).await;
        // Its bucket filled up meanwhile.
        server.go_on();
        all_decided_by(&instances, DecidedBy::Shared).await;
        pause(300).await;
    })
    .await;
    is_within_a_second_of_budget(granted, A_SECOND, took);
}

#[tokio::test]
async fn a_quota_is_believed_to_hold_half_a_second_when_redis_is_back_and_a_merchants_bucket_all() {
    let Some(server) = Server::with(&[]) else { return };
    let counters = connect(&server.url(), patient()).await;
    let limit = Limit::per_minute(600, 1_000);
    for bucket in [QUOTA, merchant(1)] {
        assert_eq!(counters.take(bucket, limit).await.remaining, 999);
    }
    server.kill();
    until_decided_by(&counters, DecidedBy::Fallback).await;
    server.start_again();
    until_decided_by(&counters, DecidedBy::Shared).await;
    assert_eq!(counters.take(merchant(1), limit).await.remaining, 999);
    // Ten a second: five, one of which is taken.
    let first = counters.take(QUOTA, limit).await;
    assert_eq!((first.granted, first.remaining), (true, 4));
    // Lowered once: later calls believe what Redis says.
    pause(300).await;
    assert!(counters.look(QUOTA, limit).await.remaining >= 6);
}

#[tokio::test]
async fn what_a_quotas_part_saved_up_does_not_count_when_redis_goes_away_again() {
    let Some(server) = Server::with(&[]) else { return };
    let counters = connect(&server.url(), patient()).await;
    let limit = Limit::per_second(40, 1_000);
    for _ in 0..2 {
        server.kill();
        until_decided_by(&counters, DecidedBy::Fallback).await;
        let standing = counters.look(QUOTA, limit).await;
        assert!(standing.remaining <= 14, "a fifth of a second, and what came meanwhile: {standing:?}");
        assert!(counters.take(QUOTA, limit).await.granted);
        server.start_again();
        until_decided_by(&counters, DecidedBy::Shared).await;
        pause(700).await;
    }
}
