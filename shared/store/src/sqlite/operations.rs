//! The table `operations`: every operation of every payment, as it last was.

use rusqlite::{Connection, OptionalExtension, Result, params};
use tollgate_domain::{Operation, PaymentId};

use super::columns::{FromJson, Text, ToJson};

/// Writes `operation` over what it was: a closed one is written without the payer's token.
pub(super) fn upsert(connection: &Connection, payment: PaymentId, operation: &Operation) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO operations (payment_id, number, record) VALUES (?1, ?2, ?3)
             ON CONFLICT (payment_id, number) DO UPDATE SET record = excluded.record",
        )?
        .execute(params![Text(payment), operation.number, ToJson(operation)])?;
    Ok(())
}

/// One operation.
pub(super) fn find(connection: &Connection, payment: PaymentId, number: u32) -> Result<Option<Operation>> {
    connection
        .prepare_cached("SELECT record FROM operations WHERE payment_id = ?1 AND number = ?2")?
        .query_row(params![Text(payment), number], |row| row.get::<_, FromJson<_>>(0).map(|json| json.0))
        .optional()
}
