//! The table `idempotency`: which key made which operation (rules 11 and 12). Spanner itself deletes those whose time has
//! passed, by the table's row deletion policy.

use tollgate_domain::{KeyHash, Timestamp};
use tollgate_gateway::records::IdempotencyRecord;

use crate::{
    cells::{Row, digest, int, text, time},
    error::Result,
    rows::{Asked, Counted, Source, Write, key, keys},
};

static KEYS: Source = Source {
    table: "idempotency",
    index: None,
    columns: &["key_hash", "fingerprint", "payment_id", "operation", "created_at"],
};

/// Writes a key that is new. It binds until it is released.
pub(crate) fn insert(record: &IdempotencyRecord) -> Counted {
    Write::insert("idempotency")
        .set("key_hash", digest(record.key))
        .set("fingerprint", digest(record.fingerprint))
        .set("payment_id", text(record.payment))
        .set("operation", int(record.operation))
        .set("created_at", time(record.created_at))
        .build()
}

/// The operation is closed: the key, which must be there, binds until `until`.
pub(crate) fn release(key: KeyHash, until: Timestamp) -> Counted {
    Write::update("idempotency").set("key_hash", digest(key)).set("expires_at", time(until)).build()
}

/// The record of a key.
pub(crate) fn one(of: KeyHash) -> Asked {
    KEYS.read(key([digest(of)]))
}

/// Which of these are there.
pub(crate) fn known(of: impl IntoIterator<Item = KeyHash>) -> Asked {
    KEYS.read(keys(of.into_iter().map(|of| key([digest(of)]))))
}

/// A record as its row says.
pub(crate) fn read(row: &Row) -> Result<IdempotencyRecord> {
    Ok(IdempotencyRecord {
        key: row.digest("key_hash")?,
        fingerprint: row.digest("fingerprint")?,
        payment: row.text("payment_id")?,
        operation: row.int("operation")?,
        created_at: row.time("created_at")?,
    })
}
