//! Where the database is, and the connections to it.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Result};

/// How long a connection waits while another process writes. Shorter than the gateway's five seconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);
/// More than there are statements: each is prepared once per connection.
const CACHED_STATEMENTS: usize = 64;
/// The log is folded back into the file every so many pages (16 MiB): rarely enough not to be felt.
const CHECKPOINT_PAGES: u32 = 4096;

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

    /// A connection that writes. `durable`: a commit is on disk when it returns.
    pub(super) fn writer(&self, durable: bool) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | self.uri();
        let connection = Connection::open_with_flags(self.name(), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        prepare(&connection)?;
        if matches!(self, Self::File(_)) {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        }
        connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "OFF" })?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // What is overwritten is gone from its page: an erased token does not linger in free space.
        connection.pragma_update(None, "secure_delete", "FAST")?;
        Ok(connection)
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

fn prepare(connection: &Connection) -> Result<()> {
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    connection.busy_timeout(BUSY_TIMEOUT)
}
