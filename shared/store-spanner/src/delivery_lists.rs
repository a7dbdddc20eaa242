//! Deliveries by the times of their events, for operators: the index has what they are looked for by, and only what is found is read
//! from the table.

use async_trait::async_trait;
use google_cloud_spanner::key::KeyRange;
use tollgate_gateway::ports::{
    DeliveryLists, StoreError,
    deliveries::{DeliveriesSeen, DeliveryPlace, DeliveryQuery},
};

use crate::{
    SpannerStore,
    cells::{Row, int, text, time},
    deliveries,
    error::Result,
    merged::merged,
    reading::{Reader, Snapshot},
    rows::{Source, key},
    shards::SHARDS,
};

static BY_TIME: Source = Source {
    table: "deliveries",
    index: Some("deliveries_by_time"),
    columns: &["created_at", "payment_id", "sequence", "merchant_id", "status"],
};

#[async_trait]
impl DeliveryLists for SpannerStore {
    async fn look_through(&self, query: &DeliveryQuery) -> std::result::Result<DeliveriesSeen, StoreError> {
        let work = async {
            // A limit of nothing would be none at all, and a range that ends before it begins is refused.
            if query.limit == 0 || query.from >= query.until {
                return Ok(DeliveriesSeen::default());
            }
            look_through(&self.snapshot("tollgate:look_through").await?, query).await
        };
        self.measured("look_through", "deliveries", work).await
    }
}

async fn look_through(snapshot: &Snapshot<'_>, query: &DeliveryQuery) -> Result<DeliveriesSeen> {
    let asked = |shard: i64, after: Option<&DeliveryPlace>| {
        let until = key([int(shard), time(query.until)]);
        BY_TIME.read(match after {
            None => KeyRange::closed_open(key([int(shard), time(query.from)]), until),
            Some((at, payment, sequence)) => {
                KeyRange::open_open(key([int(shard), time(*at), text(*payment), int(*sequence)]), until)
            }
        })
    };
    let all = merged(snapshot, 0..SHARDS, query.after, query.limit, asked, place).await?;
    let seen = u32::try_from(all.len()).unwrap_or(u32::MAX);
    let next = all.last().filter(|_| seen >= query.limit).map(|(place, _)| *place);
    let mut places = Vec::new();
    for ((_, payment, sequence), row) in &all {
        if query.wants(row.text("merchant_id")?, row.name("status")?) {
            places.push((*payment, *sequence));
        }
    }
    if places.is_empty() {
        return Ok(DeliveriesSeen { found: Vec::new(), seen, next });
    }
    let rows = snapshot.rows(deliveries::several(&places)).await?;
    let mut found = rows.iter().map(deliveries::read).collect::<Result<Vec<_>>>()?;
    found.sort_by_key(|delivery| (delivery.created_at, delivery.payment, delivery.sequence));
    Ok(DeliveriesSeen { found, seen, next })
}

fn place(row: &Row) -> Result<DeliveryPlace> {
    Ok((row.time("created_at")?, row.text("payment_id")?, row.int("sequence")?))
}
