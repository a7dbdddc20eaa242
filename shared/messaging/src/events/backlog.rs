//! The backlog of events on one machine: a file that several processes may share, or memory.
//!
//! Must not know: SQL, or when an event is tried again.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tollgate_gateway::ports::{EventBacklog, event_backlog::KeptEvent, queue::QueueError};

use super::{
    file::{self, New, OpenError, Raw, Totals},
    wire::{self, NoEvent},
    writer::{self, Answer, Ask},
};
use crate::Traceparent;

/// What may wait for the thread. More is refused.
const ASKS: usize = 4096;

/// How much may wait. The defaults are for production.
#[derive(Debug, Clone, Copy)]
pub struct EventLimits {
    /// Events.
    pub events: u64,
    /// Bytes of them, without what SQLite adds.
    pub bytes: u64,
}

impl Default for EventLimits {
    /// A hundred events a second for a quarter of an hour, of the usual size.
    fn default() -> Self {
        Self { events: 100_000, bytes: 128 << 20 }
    }
}

/// Events that wait. Cloning shares them.
#[derive(Clone)]
pub struct EventFile {
    asks: mpsc::Sender<Ask>,
    path: Option<Arc<Path>>,
    traceparent: Traceparent,
}

/// One that waits.
#[derive(Debug)]
pub struct Waiting {
    /// Its place in the order of arrival.
    pub id: i64,
    /// What it says.
    pub event: Result<KeptEvent, NoEvent>,
    /// The trace that it came in.
    pub traceparent: Option<String>,
}

impl EventFile {
    /// Opens the file at `path`, or makes it. Blocks; to be called at start-up.
    pub fn open(path: impl Into<PathBuf>, limits: EventLimits, traceparent: Traceparent) -> Result<Self, OpenError> {
        let path: PathBuf = path.into();
        let connection = file::connect(Some(&path))?;
        Self::start(connection, Some(Arc::from(path)), limits, traceparent)
    }

    /// In memory, gone with its last clone: for a sandbox that keeps nothing.
    pub fn in_memory(limits: EventLimits, traceparent: Traceparent) -> Result<Self, OpenError> {
        Self::start(file::connect(None)?, None, limits, traceparent)
    }

    #[allow(clippy::disallowed_methods, reason = "SQLite blocks: the file's one writer has a thread of its own")]
    fn start(
        connection: Connection,
        path: Option<Arc<Path>>,
        limits: EventLimits,
        traceparent: Traceparent,
    ) -> Result<Self, OpenError> {
        let (asks, asked) = mpsc::channel(ASKS);
        // It ends with the last clone. What was confirmed is on the disk by then.
        std::thread::Builder::new()
            .name("provider-events".to_owned())
            .spawn(move || writer::run(connection, asked, limits))?;
        Ok(Self { asks, path, traceparent })
    }

    /// The oldest behind the place `id`, at most so many.
    pub async fn after(&self, id: i64, limit: u32) -> Result<Vec<Waiting>, QueueError> {
        let rows = self.ask(|answer| Ask::After(id, limit, answer)).await?;
        let read = |Raw { id, data, traceparent }| Waiting { id, event: wire::read(&data), traceparent };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Removes what was applied.
    pub async fn delete(&self, ids: Vec<i64>) -> Result<(), QueueError> {
        if ids.is_empty() { Ok(()) } else { self.ask(|answer| Ask::Delete(ids, answer)).await }
    }

    /// How many wait.
    pub async fn waiting(&self) -> Result<u64, QueueError> {
        let Totals { events, .. } = self.ask(Ask::Totals).await?;
        writer::waiting(events);
        Ok(events)
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    async fn ask<T>(&self, ask: impl FnOnce(Answer<T>) -> Ask) -> Result<T, QueueError> {
        let (answer, answered) = oneshot::channel();
        let full = |_| QueueError("too much waits for the file of providers' events".to_owned());
        self.asks.try_send(ask(answer)).map_err(full)?;
        answered.await.unwrap_or_else(|_| Err(QueueError("the writer of providers' events has stopped".to_owned())))
    }
}

#[async_trait]
impl EventBacklog for EventFile {
    async fn keep(&self, event: &KeptEvent) -> Result<(), QueueError> {
        let new = New {
            provider: event.provider.as_str(),
            event_id: event.event.event_id.clone(),
            data: wire::write(event).map_err(|error| QueueError(error.to_string()))?,
            traceparent: (self.traceparent)(),
        };
        self.ask(|answer| Ask::Keep(new, answer)).await
    }
}
