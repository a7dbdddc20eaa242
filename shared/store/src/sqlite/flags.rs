//! The tables `flags` (as they are) and `flag_changes` (how they came to be so).

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params, types::Type};
use tollgate_domain::routing::{Flag, FlagName};
use tollgate_gateway::ports::{Flags, StoreError, flags::FLAGS_AT_MOST};
use tollgate_store_records::{flag_name_from_text, flag_name_to_text, flag_value_from_text, flag_value_to_text};

use super::{
    SqliteStore,
    columns::{Count, Micros},
};

/// The column of a flag's name.
const NAME: usize = 0;

#[async_trait]
impl Flags for SqliteStore {
    async fn flags(&self) -> Result<Vec<Flag>, StoreError> {
        self.read("flags", "flags", |connection| {
            connection
                .prepare_cached("SELECT name, value, revision, changed_at, changed_by, why FROM flags LIMIT ?1")?
                .query_map([FLAGS_AT_MOST], |row| read(row).map(Some).or_else(without_effect))?
                .filter_map(Result::transpose)
                .collect()
        })
        .await
    }

    async fn put_flag(&self, flag: &Flag) -> Result<bool, StoreError> {
        let flag = flag.clone();
        self.decide("put_flag", move |transaction| put(transaction, &flag)).await
    }

    async fn flag_changes(&self, name: FlagName, limit: u32) -> Result<Vec<Flag>, StoreError> {
        self.read("flag_changes", name, move |connection| changes(connection, name, limit)).await
    }
}

fn changes(connection: &Connection, name: FlagName, limit: u32) -> Result<Vec<Flag>> {
    connection
        .prepare_cached(
            "SELECT name, value, revision, changed_at, changed_by, why FROM flag_changes
             WHERE name = ?1 ORDER BY revision DESC LIMIT ?2",
        )?
        .query_map(params![flag_name_to_text(name), limit], read)?
        .collect()
}

/// Whether the revision before was there, or this very change is.
fn put(connection: &Connection, flag: &Flag) -> Result<bool> {
    let name = flag_name_to_text(flag.name);
    let (value, revision, changed_at) =
        (flag_value_to_text(&flag.value), Count(flag.revision), Micros(flag.changed_at));
    let values = named_params! {
        ":name": name, ":value": value, ":revision": revision, ":changed_at": changed_at,
        ":changed_by": flag.changed_by, ":why": flag.why,
    };
    let set = if flag.revision == 1 {
        "INSERT INTO flags (name, value, revision, changed_at, changed_by, why)
         VALUES (:name, :value, :revision, :changed_at, :changed_by, :why) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE flags SET value = :value, revision = :revision, changed_at = :changed_at, changed_by = :changed_by,
            why = :why
         WHERE name = :name AND revision = :revision - 1"
    };
    if connection.prepare_cached(set)?.execute(values)? == 1 {
        connection
            .prepare_cached(
                "INSERT INTO flag_changes (name, revision, value, changed_at, changed_by, why)
                 VALUES (:name, :revision, :value, :changed_at, :changed_by, :why)",
            )?
            .execute(values)?;
        return Ok(true);
    }
    let there = connection
        .prepare_cached(
            "SELECT name, value, revision, changed_at, changed_by, why FROM flag_changes
             WHERE name = ?1 AND revision = ?2",
        )?
        .query_row(params![name, Count(flag.revision)], read)
        .optional()?;
    Ok(there.as_ref() == Some(flag))
}

/// A name that this program does not know stops no flag that it knows.
fn without_effect(error: rusqlite::Error) -> Result<Option<Flag>> {
    match error {
        rusqlite::Error::FromSqlConversionFailure(NAME, ..) => {
            tracing::error!(%error, "a flag that this program does not know is without effect");
            Ok(None)
        }
        error => Err(error),
    }
}

fn read(row: &Row<'_>) -> Result<Flag> {
    let unreadable = |text: &str| {
        rusqlite::Error::FromSqlConversionFailure(NAME, Type::Text, format!("no flag is named {text:?}").into())
    };
    let (name, value): (String, String) = (row.get(0)?, row.get(1)?);
    Ok(Flag {
        name: flag_name_from_text(&name).ok_or_else(|| unreadable(&name))?,
        value: flag_value_from_text(&value),
        revision: row.get::<_, Count>(2)?.0,
        changed_at: row.get::<_, Micros>(3)?.0,
        changed_by: row.get(4)?,
        why: row.get(5)?,
    })
}
