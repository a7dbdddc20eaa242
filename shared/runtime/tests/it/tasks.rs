//! The system's clock and tasks.

use std::{sync::Arc, time::Duration};

use tollgate_gateway::ports::{Spawn, Time};
use tollgate_runtime::{System, SystemClock, TaskSpawner, system::within};

#[test]
fn the_clock_never_moves_back() {
    let clock = SystemClock::start();
    let readings: Vec<_> = (0..1000).map(|_| (clock.now(), clock.monotonic())).collect();
    assert!(readings.is_sorted());
}

#[tokio::test]
async fn a_task_that_panics_counts_as_ended() {
    let tasks = TaskSpawner::default();
    tasks.spawn(Box::pin(async { panic!("on purpose") }));
    assert_eq!(tasks.running(), 1);
    tasks.idle().await;
    assert_eq!(tasks.running(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_idle_misses_no_task() {
    let tasks = TaskSpawner::default();
    for _ in 0..500 {
        for _ in 0..4 {
            tasks.start(tokio::task::yield_now());
        }
        tasks.idle().await;
        assert_eq!(tasks.running(), 0);
    }
}

#[tokio::test]
async fn work_past_its_limit_is_dropped() {
    let system = System::real();
    let held = Arc::new(());
    let work = {
        let held = Arc::clone(&held);
        async move {
            std::future::pending::<()>().await;
            drop(held);
        }
    };
    assert!(within(&*system.time, Duration::from_millis(10), work).await.is_none());
    assert_eq!(Arc::strong_count(&held), 1);
}
