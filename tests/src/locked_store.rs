//! A sandbox's SQLite store that somebody else has locked.
#![allow(clippy::unwrap_used, reason = "a test that cannot lock its store fails right there")]

use std::{path::Path, time::Duration};

use rusqlite::Connection;

/// Somebody who has the store to himself until this is dropped: nobody writes. (In WAL mode readers go on.)
pub struct LockedStore(Connection);

impl LockedStore {
    /// Of the sandbox, or the functions, with their data in this folder.
    pub fn of(data: &Path) -> Self {
        let connection = Connection::open(data.join("tollgate.sqlite")).unwrap();
        connection.busy_timeout(Duration::from_secs(20)).unwrap();
        connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
        Self(connection)
    }
}

impl Drop for LockedStore {
    fn drop(&mut self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}
