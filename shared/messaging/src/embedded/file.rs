//! The queue's file: its connection and its schema.
//!
//! A commit is in the operating system's hands when it returns and does not wait for the disk: it survives the death of
//! the process, however it dies. A power loss may take the last messages. The store's due rows, which are on disk, bring
//! back what is to be delivered: within a minute for a first try, within 90 seconds for a later one (rule 18). That an
//! event was given up has no such row: it is then not said, and only the delivery's status tells it. Must not know: what
//! the tables mean.

use std::{fs::File, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, Result, TransactionBehavior};

/// Why a queue cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file does not open, or its schema cannot be made.
    #[error("the queue's file cannot be opened: {0}")]
    Database(#[from] rusqlite::Error),
    /// The files beside it cannot be made or locked, or the writer cannot be started.
    #[error("the queue's files cannot be used: {0}")]
    Files(#[from] std::io::Error),
    /// A newer program has made it.
    #[error("the queue has schema {found}, made by a newer program: this one knows {known}")]
    Newer {
        /// The schema of the file.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
}

/// Every step of the schema, oldest first.
const STEPS: &[&str] = &[
    include_str!("../../../../schemas/queue/0001_messages.sql"),
    include_str!("../../../../schemas/queue/0002_traces.sql"),
];
/// How long the writer waits while another process writes; what waits for it meanwhile is bounded.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);
/// More than there are statements: each is prepared once.
const CACHED_STATEMENTS: usize = 64;
/// The log is folded back into the file every so many pages (16 MiB): rarely enough not to be felt.
const CHECKPOINT_PAGES: u32 = 4096;

/// Opens the file at `path`, or memory where there is none.
pub(super) fn connect(path: Option<&Path>) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = match path {
        Some(path) => {
            // For its owner only; where that fails, SQLite says why.
            _ = File::options().write(true).create_new(true).mode(0o600).open(path);
            Connection::open_with_flags(path, flags)?
        }
        None => Connection::open_in_memory_with_flags(flags)?,
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    if path.is_some() {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    }
    // The disk is waited for only when the log is folded back: a power loss may take the last messages, and never the file.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    migrate(&mut connection)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    let missing = STEPS.get(found as usize..).ok_or(OpenError::Newer { found, known })?;
    if !missing.is_empty() {
        for step in missing {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "user_version", known)?;
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("queue.db");
        connect(Some(&path)).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(connect(Some(&path)), Err(OpenError::Newer { found: 99, .. })));
    }
}
