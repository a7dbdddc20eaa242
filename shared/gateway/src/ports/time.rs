//! Time, in two kinds that the sandbox keeps apart: the business clock (leases, schedules, ages), which a sandbox may
//! move by hand, and real waiting (network timeouts), which stays real.

use std::time::Duration;

use async_trait::async_trait;
use tollgate_domain::Timestamp;

/// The clock and the way to wait.
#[async_trait]
pub trait Time: Send + Sync + 'static {
    /// The business time, UTC. Never moves back within a process.
    fn now(&self) -> Timestamp;

    /// Time that passed for real since an arbitrary start: for measuring durations and network deadlines.
    fn monotonic(&self) -> Duration;

    /// Waits for `duration` of real time.
    async fn sleep(&self, duration: Duration);
}
