//! The connections that read: a few, each with its thread, fed by one bounded queue. Every read starts a new snapshot,
//! so it sees every commit that was confirmed before.
//!
//! Must not know: tables.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use rusqlite::Connection;
use tokio::sync::oneshot;
use tollgate_gateway::ports::StoreError;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The reading side of a store that has threads.
pub(super) struct Readers {
    /// `None` only while it is dropped.
    queue: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts a thread for each connection. They queue up to `queue` reads.
    pub(super) fn start(connections: Vec<Connection>, queue: usize) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        let threads = connections
            .into_iter()
            .map(|connection| {
                let receiver = Arc::clone(&receiver);
                let builder = std::thread::Builder::new().name("store-reader".to_owned());
                builder.spawn(move || run(&connection, &receiver))
            })
            .collect::<std::io::Result<_>>()?;
        Ok(Self { queue: Some(sender), threads })
    }

    /// Does `read` on one of the threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Who does not wait any more does not need it.
            if !answer.is_closed() {
                let _ = answer.send(read(connection));
            }
        });
        let queue = self.queue.as_ref().ok_or_else(|| unavailable("the store's readers have stopped"))?;
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => unavailable("too many reads are waiting"),
            TrySendError::Disconnected(_) => unavailable("the store's readers have stopped"),
        })?;
        answered.await.map_err(|_| unavailable("the read failed"))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // It catches what panics in it.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A read that panics fails alone: its waiter sees the answer's sender dropped, and nothing was changed.
        if catch_unwind(AssertUnwindSafe(|| job(connection))).is_err() {
            tracing::error!("a read panicked");
        }
    }
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}
