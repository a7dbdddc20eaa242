//! Starting work that outlives the request that asked for it.

use std::{future::Future, pin::Pin};

/// A task that runs to its end even if nobody waits for it.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Starts tasks.
pub trait Spawn: Send + Sync + 'static {
    /// Starts `task` within the current log span; it is not awaited. A graceful stop waits for it within its bound.
    fn spawn(&self, task: Task);
}
