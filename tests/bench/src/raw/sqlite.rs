//! Group commits on bare SQLite: one thread writes what has gathered in one transaction, as the store does, but plain
//! values, without a guard, without a thought.

use std::{
    cell::RefCell,
    ops::ControlFlow,
    path::Path,
    rc::Rc,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use anyhow::{Context, Result, anyhow};
use rusqlite::{Connection, TransactionBehavior, params_from_iter, types::Value};
use tokio::sync::oneshot;

use super::rows::Payment;
use crate::load::Client;

/// The pragmas of the store's writing connection, and how much it takes into one transaction.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4096; PRAGMA synchronous = FULL;
     PRAGMA foreign_keys = ON; PRAGMA secure_delete = FAST;";
const BATCH: usize = 256;

/// One write: a statement and what it binds.
pub(crate) type Write = (Arc<str>, Vec<Value>);

struct Job {
    writes: Vec<Write>,
    done: oneshot::Sender<Result<(), String>>,
}

/// A database that only takes writes.
pub(crate) struct RawStore {
    /// `None` only while it is dropped.
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl RawStore {
    /// An empty database at `path`, with the tables and indexes of the gateway's own at `source`.
    #[allow(clippy::disallowed_methods, reason = "a thread that writes, as the store has one")]
    pub(crate) fn create(path: &Path, source: &Path) -> Result<Self> {
        let schema: Vec<String> = Connection::open(source)?
            .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let connection = Connection::open(path)?;
        connection.execute_batch(PRAGMAS)?;
        connection.execute_batch(&schema.join(";\n"))?;
        connection.set_prepared_statement_cache_capacity(64);
        let (sender, receiver) = sync_channel(4096);
        let thread = std::thread::spawn(move || write(connection, &receiver));
        Ok(Self { queue: Some(sender), thread: Some(thread) })
    }

    /// Returns when `writes` are on disk.
    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<()> {
        let (done, committed) = oneshot::channel();
        let queue = self.queue.as_ref().context("the raw store is being dropped")?;
        queue.send(Job { writes, done }).ok().context("the raw store has stopped")?;
        committed.await.context("the raw store has stopped")?.map_err(|error| anyhow!("a raw commit failed: {error}"))
    }
}

impl Drop for RawStore {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // What failed in it was reported to its waiters.
            _ = thread.join();
        }
    }
}

fn write(mut connection: Connection, queue: &Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let mut jobs = vec![first];
        jobs.extend(queue.try_iter().take(BATCH - 1));
        let result = transaction(&mut connection, &jobs).map_err(|error| error.to_string());
        for job in jobs {
            // Who does not wait any more does not need it.
            _ = job.done.send(result.clone());
        }
    }
}

fn transaction(connection: &mut Connection, jobs: &[Job]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (sql, values) in jobs.iter().flat_map(|job| &job.writes) {
        transaction.prepare_cached(sql)?.execute(params_from_iter(values))?;
    }
    transaction.commit()
}

/// Somebody who commits payments, two commits each, and waits for both.
pub(crate) struct Committer {
    /// Where to.
    pub(crate) store: Rc<RawStore>,
    /// What is left, shared with the others.
    pub(crate) payments: Rc<RefCell<Vec<Payment>>>,
}

impl Client for Committer {
    async fn call(&mut self) -> Result<ControlFlow<()>> {
        let Some(payment) = self.payments.borrow_mut().pop() else { return Ok(ControlFlow::Break(())) };
        self.store.commit(payment.intent).await?;
        self.store.commit(payment.outcome).await?;
        Ok(ControlFlow::Continue(()))
    }
}
