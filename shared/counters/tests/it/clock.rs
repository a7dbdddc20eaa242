//! A clock that tests move, or the machine's own moved ahead. Waiting stays real.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tollgate_domain::Timestamp;
use tollgate_gateway::ports::Time;

pub(crate) struct Clock {
    start: Instant,
    /// None: real time.
    stands_at: Option<Timestamp>,
    moved: AtomicI64,
}

impl Clock {
    /// Stands until it is moved.
    pub(crate) fn standing() -> Arc<Self> {
        Self::new(Some("2026-03-01T09:00:00Z".parse().unwrap()))
    }

    /// Goes.
    pub(crate) fn real() -> Arc<Self> {
        Self::new(None)
    }

    #[allow(clippy::disallowed_methods, reason = "the tests' clock")]
    fn new(stands_at: Option<Timestamp>) -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), stands_at, moved: AtomicI64::new(0) })
    }

    /// Which no clock of ours does.
    pub(crate) fn move_back(&self, by: Duration) {
        self.moved.fetch_sub(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.moved.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Time for Clock {
    #[allow(clippy::disallowed_methods, reason = "the tests' clock")]
    fn now(&self) -> Timestamp {
        let now = self.stands_at.unwrap_or_else(Timestamp::now).as_microsecond();
        Timestamp::from_microsecond(now + self.moved.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    #[allow(clippy::disallowed_methods, reason = "the tests' real waiting")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
