//! The two ways to put load on something. Knows nothing of what is called.
//!
//! A closed loop asks how much is possible: every client sends as soon as it has its answer. An open loop asks how long
//! it takes at a given rate: calls start by the clock, whether those before them are done or not, and are measured from
//! when they should have started, so that a stall counts for everybody whom it would have kept waiting.

use std::{ops::ControlFlow, sync::Arc, thread, time::Duration};

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};
use hdrhistogram::Histogram;
use tokio::sync::{Mutex, mpsc};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

/// Somebody who calls, one call after the other.
pub(crate) trait Client {
    /// One call, answered as it should be. `Break`: there is nothing more to call for.
    async fn call(&mut self) -> Result<ControlFlow<()>>;
}

/// More than any load has under way at once.
const UNDER_WAY: usize = 100_000;

/// What a load came to.
pub(crate) struct Measured {
    /// Calls that were answered.
    pub(crate) calls: u64,
    /// From the first call's start to the last one's end.
    pub(crate) took: Duration,
    /// In microseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Measured {
    /// Calls per second.
    pub(crate) fn rate(&self) -> f64 {
        count(self.calls) / self.took.as_secs_f64()
    }

    /// Milliseconds that so many percent of the calls took at most.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        count(self.latency.value_at_percentile(percent)) / 1e3
    }
}

/// As a number to calculate with.
#[allow(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn count(calls: u64) -> f64 {
    calls as f64
}

/// Every client calls as fast as it is answered, for so long.
pub(crate) async fn closed_loop<C: Client>(clients: &mut [C], time: Duration) -> Result<Measured> {
    let clock = SystemClock::start();
    let work = clients.iter_mut().map(async |client| {
        let mut latency = histogram();
        loop {
            let started = clock.monotonic();
            if started >= time || client.call().await?.is_break() {
                return anyhow::Ok(latency);
            }
            latency.saturating_record(micros(clock.monotonic().saturating_sub(started)));
        }
    });
    let latencies = try_join_all(work).await?;
    Ok(measured(latencies, clock.monotonic()))
}

/// So many calls start every second, for so long, on whichever client is free.
pub(crate) async fn open_loop<C: Client>(clients: &mut [C], per_second: f64, time: Duration) -> Result<Measured> {
    let clock = Arc::new(SystemClock::start());
    let starts = Mutex::new(starts(Arc::clone(&clock), per_second, time));
    let work = clients.iter_mut().map(async |client| {
        let mut latency = histogram();
        loop {
            let next = starts.lock().await.recv().await;
            let Some(start) = next else { return anyhow::Ok(latency) };
            if client.call().await?.is_break() {
                return Ok(latency);
            }
            latency.saturating_record(micros(clock.monotonic().saturating_sub(start)));
        }
    });
    let latencies = try_join_all(work).await?;
    Ok(measured(latencies, clock.monotonic()))
}

/// What `work` comes to, of which so many start every second, for so long, whether those before are done or not. For what takes
/// long and is not timed to the millisecond.
pub(crate) async fn steadily<T>(
    per_second: f64,
    time: Duration,
    work: impl AsyncFn(u32) -> Result<T>,
) -> Result<Vec<T>> {
    let clock = SystemClock::start();
    let starts = stream::unfold(0_u32, async |number| {
        let start = Duration::from_secs_f64(f64::from(number) / per_second);
        if start >= time {
            return None;
        }
        clock.sleep(start.saturating_sub(clock.monotonic())).await;
        Some((number, number + 1))
    });
    starts.map(|number| work(number)).buffer_unordered(UNDER_WAY).try_collect().await
}

/// When calls are to start, each given out at that time. A thread of its own: the runtime's timers know milliseconds
/// only, and would be late where the clients are.
#[allow(clippy::disallowed_methods, reason = "keeps real time, to the tenth of a millisecond")]
fn starts(clock: Arc<SystemClock>, per_second: f64, time: Duration) -> mpsc::UnboundedReceiver<Duration> {
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for number in 0_u32.. {
            let start = Duration::from_secs_f64(f64::from(number) / per_second);
            if start >= time {
                return;
            }
            thread::sleep(start.saturating_sub(clock.monotonic()));
            if sender.send(start).is_err() {
                return;
            }
        }
    });
    receiver
}

/// What loads that ran side by side came to.
#[cfg(feature = "google-cloud")]
pub(crate) fn together(loads: Vec<Measured>) -> Measured {
    let took = loads.iter().map(|load| load.took).max().unwrap_or_default();
    measured(loads.into_iter().map(|load| load.latency).collect(), took)
}

fn measured(latencies: Vec<Histogram<u64>>, took: Duration) -> Measured {
    let mut latency = histogram();
    for of_client in latencies {
        // Both are of the same make.
        latency += of_client;
    }
    Measured { calls: latency.len(), took, latency }
}

/// Three digits, up to a minute.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000, 3).expect("these bounds are good")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
