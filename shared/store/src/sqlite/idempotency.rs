//! The table `idempotency`: which key made which operation (rules 11 and 12).

use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use tollgate_domain::{KeyHash, Timestamp};
use tollgate_gateway::records::IdempotencyRecord;

use super::columns::{Digest, Micros, Text};

/// Whether the key was used.
pub(super) fn exists(connection: &Connection, key: KeyHash) -> Result<bool> {
    connection.prepare_cached("SELECT 1 FROM idempotency WHERE key = ?1")?.exists([Digest(key)])
}

/// Writes a key that is new. It binds until it is released.
pub(super) fn insert(connection: &Connection, record: &IdempotencyRecord) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO idempotency (key, fingerprint, payment_id, operation, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            Digest(record.key),
            Digest(record.fingerprint),
            Text(record.payment),
            record.operation,
            Micros(record.created_at),
        ])?;
    Ok(())
}

/// The operation is closed: the key binds until `until`.
pub(super) fn release(connection: &Connection, key: KeyHash, until: Timestamp) -> Result<()> {
    connection
        .prepare_cached("UPDATE idempotency SET expires_at = ?2 WHERE key = ?1")?
        .execute(params![Digest(key), Micros(until)])?;
    Ok(())
}

/// The record of a key.
pub(super) fn find(connection: &Connection, key: KeyHash) -> Result<Option<IdempotencyRecord>> {
    connection.prepare_cached("SELECT * FROM idempotency WHERE key = ?1")?.query_row([Digest(key)], read).optional()
}

/// Deletes at most `limit` released keys whose time has passed; how many.
pub(super) fn delete_expired(connection: &Connection, now: Timestamp, limit: u32) -> Result<u32> {
    let deleted = connection
        .prepare_cached(
            "DELETE FROM idempotency WHERE key IN
                (SELECT key FROM idempotency WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
        )?
        .execute(params![Micros(now), limit])?;
    Ok(u32::try_from(deleted).unwrap_or(u32::MAX))
}

fn read(row: &Row<'_>) -> Result<IdempotencyRecord> {
    Ok(IdempotencyRecord {
        key: row.get::<_, Digest>("key")?.0,
        fingerprint: row.get::<_, Digest>("fingerprint")?.0,
        payment: row.get::<_, Text<_>>("payment_id")?.0,
        operation: row.get("operation")?,
        created_at: row.get::<_, Micros>("created_at")?.0,
    })
}
