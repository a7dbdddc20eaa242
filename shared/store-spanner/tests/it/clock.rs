//! Real time, for a store under test, and time that leaps.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tollgate_domain::Timestamp;
use tollgate_gateway::ports::Time;

pub(crate) struct Clock {
    started: Instant,
    /// So much passes besides whenever it is looked at.
    leap: Duration,
    looks: AtomicU32,
}

impl Clock {
    pub(crate) fn real() -> Arc<dyn Time> {
        Self::that_leaps(Duration::ZERO)
    }

    /// Everything takes so much longer.
    #[allow(clippy::disallowed_methods, reason = "the tests' real clock")]
    pub(crate) fn that_leaps(leap: Duration) -> Arc<dyn Time> {
        Arc::new(Self { started: Instant::now(), leap, looks: AtomicU32::new(0) })
    }
}

#[async_trait]
impl Time for Clock {
    #[allow(clippy::disallowed_methods, reason = "the tests' real clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed() + self.leap * self.looks.fetch_add(1, Ordering::Relaxed)
    }

    #[allow(clippy::disallowed_methods, reason = "the tests' real clock")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// What `work` comes to; it must not take longer than half a minute.
#[allow(clippy::disallowed_methods, reason = "a test that hangs must fail")]
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("nothing hangs")
}
