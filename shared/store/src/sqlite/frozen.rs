//! A database file as of one moment: looked through, and copied, while others write to it.
//!
//! Must not know: what is in a table, beyond its name.

use std::{
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use rusqlite::{
    Connection, OpenFlags, Result,
    backup::{Backup, StepResult},
    types::ValueRef,
};
use tollgate_domain::{PaymentId, Timestamp, audit::Books};
use tollgate_gateway::{
    ports::{Frozen, StoreError, Time},
    recovery::{Cell, Contents},
};

use super::{OpenError, audit, error::store_error, location::Location};

/// All pages in one step: nobody else's commit comes between, and none is waited for.
const ALL_PAGES: i32 = -1;

/// A file with one read transaction open: others write on, and it shows the same. It never writes.
pub struct FrozenFile {
    // A connection is used by one at a time.
    connection: Mutex<Connection>,
    at: Timestamp,
}

impl FrozenFile {
    /// Freezes the file at `path`, which must be there. Every commit that was confirmed before is in it.
    pub fn open(path: &Path, time: &dyn Time) -> Result<Self, OpenError> {
        let connection = Location::File(path.to_owned()).reader()?;
        // Before the transaction: what it shows is at least as young.
        let at = time.now();
        connection.execute_batch("BEGIN")?;
        // The moment is that of the first read.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(Self { connection: Mutex::new(connection), at })
    }

    /// Copies all of it, page by page, into a new file: rowids too, in whose order events are fed to merchants. (`VACUUM INTO`
    /// may number them anew.)
    pub fn copy_to(&self, path: &Path) -> Result<(), OpenError> {
        // What merchants do is in it, as in the store: for its owner only.
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut copy = Connection::open_with_flags(path, flags)?;
        let source = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let step = Backup::new(&source, &mut copy)?.step(ALL_PAGES)?;
        if step != StepResult::Done {
            return Err(OpenError::Files(std::io::Error::other("the copy was not finished: the file is locked")));
        }
        copy.close().map_err(|(_, error)| error)?;
        // A name that is not on disk yet is no backup.
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// What the database says of its own pages, indexes and references; nothing where all is well.
    pub fn damage(&self) -> Result<Vec<String>, StoreError> {
        self.with("integrity", |connection| {
            let mut check = connection.prepare("PRAGMA integrity_check(20)")?;
            let mut said = check.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>>>()?;
            said.retain(|line| line != "ok");
            let mut check = connection.prepare("PRAGMA foreign_key_check")?;
            let orphans: Vec<String> = check.query_map([], |row| row.get(0))?.collect::<Result<_>>()?;
            said.extend(orphans.into_iter().map(|table| format!("a row of {table} refers to nothing")));
            Ok(said)
        })
    }

    fn with<T>(&self, subject: &str, look: impl FnOnce(&Connection) -> Result<T>) -> Result<T, StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        look(&connection).map_err(|error| store_error(subject, &error))
    }
}

#[async_trait]
impl Frozen for FrozenFile {
    fn at(&self) -> Timestamp {
        self.at
    }

    async fn contents(&self) -> Result<Contents, StoreError> {
        self.with("contents", contents)
    }

    async fn books(&self, after: Option<PaymentId>, limit: u32) -> Result<Vec<(PaymentId, Option<Books>)>, StoreError> {
        self.with("books", |connection| audit::books_within(connection, after, limit))
    }
}

fn contents(connection: &Connection) -> Result<Contents> {
    let tables = "SELECT name, wr FROM pragma_table_list
                  WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let tables: Vec<(String, bool)> =
        connection.prepare(tables)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_>>()?;
    let mut contents = Contents::default();
    for (table, without_rowid) in tables {
        contents.table(&table);
        let place = if without_rowid { "" } else { "rowid AS \"(rowid)\", " };
        let mut all = connection.prepare(&format!("SELECT {place}* FROM \"{table}\""))?;
        let columns: Vec<String> = all.column_names().map(str::to_owned).collect();
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            let mut cells = Vec::with_capacity(columns.len());
            for (index, column) in columns.iter().enumerate() {
                cells.push((column.as_str(), cell(row.get_ref(index)?)));
            }
            contents.row(&table, &cells);
        }
    }
    Ok(contents)
}

fn cell(value: ValueRef<'_>) -> Cell<'_> {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Int(number),
        ValueRef::Real(number) => Cell::Real(number),
        // What is no UTF-8 is compared as bytes.
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).map_or(Cell::Bytes(bytes), Cell::Text),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes),
    }
}
