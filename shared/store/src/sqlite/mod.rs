//! The store on `SQLite`: one file in WAL mode, one connection that writes, a few that read.
//!
//! This file opens the store; `ports.rs` holds what the gateway asks of it. Each table has a file of its own, which alone knows
//! its SQL. Must not know: what a payment may do.

use std::{path::Path, sync::Arc};

use rusqlite::Connection;
use tollgate_domain::BootId;
use tollgate_gateway::ports::{StoreError, Time};
use tracing::Instrument;

mod agenda;
mod audit;
mod calls;
mod change_set;
mod columns;
mod deliveries;
mod delivery_lists;
mod error;
mod events;
mod exceptions;
mod flags;
mod frozen;
mod history;
mod idempotency;
mod jobs;
mod location;
mod measure;
mod merchants;
mod migrations;
mod operations;
mod operator_acts;
mod options;
mod owners;
mod payments;
#[cfg(test)]
mod plans;
mod ports;
mod postings;
mod provider_records;
mod reader;
mod received_events;
#[cfg(test)]
mod recorded;
mod references;
mod refunds;
mod settlement_chunks;
mod settlement_lines;
mod settlement_ports;
mod settlement_shards;
mod settlements;
mod timeline;
mod writer;

pub use error::OpenError;
pub use frozen::FrozenFile;
pub use measure::Counts;
pub use migrations::Schema;
pub use options::Options;

use error::store_error;
use location::Location;
use measure::Counters;
use owners::{Owners, Presence};
use reader::Readers;
use writer::{Outcome, Writer};

/// Payments and all that belongs to them, in one `SQLite` file that several processes may share.
///
/// Dropping it waits until what is queued is written; a future that is dropped leaves its commit to happen or not.
pub struct SqliteStore {
    // In this order they go: readers, then the writer (whose connection folds the log back), then the sign of life.
    readers: Option<Readers>,
    writer: Writer,
    _presence: Presence,
    owners: Owners,
    location: Location,
    options: Options,
    time: Arc<dyn Time>,
    counters: Counters,
}

impl SqliteStore {
    /// Opens the database at `path`, makes it or migrates it where needed. Blocks; to be called at start-up.
    pub fn open(path: impl AsRef<Path>, options: Options, time: Arc<dyn Time>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        Self::open_at(Location::File(path.to_owned()), Owners::beside(path), options, time)
    }

    /// Which schema the database at `path` has. It only reads: nothing is made, and nothing migrated.
    pub fn schema(path: impl AsRef<Path>) -> Result<Schema, OpenError> {
        migrations::schema(&Location::File(path.as_ref().to_owned()).reader()?)
    }

    /// A database in memory, gone with the last store on it. Always inline.
    pub fn in_memory(options: Options, time: Arc<dyn Time>) -> Result<Self, OpenError> {
        Self::open_at(Location::new_memory(), Owners::in_memory(), options.inline(), time)
    }

    /// Another store on the same database, as another process would open it (or the same one after a restart).
    pub fn another(&self, boot: BootId) -> Result<Self, OpenError> {
        let options = Options { boot, ..self.options };
        Self::open_at(self.location.clone(), self.owners.clone(), options, Arc::clone(&self.time))
    }

    fn open_at(location: Location, owners: Owners, options: Options, time: Arc<dyn Time>) -> Result<Self, OpenError> {
        // One at a time: changing a new file to WAL is not safe against another process that does the same.
        let gate = owners.start()?;
        let presence = owners.enter(options.boot)?;
        let mut connection = location.writer(options.durable)?;
        migrations::migrate(&mut connection)?;
        drop(gate);
        let (readers, writer) = if options.inline {
            (None, Writer::inline(connection))
        } else {
            let connections =
                (0..options.readers.max(1)).map(|_| location.reader()).collect::<rusqlite::Result<_>>()?;
            let readers = Readers::start(connections, options.read_queue)?;
            (Some(readers), Writer::start(connection, Arc::clone(&time), options.commit_queue, options.batch)?)
        };
        Ok(Self {
            readers,
            writer,
            _presence: presence,
            owners,
            location,
            options,
            time,
            counters: Counters::default(),
        })
    }

    /// How often this store was used since it was opened: lets a test count what a use-case costs.
    pub fn counts(&self) -> Counts {
        self.counters.now(self.writer.transactions())
    }

    /// Reads, and says of what is unreadable that it is `subject`.
    async fn read<T, R>(
        &self,
        operation: &'static str,
        subject: impl std::fmt::Display + Send,
        read: R,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        R: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.counters.read();
        let started = self.time.monotonic();
        let result = match (&self.readers, &self.writer) {
            (Some(readers), _) => readers.read(read).instrument(measure::span(operation)).await,
            (None, Writer::Inline(inline)) => Ok(measure::span(operation).in_scope(|| inline.read(read))),
            (None, Writer::Thread(_)) => Err(StoreError::Unavailable("the store has no readers".to_owned())),
        };
        measure::operation(operation, self.time.monotonic().saturating_sub(started));
        result?.map_err(|error| store_error(subject, &error))
    }

    async fn write<W>(&self, operation: &'static str, write: W) -> Result<Outcome, StoreError>
    where
        W: Fn(&Connection) -> rusqlite::Result<Outcome> + Send + 'static,
    {
        let started = self.time.monotonic();
        let outcome = self.writer.write(Box::new(write)).instrument(measure::span(operation)).await;
        measure::operation(operation, self.time.monotonic().saturating_sub(started));
        outcome
    }
}
