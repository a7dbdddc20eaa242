//! The table `provider_events`: which events of providers were taken (rule 17). Spanner itself forgets them after their
//! time, by the table's row deletion policy.

use google_cloud_spanner::value::ToValue;
use tollgate_domain::{ChangeId, PaymentId, ProviderName, Timestamp};
use tollgate_gateway::records::ReceivedEvent;

use crate::{
    cells::{Row, bytes, commit_time, count, name, text, time},
    error::Result,
    reading::Reader,
    rows::{Asked, Counted, Source, Write, key, keys, prefix},
    shards::event_hash,
};

static EVENTS: Source = Source {
    table: "provider_events",
    index: None,
    columns: &[
        "event_hash",
        "provider",
        "event_id",
        "change_id",
        "event_type",
        "payment_id",
        "version",
        "effect",
        "occurred_at",
        "correlation_id",
        "committed_at",
    ],
};
static BY_PAYMENT: Source =
    Source { table: "provider_events", index: Some("provider_events_by_payment"), columns: &["event_hash"] };

/// The row of this event.
pub(crate) fn one(provider: ProviderName, event_id: &str) -> Asked {
    EVENTS.read(key([bytes(&event_hash(provider, event_id))]))
}

/// Which change took it.
pub(crate) fn taken_by(row: &Row) -> Result<ChangeId> {
    row.text("change_id")
}

/// Writes an event that is new.
pub(crate) fn insert(change: ChangeId, event: &ReceivedEvent) -> Counted {
    Write::insert("provider_events")
        .set("event_hash", bytes(&event_hash(event.provider, &event.event_id)))
        .set("provider", name(event.provider))
        .set("event_id", text(&event.event_id))
        .set("change_id", text(change))
        .set("event_type", text(&event.event_type))
        .set("payment_id", text(event.payment))
        .set("version", count(event.version))
        .set("effect", event.effect.to_value())
        .set("occurred_at", time(event.at))
        .set("correlation_id", text(&event.correlation_id))
        .set("committed_at", commit_time())
        .build()
}

/// All of a payment's, in the order of their commits.
pub(crate) async fn of_payment(reader: &dyn Reader, payment: PaymentId) -> Result<Vec<ReceivedEvent>> {
    let found = reader.rows(BY_PAYMENT.read(prefix([text(payment)]))).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let hashes = found.iter().map(|row| row.bytes("event_hash")).collect::<Result<Vec<_>>>()?;
    let rows = reader.rows(EVENTS.read(keys(hashes.iter().map(|hash| key([bytes(hash)]))))).await?;
    let timed = |row: &Row| Ok((row.time("committed_at")?, read(row)?));
    let mut events = rows.iter().map(timed).collect::<Result<Vec<(Timestamp, ReceivedEvent)>>>()?;
    events.sort_by_key(|(at, _)| *at);
    Ok(events.into_iter().map(|(_, event)| event).collect())
}

fn read(row: &Row) -> Result<ReceivedEvent> {
    Ok(ReceivedEvent {
        provider: row.name("provider")?,
        event_id: row.string("event_id")?,
        event_type: row.string("event_type")?,
        payment: row.text("payment_id")?,
        version: row.int("version")?,
        effect: row.bool("effect")?,
        at: row.time("occurred_at")?,
        correlation_id: row.string("correlation_id")?,
    })
}
