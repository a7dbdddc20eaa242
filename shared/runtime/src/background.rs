//! Work of a function that no request asks for: it starts with the server, and ends when that stops.
//!
//! Must not know: what the work is.

use std::{pin::Pin, sync::Arc};

use tokio::sync::watch;

use crate::TaskSpawner;

/// Tells background work when to stop. Dropped, it tells it too.
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

/// Told when to stop.
#[derive(Debug, Clone)]
pub struct Stopping(watch::Receiver<bool>);

/// Both ends.
pub fn stopping() -> (Stop, Stopping) {
    let (sender, receiver) = watch::channel(false);
    (Stop(sender), Stopping(receiver))
}

impl Stop {
    /// Tells everybody.
    pub fn now(&self) {
        // Nobody may be left to tell.
        _ = self.0.send(true);
    }
}

impl Stopping {
    /// Waits until it is time to stop.
    pub async fn wait(&mut self) {
        // An error: whoever would tell is gone, which says the same.
        _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether it is.
    pub fn is_now(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Background work, as a function's composition leaves it.
#[derive(Clone)]
pub struct Background(Arc<dyn Fn(Stopping) -> Work + Send + Sync>);

impl Background {
    /// Work that ends soon after it is told to.
    pub fn new<F, W>(work: F) -> Self
    where
        F: Fn(Stopping) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(move |stopping| Box::pin(work(stopping))))
    }

    /// Starts it among the tasks that a graceful stop waits for.
    pub fn start(&self, tasks: &TaskSpawner, stopping: Stopping) {
        tasks.start((self.0)(stopping));
    }
}
