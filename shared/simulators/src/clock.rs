//! The sandbox's clock: real, or standing still until it is told to move. Waiting stays real in both.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;
use tollgate_gateway::ports::Time;

/// A clock that follows real time, or stands where it was set. It never moves back.
#[derive(Debug)]
pub struct SandboxTime {
    started: Instant,
    hands: Mutex<Hands>,
}

#[derive(Debug)]
struct Hands {
    /// Where the simulated clock stands; none: real time.
    standing_at: Option<Timestamp>,
    /// The latest time that anyone was told.
    latest: Timestamp,
}

impl SandboxTime {
    /// A clock that follows real time.
    pub fn real() -> Self {
        Self::new(None)
    }

    /// A clock that stands at `now` until it is set.
    pub fn simulated(now: Timestamp) -> Self {
        Self::new(Some(now))
    }

    #[allow(clippy::disallowed_methods, reason = "this is the sandbox's clock: the monotonic time starts here")]
    fn new(standing_at: Option<Timestamp>) -> Self {
        let latest = standing_at.unwrap_or(Timestamp::UNIX_EPOCH);
        Self { started: Instant::now(), hands: Mutex::new(Hands { standing_at, latest }) }
    }

    /// Makes the clock stand at `to`, or follow real time when `None`, and answers the time it now shows: never earlier
    /// than what it showed before.
    pub fn set(&self, to: Option<Timestamp>) -> Timestamp {
        let mut hands = self.hands();
        hands.standing_at = to.map(|to| to.max(hands.latest));
        hands.read()
    }

    /// Does the clock stand until it is set?
    pub fn is_simulated(&self) -> bool {
        self.hands().standing_at.is_some()
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hands {
    #[allow(clippy::disallowed_methods, reason = "this is the sandbox's clock: real time enters here")]
    fn read(&mut self) -> Timestamp {
        self.latest = self.latest.max(self.standing_at.unwrap_or_else(Timestamp::now));
        self.latest
    }
}

#[async_trait]
impl Time for SandboxTime {
    fn now(&self) -> Timestamp {
        self.hands().read()
    }

    #[allow(clippy::disallowed_methods, reason = "this is the sandbox's clock: durations are measured here")]
    fn monotonic(&self) -> Duration {
        Instant::now().duration_since(self.started)
    }

    #[allow(clippy::disallowed_methods, reason = "this is the sandbox's clock: real waiting happens here")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
