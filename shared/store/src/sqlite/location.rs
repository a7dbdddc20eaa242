//! Where the database is, and the connections to it.

use std::{
    fs::File,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Result, config::DbConfig, hooks::Wal, wal::CheckpointMode};

use super::{OpenError, migrations};

/// How long a connection waits while another process writes. Shorter than the gateway's five seconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);
/// More than there are statements: each is prepared once per connection.
const CACHED_STATEMENTS: usize = 64;
/// The log is folded back into the file every so many pages (16 MiB): rarely enough not to be felt.
const CHECKPOINT_PAGES: i32 = 4096;
/// A log that has grown to so many pages never was folded back whole: with several processes at it, somebody always
/// writes on meanwhile. Then the others wait until it is, for a log that only grows makes every read slower.
const OUTGROWN_PAGES: i32 = 4 * CHECKPOINT_PAGES;

/// A file, or memory of this process.
#[derive(Debug, Clone)]
pub(super) enum Location {
    File(PathBuf),
    /// The name under which every connection of this process finds the same memory, for as long as one is open.
    Memory(String),
}

impl Location {
    /// Memory that nobody else has.
    pub(super) fn new_memory() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self::Memory(format!("file:/tollgate-{}?vfs=memdb", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    fn name(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Memory(uri) => Path::new(uri),
        }
    }

    /// A connection that writes. `durable`: a commit is on disk when it returns. What another program keeps is left as it is.
    pub(super) fn writer(&self, durable: bool) -> Result<Connection, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | self.uri();
        self.make_private();
        let mut connection = Connection::open_with_flags(self.name(), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        prepare(&connection)?;
        if matches!(self, Self::File(_)) {
            // Before the first change: whoever reads it must still be able to.
            migrations::schema(&connection)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.wal_hook(Some(fold_back))?;
        }
        connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "OFF" })?;
        // What a large transaction has changed (a chunk of a settlement: some 30 MiB) stays in memory until its commit, and
        // is not written out and read again several times before.
        connection.pragma_update(None, "cache_spill", false)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // What is overwritten is gone from its page: an erased token does not linger in free space. (The log may hold an older
        // copy of that page until it begins anew.)
        connection.pragma_update(None, "secure_delete", "FAST")?;
        Ok(connection)
    }

    /// A file that is not there yet is made for its owner only; what SQLite puts beside it gets the same rights. Where that fails,
    /// SQLite says why.
    fn make_private(&self) {
        if let Self::File(path) = self {
            _ = File::options().write(true).create_new(true).mode(0o600).open(path);
        }
    }

    /// A connection that only reads.
    pub(super) fn reader(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | self.uri();
        let connection = Connection::open_with_flags(self.name(), flags)?;
        prepare(&connection)?;
        Ok(connection)
    }

    fn uri(&self) -> OpenFlags {
        match self {
            Self::File(_) => OpenFlags::empty(),
            Self::Memory(_) => OpenFlags::SQLITE_OPEN_URI,
        }
    }
}

/// Called after every commit, with the length of the log. What cannot be done now is done after the next commit.
#[allow(clippy::unnecessary_wraps, reason = "what the hook returns")]
fn fold_back(log: &mut Wal, pages: i32) -> Result<()> {
    if pages >= CHECKPOINT_PAGES {
        let mode = if pages < OUTGROWN_PAGES { CheckpointMode::PASSIVE } else { CheckpointMode::RESTART };
        if let Err(error) = log.checkpoint_v2(mode) {
            tracing::debug!(%error, pages, "the log was not folded back");
        }
    }
    // An error here would be taken for one of the commit, which has happened.
    Ok(())
}

fn prepare(connection: &Connection) -> Result<()> {
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // A plan that was made is kept, whatever values are bound: else SQLite plans some statements anew at every run, which was
    // a seventh of the simulation's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(BUSY_TIMEOUT)
}
