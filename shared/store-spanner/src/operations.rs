//! The table `operations`: every operation of every payment, as it last was.

use tollgate_domain::{Operation, PaymentId};

use crate::{
    cells::{Row, int, json, text},
    error::Result,
    rows::{Asked, Counted, Source, Write, key},
};

/// An operation.
pub(crate) static OPERATIONS: Source =
    Source { table: "operations", index: None, columns: &["payment_id", "number", "record"] };

/// Writes `operation` over what it was: a closed one is written without the payer's token.
pub(crate) fn upsert(payment: PaymentId, operation: &Operation) -> Counted {
    Write::upsert("operations")
        .set("payment_id", text(payment))
        .set("number", int(operation.number))
        .set("record", json(operation))
        .build()
}

/// One operation.
pub(crate) fn one(payment: PaymentId, number: u32) -> Asked {
    OPERATIONS.read(key([text(payment), int(number)]))
}

/// An operation as its row says.
pub(crate) fn read(row: &Row) -> Result<Operation> {
    row.json("record")
}
