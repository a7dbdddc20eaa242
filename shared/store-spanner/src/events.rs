//! The table `events`: what merchants are told, with the body that is sent.

use google_cloud_spanner::key::KeyRange;
use tollgate_domain::{EventId, MerchantId, PaymentId, Timestamp};
use tollgate_gateway::records::EventRecord;

use crate::{
    cells::{Row, commit_time, int, name, text, time},
    error::Result,
    merged::merged,
    reading::{Reader, Snapshot},
    rows::{Asked, Counted, Source, Write, key, keys, prefix},
    shards::{LIST_SHARDS, list_shard},
};

static EVENTS: Source = Source {
    table: "events",
    index: None,
    columns: &["payment_id", "sequence", "event_id", "merchant_id", "kind", "body", "occurred_at", "committed_at"],
};
static BY_ID: Source = Source { table: "events", index: Some("events_by_id"), columns: &["payment_id", "sequence"] };
static FEED: Source =
    Source { table: "events", index: Some("events_by_merchant"), columns: &["committed_at", "payment_id", "sequence"] };

/// Writes an event that is new.
pub(crate) fn insert(event: &EventRecord) -> Counted {
    Write::insert("events")
        .set("payment_id", text(event.payment))
        .set("sequence", int(event.sequence))
        .set("event_id", text(event.id))
        .set("merchant_id", text(event.merchant))
        .set("feed_shard", int(list_shard(event.payment)))
        .set("kind", name(event.kind))
        .set("body", text(&event.body))
        .set("occurred_at", time(event.at))
        .set("committed_at", commit_time())
        .build()
}

/// One event, by its place within the payment.
pub(crate) fn one(payment: PaymentId, sequence: u32) -> Asked {
    EVENTS.read(key([text(payment), int(sequence)]))
}

/// Where an event stands in its merchant's feed: by the time of its commit; of one commit, by payment and number.
type Place = (Timestamp, PaymentId, u32);

/// A merchant's events behind `after`, in the order of their commits. `None`: `after` is none of the merchant's.
///
/// All of one moment: an event that is committed later than that has a later time, so none can appear behind a
/// place that was read past.
pub(crate) async fn of_merchant(
    snapshot: &Snapshot<'_>,
    merchant: MerchantId,
    after: Option<EventId>,
    limit: u32,
) -> Result<Option<Vec<EventRecord>>> {
    let after = match after {
        None => None,
        Some(id) => match place_of(snapshot, merchant, id).await? {
            None => return Ok(None),
            place => place,
        },
    };
    let asked = |shard: i64, after: Option<&Place>| {
        let all = [text(merchant), int(shard)];
        FEED.read(match after {
            None => prefix(all),
            Some((at, payment, sequence)) => {
                let place = [text(merchant), int(shard), time(*at), text(*payment), int(*sequence)];
                KeyRange::open_closed(key(place), key(all))
            }
        })
    };
    let feed_place = |row: &Row| Ok((row.time("committed_at")?, row.text("payment_id")?, row.int("sequence")?));
    let found = merged(snapshot, 0..LIST_SHARDS, after, limit, asked, feed_place).await?;
    let places = found.iter().map(|((_, payment, sequence), _)| key([text(*payment), int(*sequence)]));
    if found.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut events: Vec<(Place, EventRecord)> = Vec::with_capacity(found.len());
    for row in snapshot.rows(EVENTS.read(keys(places))).await? {
        events.push((feed_place(&row)?, read(&row)?));
    }
    events.sort_by_key(|(place, _)| *place);
    Ok(Some(events.into_iter().map(|(_, event)| event).collect()))
}

async fn place_of(reader: &dyn Reader, merchant: MerchantId, id: EventId) -> Result<Option<Place>> {
    let Some(found) = reader.row(BY_ID.read(key([text(id)]))).await? else { return Ok(None) };
    let (payment, sequence) = (found.text("payment_id")?, found.int("sequence")?);
    let Some(event) = reader.row(one(payment, sequence)).await? else { return Ok(None) };
    let is_theirs = event.text::<MerchantId>("merchant_id")? == merchant;
    Ok(if is_theirs { Some((event.time("committed_at")?, payment, sequence)) } else { None })
}

/// An event as its row says.
pub(crate) fn read(row: &Row) -> Result<EventRecord> {
    Ok(EventRecord {
        id: row.text("event_id")?,
        payment: row.text("payment_id")?,
        merchant: row.text("merchant_id")?,
        sequence: row.int("sequence")?,
        kind: row.name("kind")?,
        body: row.string("body")?,
        at: row.time("occurred_at")?,
    })
}
