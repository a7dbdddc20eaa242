//! The table `provider_events`: which events of providers were taken (rule 17).

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};
use tollgate_domain::{ChangeId, PaymentId, ProviderName, Timestamp};
use tollgate_gateway::records::ReceivedEvent;

use super::columns::{Count, Micros, Name, Text};

/// Which change took this event.
pub(super) fn taken_by(connection: &Connection, provider: ProviderName, event_id: &str) -> Result<Option<ChangeId>> {
    connection
        .prepare_cached("SELECT change_id FROM provider_events WHERE provider = ?1 AND event_id = ?2")?
        .query_row(params![Name(provider), event_id], |row| row.get::<_, Text<_>>(0).map(|id| id.0))
        .optional()
}

/// Writes an event that is new.
pub(super) fn insert(connection: &Connection, change: ChangeId, event: &ReceivedEvent) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO provider_events (provider, event_id, change_id, event_type, payment_id, version, effect, at,
            correlation_id)
         VALUES (:provider, :event_id, :change_id, :event_type, :payment_id, :version, :effect, :at,
            :correlation_id)",
    )?;
    insert.execute(named_params! {
        ":provider": Name(event.provider),
        ":event_id": event.event_id,
        ":change_id": Text(change),
        ":event_type": event.event_type,
        ":payment_id": Text(event.payment),
        ":version": Count(event.version),
        ":effect": event.effect,
        ":at": Micros(event.at),
        ":correlation_id": event.correlation_id,
    })?;
    Ok(())
}

/// All of a payment's, in order of commit.
pub(super) fn of_payment(connection: &Connection, payment: PaymentId) -> Result<Vec<ReceivedEvent>> {
    connection
        .prepare_cached("SELECT * FROM provider_events WHERE payment_id = ?1 ORDER BY rowid")?
        .query_map([Text(payment)], read)?
        .collect()
}

/// Deletes at most `limit` that came before `before`; how many.
pub(super) fn delete_before(connection: &Connection, before: Timestamp, limit: u32) -> Result<u32> {
    let deleted = connection
        .prepare_cached(
            "DELETE FROM provider_events WHERE rowid IN
                (SELECT rowid FROM provider_events WHERE at < ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute(params![Micros(before), limit])?;
    Ok(u32::try_from(deleted).unwrap_or(u32::MAX))
}

fn read(row: &Row<'_>) -> Result<ReceivedEvent> {
    Ok(ReceivedEvent {
        provider: row.get::<_, Name<_>>("provider")?.0,
        event_id: row.get("event_id")?,
        event_type: row.get("event_type")?,
        payment: row.get::<_, Text<_>>("payment_id")?.0,
        version: row.get::<_, Count>("version")?.0,
        effect: row.get("effect")?,
        at: row.get::<_, Micros>("at")?.0,
        correlation_id: row.get("correlation_id")?,
    })
}
