//! Buckets in process: on the clock, to the millisecond, and in bounded memory.

use std::time::Duration;

use tollgate_gateway::ports::{
    Counters,
    counters::{DecidedBy, Limit},
};

use crate::subject::{InProcess, merchant};

#[tokio::test]
async fn a_token_comes_at_its_millisecond_and_not_before() {
    let InProcess { counters, clock } = InProcess::new();
    let limit = Limit::per_minute(7, 1);
    assert!(counters.take(merchant(1), limit).await.granted);
    // A seventh of a minute is 8,571.43 ms.
    clock.advance(Duration::from_millis(8_571));
    let early = counters.take(merchant(1), limit).await;
    assert_eq!((early.granted, early.next_in), (false, Duration::from_millis(1)));
    clock.advance(Duration::from_millis(1));
    assert!(counters.take(merchant(1), limit).await.granted);
}

#[tokio::test]
async fn a_clock_that_stands_gives_nothing() {
    let InProcess { counters, .. } = InProcess::new();
    let limit = Limit::per_second(1_000, 5);
    let mut granted = 0;
    for _ in 0..10_000 {
        granted += u32::from(counters.take(merchant(1), limit).await.granted);
    }
    assert_eq!(granted, 5);
}

#[tokio::test]
async fn buckets_that_are_full_again_are_forgotten() {
    let InProcess { counters, clock } = InProcess::new();
    let limit = Limit::per_minute(60, 10);
    for number in 0..10_000 {
        assert!(counters.take(merchant(number), limit).await.granted);
        clock.advance(Duration::from_millis(10));
    }
    // A hundred miss their token at any time.
    assert!(counters.kept() <= 1_000, "{}", counters.kept());
}

#[tokio::test]
async fn memory_is_bounded_and_who_took_most_is_remembered() {
    let InProcess { counters, clock } = InProcess::new();
    let limit = Limit::per_minute(1, 10);
    for _ in 0..10 {
        assert!(counters.take(merchant(0), limit).await.granted);
    }
    for number in 1..250_000 {
        assert!(counters.take(merchant(number), limit).await.granted);
    }
    assert!(counters.kept() <= 100_000, "{}", counters.kept());
    assert!(!counters.take(merchant(0), limit).await.granted, "ten tokens are missing there, and elsewhere one");
    clock.advance(Duration::from_secs(1));
    counters.give_back(merchant(0), limit, DecidedBy::Shared).await;
    assert!(counters.take(merchant(0), limit).await.granted);
}
