//! The queue in process (`embedded:`): a file of its own, which several processes of one machine may share, one of them
//! publishing and another consuming.
//!
//! A message survives the death of any process from the moment when its publication is confirmed. Each is handed out at
//! least once, in turns between merchants, until it is acknowledged; whoever holds one has a lease, so that no two hold
//! it at a time. This file opens the queue; must not know: SQL, or how a handler is run.

use std::{
    fs::File,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use async_trait::async_trait;
use rusqlite::{Connection, TransactionBehavior};
use tollgate_domain::Timestamp;
use tollgate_gateway::ports::{
    Queue, Spawn, Time,
    queue::{Message, QueueError},
};

mod consumer;
mod fair;
mod file;
mod holders;
mod inbox;
mod measure;
mod options;
mod room;
mod schedule;
mod table;
mod turns;
mod writer;

pub use consumer::Consumer;
pub use file::OpenError;
pub use options::Options;

use crate::{Handler, Limits, Traceparent};
use holders::{Holder, Holders};
use inbox::{Inbox, closed};
use measure::Tally;
use table::{Messages, Totals};
use writer::Writer;

/// Messages in a file of their own. Cloning shares it.
///
/// The last clone that is dropped waits until what was brought is written.
#[derive(Clone)]
pub struct EmbeddedQueue {
    opened: Arc<Opened>,
    traceparent: Traceparent,
}

struct Opened {
    inbox: Arc<Inbox>,
    time: Arc<dyn Time>,
    thread: Mutex<Option<JoinHandle<()>>>,
    // After the thread: what it holds is its own until it has ended.
    _presence: Option<File>,
}

/// How the queue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Nothing that is due waits, and nothing is in flight, in any process.
    pub quiet: bool,
    /// When the next message that waits for a further delivery is due; can be past.
    pub next_due: Option<Timestamp>,
    /// Messages in `payment-events`, those in flight too.
    pub payment_events: u64,
    /// Messages in `dead-letter`, those in flight too.
    pub dead_letter: u64,
}

impl EmbeddedQueue {
    /// Opens the file at `path`, or makes it. Blocks; to be called at start-up. What was in flight in processes that
    /// are gone is ready again.
    pub fn open(path: impl AsRef<Path>, options: Options, time: Arc<dyn Time>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        // One at a time: changing a new file to WAL is not safe against another process that does the same.
        let holders = Holders::beside(path)?;
        let mut connection = file::connect(Some(path))?;
        let holder = table::next_holder(&connection)?;
        let presence = holders.enter(holder)?;
        let gone = holders.gone()?;
        inherit(&mut connection, holder, &gone, time.as_ref())?;
        gone.into_iter().try_for_each(|holder| holders.forget(holder))?;
        Self::start(connection, options, time, holder, Some(presence))
    }

    /// A queue in memory, gone with its last clone.
    pub fn in_memory(options: Options, time: Arc<dyn Time>) -> Result<Self, OpenError> {
        let connection = file::connect(None)?;
        Self::start(connection, options, time, 0, None)
    }

    #[allow(clippy::disallowed_methods, reason = "SQLite blocks: the queue's one writer has a thread of its own")]
    fn start(
        connection: Connection,
        options: Options,
        time: Arc<dyn Time>,
        holder: Holder,
        presence: Option<File>,
    ) -> Result<Self, OpenError> {
        let inbox = Inbox::new(options.publish_queue);
        let writer = Writer::new(connection, Arc::clone(&inbox), Arc::clone(&time), holder, options);
        let thread = std::thread::Builder::new().name("queue-writer".to_owned()).spawn(move || writer.run())?;
        let opened = Opened { inbox, time, thread: Mutex::new(Some(thread)), _presence: presence };
        Ok(Self { opened: Arc::new(opened), traceparent: Arc::new(|| None) })
    }

    /// Keeps with each message the trace that its publisher was in, as `traceparent` says it.
    #[must_use]
    pub fn keeping_traces(self, traceparent: Traceparent) -> Self {
        Self { traceparent, ..self }
    }

    /// Hands messages to `handler`, at least once each, until the consumer is stopped. A queue has one consumer at a
    /// time; other processes may have theirs on the same file.
    pub fn consume(
        &self,
        handler: Arc<dyn Handler>,
        limits: Limits,
        spawn: &Arc<dyn Spawn>,
    ) -> Result<Consumer, QueueError> {
        let (inbox, time) = (Arc::clone(&self.opened.inbox), Arc::clone(&self.opened.time));
        Consumer::start(self.clone(), inbox, handler, limits, time, spawn)
    }

    /// How the queue stands, once all is written that was brought before.
    pub async fn standing(&self) -> Result<Standing, QueueError> {
        self.inbox().ask()?.await.unwrap_or_else(|_| Err(closed()))
    }

    /// When the next message that waits for a further delivery is due; can be past.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, QueueError> {
        self.standing().await.map(|standing| standing.next_due)
    }

    /// Whether nothing that is due waits, and nothing is in flight.
    pub async fn is_quiet(&self) -> Result<bool, QueueError> {
        self.standing().await.map(|standing| standing.quiet)
    }

    /// The business clock was moved: looks at once for what has become due, and not at the next poll.
    pub fn clock_moved(&self) {
        self.inbox().look();
    }

    fn inbox(&self) -> &Inbox {
        &self.opened.inbox
    }
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn publish(&self, messages: &[Message]) -> Result<usize, QueueError> {
        if messages.is_empty() {
            return Ok(0);
        }
        // Unanswered only by a writer that died.
        self.inbox().publish(messages, (self.traceparent)().map(Arc::from))?.await.unwrap_or_else(|_| Err(closed()))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.inbox.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It has said itself whether it panicked.
        let _ = thread.map(JoinHandle::join);
    }
}

/// Makes ready what `gone` held.
fn inherit(connection: &mut Connection, holder: Holder, gone: &[Holder], time: &dyn Time) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (mut totals, mut tally) = (Totals::load(&transaction)?, Tally::default());
    let now = time.now().as_microsecond();
    let mut messages = Messages { connection: &transaction, totals: &mut totals, tally: &mut tally, holder, now };
    gone.iter().try_for_each(|holder| messages.inherit(*holder))?;
    totals.save(&transaction)?;
    transaction.commit()?;
    tally.report();
    Ok(())
}
