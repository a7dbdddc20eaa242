//! The one place that touches the machine's clock, randomness and task runtime; everything else gets them through the
//! gateway's ports.
//!
//! Must not know: what time, randomness or tasks are used for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Notify;
use tollgate_gateway::ports::{Entropy, Spawn, Time, spawn::Task};
use tracing::Instrument;

use crate::Heartbeat;

/// Time, randomness and tasks, as a function's parts need them. Cloning shares them.
#[derive(Clone)]
pub struct System {
    /// The clock.
    pub time: Arc<dyn Time>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Tasks that outlive requests; a graceful stop waits for them.
    pub tasks: TaskSpawner,
    /// How late tasks run. A server starts it.
    pub heartbeat: Heartbeat,
}

impl System {
    /// The machine's own.
    pub fn real() -> Self {
        Self {
            time: Arc::new(SystemClock::start()),
            entropy: Arc::new(OsEntropy),
            tasks: TaskSpawner::default(),
            heartbeat: Heartbeat::default(),
        }
    }
}

/// The machine's clock. Never moves back, even where the machine's does.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
    latest_nanosecond: AtomicI64,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[allow(clippy::disallowed_methods, reason = "this is the Time port's real clock")]
    pub fn start() -> Self {
        Self { start: Instant::now(), latest_nanosecond: AtomicI64::new(i64::MIN) }
    }
}

#[async_trait]
impl Time for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the Time port's real clock")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        // 64 bits of nanoseconds last until the year 2262; past that the clock stands still.
        let nanosecond = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
        let before = self.latest_nanosecond.fetch_max(nanosecond, Ordering::Relaxed);
        Timestamp::from_nanosecond(i128::from(before.max(nanosecond))).unwrap_or(now)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    #[allow(clippy::disallowed_methods, reason = "this is the Time port's real clock")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Waits for `work`, but no longer than `limit` of real time. `None`: it took longer, and has been dropped.
pub async fn within<T>(time: &dyn Time, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        value = work => Some(value),
        () = time.sleep(limit) => None,
    }
}

/// Runs `work`, which blocks, in a thread beside the task runtime. `None`: it panicked, or the runtime is going down.
#[allow(clippy::disallowed_methods, reason = "this is where the runtime's threads are")]
pub(crate) async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[allow(clippy::disallowed_methods, reason = "this is the Entropy port's real source")]
    fn fill(&self, bytes: &mut [u8]) {
        // Ids and secrets made from anything less would be guessable or clash: there is nothing to go on with.
        getrandom::fill(bytes).expect("the operating system gives randomness");
    }
}

/// Starts tasks on the tokio runtime, within the current log span, and counts those that run.
#[derive(Debug, Clone, Default)]
pub struct TaskSpawner {
    running: Arc<Running>,
}

#[derive(Debug, Default)]
struct Running {
    count: AtomicUsize,
    idle: Notify,
}

impl TaskSpawner {
    /// How many tasks run.
    pub fn running(&self) -> usize {
        self.running.count.load(Ordering::Acquire)
    }

    /// Waits until no task runs. Put a bound around it.
    pub async fn idle(&self) {
        loop {
            let idle = self.running.idle.notified();
            tokio::pin!(idle);
            // Listening starts before looking, or the last task could end in between.
            idle.as_mut().enable();
            if self.running() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Starts `work`, as the port does, without asking for a box.
    #[allow(clippy::disallowed_methods, reason = "this is the Spawn port's real runtime")]
    pub fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        let counted = Counted::one_more(&self.running);
        tokio::spawn(
            async move {
                let _counted = counted;
                work.await;
            }
            .in_current_span(),
        );
    }
}

impl Spawn for TaskSpawner {
    fn spawn(&self, task: Task) {
        self.start(task);
    }
}

/// One running task; dropped when it ends, panics or is thrown away.
struct Counted(Arc<Running>);

impl Counted {
    fn one_more(running: &Arc<Running>) -> Self {
        running.count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(running))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
