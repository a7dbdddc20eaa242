//! Whether the task runtime still runs tasks, and how late: a task that does nothing but note when it ran.
//!
//! Must not know: what other tasks do, what follows from its being late.

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tollgate_gateway::ports::Time;

use crate::TaskSpawner;

/// How often it beats.
const EVERY: Duration = Duration::from_millis(100);

/// A task that runs ten times a second, and is late where workers are blocked or have too much to do. Cloning shares it.
#[derive(Clone, Default)]
pub struct Heartbeat(Arc<Beats>);

#[derive(Default)]
struct Beats {
    /// The clock; there is none before it is started.
    time: OnceLock<Arc<dyn Time>>,
    /// When it should run next, in microseconds of that clock.
    expected: AtomicU64,
    /// How late it was at its last beat, in microseconds.
    late: AtomicU64,
}

impl std::fmt::Debug for Heartbeat {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Heartbeat").field("delay", &self.delay()).finish_non_exhaustive()
    }
}

impl Heartbeat {
    /// Starts it on the task runtime that this is called on. It ends when nobody has it any more. A second call does nothing.
    pub fn start(&self, time: &Arc<dyn Time>) {
        if self.0.time.set(Arc::clone(time)).is_err() {
            return;
        }
        self.0.expect_next(time.monotonic());
        // Not one of the tasks that a graceful stop waits for.
        TaskSpawner::default().start(beat(Arc::clone(time), Arc::downgrade(&self.0)));
    }

    /// How late tasks run: at the last beat, or since the one that should have been by now. Zero before it is started.
    pub fn delay(&self) -> Duration {
        let Some(time) = self.0.time.get() else { return Duration::ZERO };
        let expected = self.0.expected.load(Ordering::Acquire);
        let overdue = micros(time.monotonic()).saturating_sub(expected);
        Duration::from_micros(overdue.max(self.0.late.load(Ordering::Acquire)))
    }
}

impl Beats {
    fn expect_next(&self, now: Duration) {
        self.expected.store(micros(now.saturating_add(EVERY)), Ordering::Release);
    }
}

async fn beat(time: Arc<dyn Time>, beats: Weak<Beats>) {
    loop {
        time.sleep(EVERY).await;
        let Some(beats) = beats.upgrade() else { return };
        let now = time.monotonic();
        let late = micros(now).saturating_sub(beats.expected.load(Ordering::Acquire));
        beats.late.store(late, Ordering::Release);
        beats.expect_next(now);
        metrics::histogram!("tokio_delay_seconds").record(Duration::from_micros(late).as_secs_f64());
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
