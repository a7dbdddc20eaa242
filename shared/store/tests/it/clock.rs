//! Time for tests: real, and a broken one that makes whoever asks it panic.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tollgate_domain::Timestamp;
use tollgate_gateway::ports::Time;

pub(crate) struct Clock {
    start: Instant,
    /// The thread on which asking for the time panics.
    broken_on: Option<&'static str>,
}

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "the tests' real clock")]
    pub(crate) fn real() -> Arc<dyn Time> {
        Arc::new(Self { start: Instant::now(), broken_on: None })
    }

    #[allow(clippy::disallowed_methods, reason = "the tests' real clock")]
    pub(crate) fn broken_on(thread: &'static str) -> Arc<dyn Time> {
        Arc::new(Self { start: Instant::now(), broken_on: Some(thread) })
    }
}

/// What `work` comes to; it must not take longer than ten seconds.
#[allow(clippy::disallowed_methods, reason = "a test that hangs must fail")]
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), work).await.expect("nothing hangs")
}

#[async_trait]
impl Time for Clock {
    #[allow(clippy::disallowed_methods, reason = "the tests' real clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        assert_ne!(std::thread::current().name(), self.broken_on.or(Some("nobody")), "planted");
        self.start.elapsed()
    }

    #[allow(clippy::disallowed_methods, reason = "the tests' real clock")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
