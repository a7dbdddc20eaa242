//! A store under test on a file of its own, and a look into that file from outside.

use std::{collections::BTreeMap, path::PathBuf};

use async_trait::async_trait;
use rusqlite::{Connection, Row, types::ValueRef};
use tempfile::TempDir;
use tollgate_domain::{BootId, PaymentId, Timestamp};
use tollgate_gateway::{
    contract::{EventRow, PostingRow, RefundRow, Subject},
    ports::store::Upkeep,
};
use tollgate_store::{Options, SqliteStore};

use crate::clock::Clock;

pub(crate) struct OnFile {
    pub(crate) store: SqliteStore,
    pub(crate) directory: TempDir,
}

impl OnFile {
    /// A store with threads, whose commits wait for the disk.
    pub(crate) fn new() -> Self {
        Self::with(options(1))
    }

    pub(crate) fn with(options: Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path().join("store.db"), options, Clock::real()).unwrap();
        Self { store, directory }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    /// A connection of our own.
    pub(crate) fn connection(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn rows<T>(&self, sql: &str, payment: PaymentId, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let connection = self.connection();
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([payment.to_string()], read).unwrap().collect::<Result<_, _>>().unwrap()
    }
}

pub(crate) fn boot(number: u8) -> BootId {
    BootId::from_random([number; 16])
}

pub(crate) fn options(number: u8) -> Options {
    Options::new(boot(number))
}

#[async_trait]
impl Subject for OnFile {
    type Store = SqliteStore;

    fn store(&self) -> &SqliteStore {
        &self.store
    }

    async fn contents(&self) -> BTreeMap<String, Vec<String>> {
        contents(&self.connection())
    }

    async fn events(&self, payment: PaymentId) -> Vec<EventRow> {
        self.rows("SELECT * FROM events WHERE payment_id = ?1 ORDER BY sequence", payment, |row| {
            Ok(EventRow {
                id: row.get("id")?,
                sequence: row.get("sequence")?,
                kind: row.get("kind")?,
                merchant: row.get("merchant_id")?,
                body: row.get("body")?,
                at: time(row, "at")?,
            })
        })
    }

    async fn postings(&self, payment: PaymentId) -> Vec<PostingRow> {
        self.rows("SELECT * FROM postings WHERE payment_id = ?1 ORDER BY version, line", payment, |row| {
            Ok(PostingRow {
                version: row.get::<_, i64>("version")?.try_into().unwrap(),
                account: row.get("account")?,
                signed_minor: row.get("minor")?,
                currency: row.get("currency")?,
            })
        })
    }

    async fn refunds(&self, payment: PaymentId) -> Vec<RefundRow> {
        self.rows("SELECT * FROM refunds WHERE payment_id = ?1 ORDER BY id", payment, |row| {
            Ok(RefundRow {
                id: row.get("id")?,
                status: row.get("status")?,
                minor: row.get("amount")?,
                currency: row.get("currency")?,
                reason: row.get("reason")?,
                reference: row.get("reference")?,
                updated_at: time(row, "updated_at")?,
            })
        })
    }

    async fn forget(&self, now: Timestamp, limit: u32) -> u32 {
        self.store.delete_expired(now, limit).await.unwrap()
    }
}

fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get(column).map(|micros| Timestamp::from_microsecond(micros).unwrap())
}

/// Every table but `SQLite`'s own.
pub(crate) fn contents(connection: &Connection) -> BTreeMap<String, Vec<String>> {
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").unwrap();
    let names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    names.into_iter().map(|name| (name.clone(), table(connection, &name))).collect()
}

fn table(connection: &Connection, name: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cells: Vec<String> = (0..columns).map(|index| cell(row.get_ref(index).unwrap())).collect();
        Ok(cells.join(" | "))
    });
    let mut rows: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
    rows.sort();
    rows
}

fn cell(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}
