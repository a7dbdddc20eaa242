//! The table `events`: what merchants are told, with the body that is sent.

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};
use tollgate_domain::{EventId, MerchantId};
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

/// A merchant's events behind `after`, in the order of their commits: one writer at a time gives the rowids, within the
/// transaction. `None`: `after` is none of the merchant's.
pub(super) fn of_merchant(
    connection: &Connection,
    merchant: MerchantId,
    after: Option<EventId>,
    limit: u32,
) -> Result<Option<Vec<EventRecord>>> {
    let after: i64 = match after {
        None => 0,
        Some(id) => {
            let place = connection
                .prepare_cached("SELECT rowid FROM events WHERE id = ?1 AND merchant_id = ?2")?
                .query_row(params![Text(id), Text(merchant)], |row| row.get(0))
                .optional()?;
            let Some(place) = place else { return Ok(None) };
            place
        }
    };
    let mut list = connection.prepare_cached(
        "SELECT * FROM events INDEXED BY events_by_merchant WHERE merchant_id = ?1 AND rowid > ?2
         ORDER BY rowid LIMIT ?3",
    )?;
    list.query_map(params![Text(merchant), after, limit], read)?.collect::<Result<_>>().map(Some)
}

fn read(row: &Row<'_>) -> Result<EventRecord> {
    Ok(EventRecord {
        id: row.get::<_, Text<_>>("id")?.0,
        payment: row.get::<_, Text<_>>("payment_id")?.0,
        merchant: row.get::<_, Text<_>>("merchant_id")?.0,
        sequence: row.get("sequence")?,
        kind: row.get::<_, Name<_>>("kind")?.0,
        body: row.get("body")?,
        at: row.get::<_, Micros>("at")?.0,
    })
}
