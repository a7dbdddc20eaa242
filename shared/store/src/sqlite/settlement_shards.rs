//! The table `settlement_shards`: what the chunks of each shard come to, as far as they were compared with the books.

use rusqlite::{Connection, Result, Row, named_params};
use tollgate_domain::SettlementId;
use tollgate_gateway::ports::settlements::ShardBooks;

use super::{
    columns::{Count, FromJson, Text, ToJson},
    settlements,
};

/// What is known of each shard, in their order.
pub(super) fn of(connection: &Connection, settlement: SettlementId) -> Result<Vec<ShardBooks>> {
    let mut find =
        connection.prepare_cached("SELECT * FROM settlement_shards WHERE settlement_id = ?1 ORDER BY shard")?;
    find.query_map([Text(settlement)], read)?.collect()
}

fn read(row: &Row<'_>) -> Result<ShardBooks> {
    Ok(ShardBooks {
        settlement: row.get::<_, Text<_>>("settlement_id")?.0,
        shard: row.get("shard")?,
        verified: row.get("verified")?,
        counts: settlements::counts(row)?,
        totals: row.get::<_, FromJson<_>>("totals")?.0,
        wrong: row.get("wrong")?,
    })
}

/// Keeps what is known of a shard, in the place of what was.
pub(super) fn put(connection: &Connection, books: &ShardBooks) -> Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT INTO settlement_shards (settlement_id, shard, verified, payments, refunds, refunds_returned, carried_over,
            set_aside, dropped, totals, wrong)
         VALUES (:settlement_id, :shard, :verified, :payments, :refunds, :refunds_returned, :carried_over,
            :set_aside, :dropped, :totals, :wrong)
         ON CONFLICT (settlement_id, shard) DO UPDATE SET verified = excluded.verified, payments = excluded.payments,
            refunds = excluded.refunds, refunds_returned = excluded.refunds_returned,
            carried_over = excluded.carried_over, set_aside = excluded.set_aside, dropped = excluded.dropped,
            totals = excluded.totals, wrong = excluded.wrong",
    )?;
    put.execute(named_params! {
        ":settlement_id": Text(books.settlement),
        ":shard": books.shard,
        ":verified": books.verified,
        ":payments": Count(books.counts.payments),
        ":refunds": Count(books.counts.refunds),
        ":refunds_returned": Count(books.counts.refunds_returned),
        ":carried_over": Count(books.counts.carried_over),
        ":set_aside": Count(books.counts.set_aside),
        ":dropped": Count(books.counts.dropped),
        ":totals": ToJson(&books.totals),
        ":wrong": books.wrong,
    })?;
    Ok(())
}
