//! Real time, for a store under test.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tollgate_domain::Timestamp;
use tollgate_gateway::ports::Time;

pub(crate) struct Clock(Instant);

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "the tests' real clock")]
    pub(crate) fn real() -> Arc<dyn Time> {
        Arc::new(Self(Instant::now()))
    }
}

#[async_trait]
impl Time for Clock {
    #[allow(clippy::disallowed_methods, reason = "the tests' real clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
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
