//! Jobs by the clock, for a gateway that has no Cloud Scheduler to call it: the sandbox, and functions on embedded parts.
//!
//! Must not know: what a job does.

use std::{pin::Pin, sync::Arc, time::Duration};

use jiff::Timestamp;
use tollgate_gateway::ports::Time;

use crate::background::{Background, Stopping};

/// How often the clock is looked at; a job starts so much late at most.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// When a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cadence {
    /// At every multiple of so many seconds since 1970.
    EverySeconds(u32),
}

impl Cadence {
    /// The first time after `now`.
    pub fn next_after(self, now: Timestamp) -> Timestamp {
        let Self::EverySeconds(seconds) = self;
        let period = i64::from(seconds.max(1));
        let passed = now.as_second().div_euclid(period);
        Timestamp::from_second((passed + 1) * period).unwrap_or(Timestamp::MAX)
    }
}

type Run = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A job with its times.
#[derive(Clone)]
pub struct ScheduledJob {
    /// Its name, for the log.
    pub name: &'static str,
    /// When.
    pub cadence: Cadence,
    run: Run,
}

impl ScheduledJob {
    /// A job that reports for itself.
    pub fn new<F, W>(name: &'static str, cadence: Cadence, run: F) -> Self
    where
        F: Fn() -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        Self { name, cadence, run: Arc::new(move || Box::pin(run())) }
    }

    /// Runs it at its times until told to stop. It never runs twice at once; a time that passes while it runs is left
    /// out.
    pub fn in_background(&self, time: Arc<dyn Time>) -> Background {
        let job = self.clone();
        Background::new(move |stopping| keep(job.clone(), Arc::clone(&time), stopping))
    }
}

async fn keep(job: ScheduledJob, time: Arc<dyn Time>, mut stopping: Stopping) {
    let mut next = job.cadence.next_after(time.now());
    loop {
        tokio::select! {
            () = stopping.wait() => return,
            () = time.sleep(LOOK_EVERY) => {}
        }
        if time.now() >= next {
            tracing::debug!(job = job.name, "a job begins");
            (job.run)().await;
            next = job.cadence.next_after(time.now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_job_runs_at_the_whole_multiples_of_its_period() {
        let every_ten_minutes = Cadence::EverySeconds(600);
        for (now, next) in [
            ("2026-11-25T12:00:00Z", "2026-11-25T12:10:00Z"),
            ("2026-11-25T12:09:59.9Z", "2026-11-25T12:10:00Z"),
            ("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(every_ten_minutes.next_after(at(now)), at(next), "{now}");
        }
    }
}
