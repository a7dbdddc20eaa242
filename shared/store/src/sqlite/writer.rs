//! The one connection that writes. What gathers while a commit is on its way to the disk goes into the next
//! transaction together (group commit).
//!
//! Must not know: tables, or what a change set is.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use rusqlite::{Connection, Error, TransactionBehavior};
use tokio::sync::oneshot;
use tollgate_gateway::{
    ports::{StoreError, Time},
    records::{Committed, Guard},
};

use super::{error::store_error, measure};

/// One thing to be written: it may run more than once, each time in a transaction of which nothing is left.
pub(super) type Work<'a> = Box<dyn Fn(&Connection) -> Result<Outcome, Error> + Send + 'a>;

/// What a work came to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    /// It wrote; for works that count, how many rows.
    Done { rows: u32 },
    /// It wrote nothing, because a guard is taken.
    Conflict(Guard),
}

impl Outcome {
    /// As a change set's.
    pub(super) const fn committed(self) -> Committed {
        match self {
            Self::Done { .. } => Committed::Done,
            Self::Conflict(guard) => Committed::Conflict(guard),
        }
    }

    /// As a deletion's.
    pub(super) const fn rows(self) -> u32 {
        match self {
            Self::Done { rows } => rows,
            Self::Conflict(_) => 0,
        }
    }
}

type Answer = Result<Outcome, StoreError>;

/// A work, and who waits for it.
struct Job {
    work: Work<'static>,
    answer: oneshot::Sender<Answer>,
}

/// The writing side of a store.
pub(super) enum Writer {
    /// A thread of its own, fed by a bounded queue.
    Thread(WriterThread),
    /// The caller's thread, one at a time.
    Inline(Inline),
}

pub(super) struct WriterThread {
    /// `None` only while it is dropped.
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    transactions: Arc<AtomicU64>,
}

pub(super) struct Inline {
    connection: Mutex<Connection>,
    transactions: AtomicU64,
}

impl Writer {
    /// Starts the thread. It takes up to `batch` works into one transaction, and queues up to `queue`.
    pub(super) fn start(
        connection: Connection,
        time: Arc<dyn Time>,
        queue: usize,
        batch: usize,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let transactions = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&transactions);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(connection, &receiver, time.as_ref(), batch, &counter))?;
        Ok(Self::Thread(WriterThread { queue: Some(sender), thread: Some(thread), transactions }))
    }

    /// Writes on the caller's thread.
    pub(super) fn inline(connection: Connection) -> Self {
        Self::Inline(Inline { connection: Mutex::new(connection), transactions: AtomicU64::new(0) })
    }

    /// Does `work` in a transaction; returns when that is on disk.
    pub(super) async fn write(&self, work: Work<'static>) -> Answer {
        match self {
            Self::Inline(inline) => inline.write(&work),
            Self::Thread(thread) => {
                let (answer, answered) = oneshot::channel();
                thread.send(Job { work, answer })?;
                // The sender is dropped unanswered only by a writer that died.
                answered.await.unwrap_or_else(|_| Err(stopped()))
            }
        }
    }

    /// How many transactions were committed.
    pub(super) fn transactions(&self) -> u64 {
        match self {
            Self::Thread(thread) => thread.transactions.load(Ordering::Relaxed),
            Self::Inline(inline) => inline.transactions.load(Ordering::Relaxed),
        }
    }
}

impl Inline {
    /// Does `work` here and now.
    pub(super) fn write(&self, work: &Work<'_>) -> Answer {
        let mut connection = self.connection.lock().map_err(|_| stopped())?;
        let answer = transaction(&mut connection, &[work]).map_err(Failure::into_error)?;
        self.transactions.fetch_add(1, Ordering::Relaxed);
        answer.first().copied().ok_or_else(stopped)
    }

    /// Reads on the same connection.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> T) -> T {
        read(&self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl WriterThread {
    fn send(&self, job: Job) -> Result<(), StoreError> {
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("too many commits are waiting".to_owned()),
            TrySendError::Disconnected(_) => stopped(),
        })
    }
}

/// Waits until what is queued is written.
impl Drop for WriterThread {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer had panicked");
        }
    }
}

/// The thread: takes what has gathered, commits it, answers everyone.
fn run(mut connection: Connection, queue: &Receiver<Job>, time: &dyn Time, batch: usize, transactions: &AtomicU64) {
    while let Ok(first) = queue.recv() {
        let mut jobs = vec![first];
        jobs.extend(queue.try_iter().take(batch.saturating_sub(1)));
        let started = time.monotonic();
        let works: Vec<&Work<'_>> = jobs.iter().map(|job| &job.work).collect();
        let answers = commit(&mut connection, &works);
        transactions.fetch_add(1, Ordering::Relaxed);
        measure::transaction(time.monotonic().saturating_sub(started), jobs.len());
        for (job, answer) in jobs.into_iter().zip(answers) {
            // Who does not wait any more finds out by sending the same set again.
            let _ = job.answer.send(answer);
        }
    }
}

/// Commits `works` together. If one of them fails, none of it stays and each is tried alone, so that a bad one hurts
/// no other.
fn commit(connection: &mut Connection, works: &[&Work<'_>]) -> Vec<Answer> {
    match transaction(connection, works) {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(Failure::Work(error)) if works.len() > 1 => {
            tracing::warn!(%error, works = works.len(), "a batch failed; each of it is tried alone");
            works.iter().flat_map(|work| commit(connection, &[work])).collect()
        }
        Err(failure) => {
            let error = failure.into_error();
            works.iter().map(|_| Err(error.clone())).collect()
        }
    }
}

/// Where a transaction failed.
enum Failure {
    /// Before it began, or in its commit: nobody is to blame, and nobody knows.
    Transaction(Error),
    /// In one of the works.
    Work(Error),
}

impl Failure {
    fn into_error(self) -> StoreError {
        match self {
            Self::Transaction(error) => StoreError::Unavailable(format!("transaction: {error}")),
            Self::Work(error) => store_error("write", &error),
        }
    }
}

fn transaction(connection: &mut Connection, works: &[&Work<'_>]) -> Result<Vec<Outcome>, Failure> {
    // Whatever leaves this function early, a panic included, rolls back.
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Failure::Transaction)?;
    let outcomes = works.iter().map(|work| work(&transaction)).collect::<Result<_, _>>().map_err(Failure::Work)?;
    transaction.commit().map_err(Failure::Transaction)?;
    Ok(outcomes)
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the store's writer has stopped".to_owned())
}
