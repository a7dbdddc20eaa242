//! The table `events`: what merchants are told, with the body that is sent.

use rusqlite::{Connection, Result, named_params};
use tollgate_gateway::records::EventRecord;

use super::columns::{Micros, Name, Text};

/// Writes an event that is new.
pub(super) fn insert(connection: &Connection, event: &EventRecord) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO events (payment_id, sequence, id, merchant_id, kind, body, at)
         VALUES (:payment_id, :sequence, :id, :merchant_id, :kind, :body, :at)",
    )?;
    insert.execute(named_params! {
        ":payment_id": Text(event.payment),
        ":sequence": event.sequence,
        ":id": Text(event.id),
        ":merchant_id": Text(event.merchant),
        ":kind": Name(event.kind),
        ":body": event.body,
        ":at": Micros(event.at),
    })?;
    Ok(())
}
