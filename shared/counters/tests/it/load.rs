//! Many callers at once, while Redis is killed, flushed and restarted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
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
    subject::{WIDE, connect, merchant, patient, pause, until_decided_by},
};

/// Callers that ask without a pause, until they are told to stop.
struct Callers {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Counted>>,
    asked: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Counted {
    shared: u64,
    alone: u64,
    slowest: Duration,
}

impl Callers {
    #[allow(clippy::disallowed_methods, reason = "callers of a test, and how long they wait")]
    fn start(counters: &Arc<RedisCounters>, count: u32, limit: Limit) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tasks = (0..count).map(|number| {
            let (counters, stop, asked) = (Arc::clone(counters), Arc::clone(&stop), Arc::clone(&asked));
            tokio::spawn(async move {
                let mut counted = Counted::default();
                while !stop.load(Ordering::SeqCst) {
                    let started = Instant::now();
                    let standing = counters.take(merchant(number), limit).await;
                    counted.slowest = counted.slowest.max(started.elapsed());
                    assert!(standing.granted, "nobody meets this limit");
                    match standing.decided_by {
                        DecidedBy::Shared => counted.shared += 1,
                        DecidedBy::Fallback => counted.alone += 1,
                    }
                    asked.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
                counted
            })
        });
        let tasks = tasks.collect();
        Self { stop, tasks, asked }
    }

    /// Waits until they have asked `count` times more.
    async fn ask(&self, count: u64) {
        let enough = self.asked.load(Ordering::SeqCst) + count;
        for _ in 0..10_000 {
            if self.asked.load(Ordering::SeqCst) >= enough {
                return;
            }
            pause(1).await;
        }
        panic!("somebody waits");
    }

    async fn stop(self) -> Counted {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Counted::default();
        for counted in join_all(self.tasks).await {
            let counted = counted.expect("no caller panics");
            all.shared += counted.shared;
            all.alone += counted.alone;
            all.slowest = all.slowest.max(counted.slowest);
        }
        all
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_redis_under_load_stops_nobody_and_it_is_used_again_when_it_is_back() {
    let Some(server) = Server::with(&[]) else { return };
    let options = Options { command_timeout: Duration::from_millis(500), ..patient() };
    let counters = Arc::new(connect(&server.url(), options).await);
    let callers = Callers::start(&counters, 32, WIDE);
    callers.ask(300).await;
    for _ in 0..2 {
        server.kill();
        until_decided_by(&*counters, DecidedBy::Fallback).await;
        assert!(counters.is_degraded());
        callers.ask(300).await;
        server.start_again();
        until_decided_by(&*counters, DecidedBy::Shared).await;
        assert!(!counters.is_degraded());
        callers.ask(300).await;
    }
    let counted = callers.stop().await;
    assert!(counted.shared >= 300 && counted.alone >= 300, "{counted:?}");
    // A closed connection is seen at once; the machine is what takes time.
    assert!(counted.slowest < Duration::from_secs(2), "{counted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flushing_scripts_and_data_under_load_is_not_noticed() {
    let Some(server) = Server::with(&[]) else { return };
    let counters = Arc::new(connect(&server.url(), patient()).await);
    let callers = Callers::start(&counters, 16, WIDE);
    for _ in 0..20 {
        callers.ask(50).await;
        () = server.ask("SCRIPT FLUSH");
        callers.ask(50).await;
        () = server.ask("FLUSHALL");
    }
    let counted = callers.stop().await;
    assert_eq!(counted.alone, 0, "{counted:?}");
    assert!(counted.shared > 2_000, "{counted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_tasks_on_two_instances_exactly_as_many_get_a_token_as_there_are() {
    let Some(server) = Server::with(&[]) else { return };
    let one = Arc::new(connect(&server.url(), patient()).await);
    let other = Arc::new(connect(&server.url(), patient()).await);
    for round in 0..10 {
        #[allow(clippy::disallowed_methods, reason = "callers of a test")]
        let tasks = (0..100).map(|number| {
            let counters = Arc::clone(if number % 2 == 0 { &one } else { &other });
            tokio::spawn(async move { counters.take(merchant(round), Limit::per_minute(1, 61)).await })
        });
        let granted = join_all(tasks).await.into_iter().filter(|standing| standing.as_ref().unwrap().granted).count();
        assert_eq!(granted, 61);
    }
}

#[tokio::test]
async fn more_calls_than_places_wait_for_one_and_are_all_answered() {
    let Some(server) = Server::with(&[]) else { return };
    let options = Options { most_in_flight: std::num::NonZeroU32::new(2).unwrap(), ..patient() };
    let counters = connect(&server.url(), options).await;
    let answers = join_all((0..200).map(|_| counters.take(merchant(1), Limit::per_minute(1, 77)))).await;
    assert!(answers.iter().all(|standing| standing.decided_by == DecidedBy::Shared));
    assert_eq!(answers.iter().filter(|standing| standing.granted).count(), 77);
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "Redis goes by real time")]
async fn on_the_servers_own_clock_a_bucket_gives_what_its_limit_says() {
    let Some(server) = Server::with(&[]) else { return };
    let counters = connect(&server.url(), patient()).await;
    let limit = Limit::per_second(100, 100);
    let started = Instant::now();
    let mut granted = u32::from(counters.take(merchant(1), limit).await.granted);
    for wait_ms in [0, 150, 300] {
        pause(wait_ms).await;
        while counters.take(merchant(1), limit).await.granted {
            granted += 1;
        }
    }
    // It waited for 450 ms at least; what else passed, it took too. Redis tells whole milliseconds.
    let (fewest, most) = (100.0 + 45.0 - 1.0, 100.0 + (started.elapsed().as_secs_f64() + 0.001) * 100.0);
    assert!(f64::from(granted) >= fewest && f64::from(granted) <= most, "{fewest} <= {granted} <= {most}");
}
