//! The events' file: its connection, its schema, and its statements.
//!
//! Unlike a queue's message, an event that was answered with 200 is nowhere else: a commit waits for the disk. Must not know:
//! who keeps events, or who applies them.

use std::{
    fs::File,
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Result, Row, TransactionBehavior, params};

/// Why the file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file does not open, or its schema cannot be made.
    #[error("the file of providers' events cannot be opened: {0}")]
    Database(#[from] rusqlite::Error),
    /// The file cannot be made, or its thread not be started.
    #[error("the file of providers' events cannot be used: {0}")]
    Files(#[from] io::Error),
    /// A newer program has made it.
    #[error("the file of providers' events has schema {found}, made by a newer program: this one knows {known}")]
    Newer {
        /// The schema of the file.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
}

/// Every step of the schema, oldest first.
const STEPS: &[&str] = &[include_str!("../../../../schemas/events/0001_events.sql")];
/// How long a writer waits for another process; whoever waits for it does so for five seconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);

/// What is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) events: u64,
    pub(super) bytes: u64,
}

/// One event as it stands there.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) id: i64,
    pub(super) data: Vec<u8>,
    pub(super) traceparent: Option<String>,
}

/// One event as it is written.
#[derive(Debug)]
pub(super) struct New {
    pub(super) provider: &'static str,
    pub(super) event_id: String,
    pub(super) data: String,
    pub(super) traceparent: Option<String>,
}

/// Opens the file at `path`, or makes it, for its owner alone; in memory where there is none.
pub(super) fn connect(path: Option<&Path>) -> std::result::Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = match path {
        Some(path) => {
            // What SQLite puts beside it has the same mode.
            private(path)?;
            Connection::open_with_flags(path, flags)?
        }
        None => Connection::open_in_memory_with_flags(flags | OpenFlags::SQLITE_OPEN_CREATE)?,
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    if path.is_some() {
        connection.pragma_update(None, "journal_mode", "WAL")?;
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Opens a file that nobody else may read, making it where it is missing.
pub(super) fn private(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// `path` with `ending` behind its name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn migrate(connection: &mut Connection) -> std::result::Result<(), OpenError> {
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

pub(super) fn totals(connection: &Connection) -> Result<Totals> {
    let read = |row: &Row<'_>| Ok(Totals { events: count(row, 0)?, bytes: count(row, 1)? });
    connection.prepare_cached("SELECT events, bytes FROM totals")?.query_row([], read)
}

fn count(row: &Row<'_>, column: usize) -> Result<u64> {
    row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or(0))
}

/// Whether the same event is there already.
pub(super) fn is_known(connection: &Connection, new: &New) -> Result<bool> {
    let text = "SELECT 1 FROM events WHERE provider = ?1 AND event_id = ?2";
    connection.prepare_cached(text)?.exists(params![new.provider, new.event_id])
}

/// One that is there already is overwritten: should its data be damaged, they are not any more.
pub(super) fn keep(connection: &Connection, new: &New) -> Result<()> {
    let text = "INSERT INTO events (provider, event_id, data, traceparent) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (provider, event_id) DO UPDATE SET data = excluded.data, traceparent = excluded.traceparent";
    let values = params![new.provider, new.event_id, new.data, new.traceparent];
    connection.prepare_cached(text)?.execute(values).map(drop)
}

pub(super) fn delete(connection: &Connection, id: i64) -> Result<()> {
    connection.prepare_cached("DELETE FROM events WHERE id = ?1")?.execute([id]).map(drop)
}

/// The oldest behind `id`, at most so many.
pub(super) fn after(connection: &Connection, id: i64, limit: u32) -> Result<Vec<Raw>> {
    let text = "SELECT id, CAST(data AS BLOB), traceparent FROM events WHERE id > ?1 ORDER BY id LIMIT ?2";
    let read = |row: &Row<'_>| {
        // A trace that cannot be read is none: the event is what counts.
        Ok(Raw { id: row.get(0)?, data: row.get(1)?, traceparent: row.get(2).unwrap_or_default() })
    };
    connection.prepare_cached(text)?.query_map(params![id, limit], read)?.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_its_owners_alone_and_a_newer_schema_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.events");
        let connection = connect(Some(&path)).unwrap();
        keep(&connection, &New { provider: "bank", event_id: "1".into(), data: "x".into(), traceparent: None })
            .unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.path().display());
        }
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(connect(Some(&path)), Err(OpenError::Newer { found: 99, .. })));
    }
}
