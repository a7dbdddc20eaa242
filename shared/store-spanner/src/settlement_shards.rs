//! The table `settlement_shards`: what the chunks of each shard come to, as far as they were compared with the books.

use tollgate_domain::SettlementId;
use tollgate_gateway::ports::settlements::ShardBooks;

use crate::{
    cells::{Row, count, int, json, maybe, text},
    error::Result,
    reading::Reader,
    rows::{Counted, Source, Write, prefix},
    settlements::read_counts,
};

static SHARDS: Source = Source {
    table: "settlement_shards",
    index: None,
    columns: &[
        "shard",
        "verified",
        "payments",
        "refunds",
        "refunds_returned",
        "carried_over",
        "set_aside",
        "dropped",
        "totals",
        "wrong",
    ],
};

/// What is known of each shard, in their order.
pub(crate) async fn of(reader: &dyn Reader, settlement: SettlementId) -> Result<Vec<ShardBooks>> {
    let rows = reader.rows(SHARDS.read(prefix([text(settlement)]))).await?;
    rows.iter().map(|row| read(settlement, row)).collect()
}

fn read(settlement: SettlementId, row: &Row) -> Result<ShardBooks> {
    Ok(ShardBooks {
        settlement,
        shard: row.int("shard")?,
        verified: row.int("verified")?,
        counts: read_counts(row)?,
        totals: row.json("totals")?,
        wrong: row.maybe_string("wrong")?,
    })
}

/// Puts what is known of a shard in the place of what was.
pub(crate) fn put(books: &ShardBooks) -> Counted {
    Write::upsert("settlement_shards")
        .set("settlement_id", text(books.settlement))
        .set("shard", int(books.shard))
        .set("verified", int(books.verified))
        .set("payments", count(books.counts.payments))
        .set("refunds", count(books.counts.refunds))
        .set("refunds_returned", count(books.counts.refunds_returned))
        .set("carried_over", count(books.counts.carried_over))
        .set("set_aside", count(books.counts.set_aside))
        .set("dropped", count(books.counts.dropped))
        .set("totals", json(&books.totals))
        .set("wrong", maybe(books.wrong.as_ref().map(text)))
        .build()
}
