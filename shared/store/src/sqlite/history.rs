//! The table `history`: one row per version of a payment, the guard of every commit. Never pruned.

use rusqlite::{
    Connection, OptionalExtension, Result, Row, ToSql, named_params, params,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use tollgate_domain::{ChangeId, PaymentId, Transition};
use tollgate_gateway::records::{Cause, History};
use tollgate_store_records::{transitions_from_text, transitions_to_text};

use super::columns::{Count, Micros, Name, Text};

/// Which change made this version.
pub(super) fn made_by(connection: &Connection, payment: PaymentId, version: u64) -> Result<Option<ChangeId>> {
    connection
        .prepare_cached("SELECT change_id FROM history WHERE payment_id = ?1 AND version = ?2")?
        .query_row(params![Text(payment), Count(version)], |row| row.get::<_, Text<_>>(0).map(|id| id.0))
        .optional()
}

/// Writes a version that is new.
pub(super) fn insert(connection: &Connection, payment: PaymentId, change: ChangeId, history: &History) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO history (payment_id, version, change_id, at, what, operation, detail, transitions, cause,
            cause_subject, correlation_id)
         VALUES (:payment_id, :version, :change_id, :at, :what, :operation, :detail, :transitions, :cause,
            :cause_subject, :correlation_id)",
    )?;
    insert.execute(named_params! {
        ":payment_id": Text(payment),
        ":version": Count(history.version),
        ":change_id": Text(change),
        ":at": Micros(history.at),
        ":what": Name(history.what),
        ":operation": history.operation,
        ":detail": history.detail,
        ":transitions": TransitionsToSql(&history.transitions),
        ":cause": history.cause.as_str(),
        ":cause_subject": history.cause.subject(),
        ":correlation_id": history.correlation_id,
    })?;
    Ok(())
}

/// All of a payment's, in order of version.
pub(super) fn of_payment(connection: &Connection, payment: PaymentId) -> Result<Vec<History>> {
    connection
        .prepare_cached("SELECT * FROM history WHERE payment_id = ?1 ORDER BY version")?
        .query_map([Text(payment)], read)?
        .collect()
}

fn read(row: &Row<'_>) -> Result<History> {
    Ok(History {
        version: row.get::<_, Count>("version")?.0,
        at: row.get::<_, Micros>("at")?.0,
        what: row.get::<_, Name<_>>("what")?.0,
        operation: row.get("operation")?,
        detail: row.get("detail")?,
        transitions: row.get::<_, Transitions>("transitions")?.0,
        cause: cause(row)?,
        correlation_id: row.get("correlation_id")?,
    })
}

fn cause(row: &Row<'_>) -> Result<Cause> {
    let name: String = row.get("cause")?;
    tollgate_store_records::cause(&name, row.get("cause_subject")?).ok_or_else(|| {
        let index = row.as_ref().column_index("cause").unwrap_or_default();
        let error = format!("no cause is named {name:?}");
        rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, error.into())
    })
}

struct TransitionsToSql<'a>(&'a [Transition]);

impl ToSql for TransitionsToSql<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(transitions_to_text(self.0).into())
    }
}

struct Transitions(Vec<Transition>);

impl FromSql for Transitions {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        transitions_from_text(text)
            .map(Self)
            .ok_or_else(|| FromSqlError::Other(format!("no changes of status: {text:?}").into()))
    }
}
