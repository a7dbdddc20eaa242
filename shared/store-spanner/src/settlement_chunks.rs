//! The table `settlement_chunks`: a settlement's checkpoints, and the commit of a chunk, which is one with everything that is
//! in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use google_cloud_spanner::key::KeyRange;
use tollgate_domain::{ChangeId, Payment, PaymentId, Refund, RefundId, SettlementId, Timestamp};
use tollgate_gateway::ports::settlements::{Checkpoint, Chunk, ChunkCommitted, ChunkSums, Lane, Waiting};

use crate::{
    SpannerStore,
    cells::{Row, count, int, maybe, text, time},
    change_set::{Omitted, writes},
    commit::is_guarded,
    error::{Result, Trouble, readable},
    history,
    merged::merged,
    payments,
    reading::{Reader, Snapshot},
    refunds,
    rows::{Counted, Source, Write, key, keys},
    settlement_lines, settlements,
    shards::SHARDS,
};

static CHUNKS: Source = Source {
    table: "settlement_chunks",
    index: None,
    columns: &[
        "number",
        "change_id",
        "part",
        "after_key",
        "after_at",
        "after_currency",
        "payments",
        "refunds",
        "refunds_returned",
        "carried_over",
        "set_aside",
        "dropped",
    ],
};
static PAYMENTS: Source =
    Source { table: "payments", index: Some("payments_to_settle"), columns: &["to_settle_at", "payment_id"] };
static REFUNDS: Source = Source {
    table: "refunds",
    index: Some("refunds_to_settle"),
    columns: &["to_settle_at", "refund_id", "payment_id"],
};

impl SpannerStore {
    /// Commits `chunk`, or says what stands against it.
    pub(crate) async fn write_chunk(&self, chunk: &Chunk) -> Result<ChunkCommitted> {
        let nothing_omitted = Omitted::default();
        let mut all: Vec<Counted> = chunk.sets.iter().flat_map(|set| writes(set, &nothing_omitted)).collect();
        all.extend(settlement_lines::writes(chunk));
        all.push(row(chunk));
        let refused = match self.write("tollgate:settlement_chunk", all).await {
            Ok(()) => return Ok(ChunkCommitted::Done),
            Err(Trouble::Spanner(error)) if is_guarded(&error) => error,
            Err(trouble) => return Err(trouble),
        };
        let snapshot = self.snapshot("tollgate:settlement_guards").await?;
        if let Some(row) = snapshot.row(CHUNKS.read(key([text(chunk.settlement), int(chunk.number)]))).await? {
            let is_ours = row.text::<ChangeId>("change_id")? == chunk.change_id;
            return Ok(if is_ours { ChunkCommitted::Done } else { ChunkCommitted::Taken });
        }
        let changed = changed_meanwhile(&snapshot, chunk).await?;
        if changed.is_empty() { Err(Trouble::Spanner(refused)) } else { Ok(ChunkCommitted::Changed(changed)) }
    }
}

/// The payments of which somebody else made a version first.
async fn changed_meanwhile(reader: &dyn Reader, chunk: &Chunk) -> Result<Vec<PaymentId>> {
    let versions = chunk.sets.iter().filter_map(|set| set.payment.as_ref());
    let versions: BTreeSet<_> = versions.map(|change| (change.payment.id, change.history.version)).collect();
    if versions.is_empty() {
        return Ok(Vec::new());
    }
    let made = reader.rows(history::made_by_all(versions)).await?;
    let changed = made.iter().map(|row| row.text("payment_id")).collect::<Result<BTreeSet<_>>>()?;
    Ok(changed.into_iter().collect())
}

fn row(chunk: &Chunk) -> Counted {
    let (part, after, at, currency) = match chunk.checkpoint {
        Checkpoint::CarriedOver(after) => {
            let (merchant, currency) = after.unzip();
            ("carried_over", merchant.map(text), None, currency)
        }
        Checkpoint::Payments(after) => {
            let (at, payment) = after.unzip();
            ("payments", payment.map(text), at, None)
        }
        Checkpoint::Refunds(after) => {
            let (at, refund) = after.unzip();
            ("refunds", refund.map(text), at, None)
        }
        Checkpoint::Closed => ("closed", None, None, None),
    };
    Write::insert("settlement_chunks")
        .set("settlement_id", text(chunk.settlement))
        .set("number", int(chunk.number))
        .set("change_id", text(chunk.change_id))
        .set("part", text(part))
        .set("after_key", maybe(after))
        .set("after_at", maybe(at.map(time)))
        .set("after_currency", maybe(currency.map(|currency| text(currency.code()))))
        .set("payments", count(chunk.counts.payments))
        .set("refunds", count(chunk.counts.refunds))
        .set("refunds_returned", count(chunk.counts.refunds_returned))
        .set("carried_over", count(chunk.counts.carried_over))
        .set("set_aside", count(chunk.counts.set_aside))
        .set("dropped", count(chunk.counts.dropped))
        .set("occurred_at", time(chunk.at))
        .build()
}

/// The last chunk's number in `lane`, and how far that is with it. (The key begins with the last.)
pub(crate) async fn last(
    reader: &dyn Reader,
    settlement: SettlementId,
    lane: Lane,
) -> Result<Option<(u32, Checkpoint)>> {
    let numbers = lane.numbers();
    let [last, first] = [numbers.end(), numbers.start()].map(|number| key([text(settlement), int(*number)]));
    let Some(row) = reader.row(CHUNKS.read(KeyRange::closed_closed(last, first))).await? else { return Ok(None) };
    Ok(Some((row.int("number")?, checkpoint(&row)?)))
}

fn checkpoint(row: &Row) -> Result<Checkpoint> {
    let at = row.maybe_time("after_at")?;
    Ok(match row.string("part")?.as_str() {
        "carried_over" => Checkpoint::CarriedOver(row.maybe_text("after_key")?.zip(row.maybe_text("after_currency")?)),
        "payments" => Checkpoint::Payments(at.zip(row.maybe_text("after_key")?)),
        "refunds" => Checkpoint::Refunds(at.zip(row.maybe_text("after_key")?)),
        _ => Checkpoint::Closed,
    })
}

/// What the books say of one chunk, as of one moment.
pub(crate) async fn sums(snapshot: &Snapshot<'_>, settlement: SettlementId, number: u32) -> Result<Option<ChunkSums>> {
    let Some(row) = snapshot.row(CHUNKS.read(key([text(settlement), int(number)]))).await? else { return Ok(None) };
    let (totals, lines) = settlement_lines::of_chunk(snapshot, settlement, number).await?;
    Ok(Some(ChunkSums {
        counts: settlements::read_counts(&row)?,
        totals,
        lines: settlement_lines::line_totals(&lines)?,
        ledger: settlement_lines::ledger_sums(snapshot, &lines).await?,
    }))
}

/// The part of a shard that waits since before `cutoff`, behind `after`.
fn waiting<I: std::fmt::Display + Copy>(shard: i64, cutoff: Timestamp, after: Option<&(Timestamp, I)>) -> KeyRange {
    let until = key([int(shard), time(cutoff)]);
    match after {
        None => KeyRange::closed_open(key([int(shard)]), until),
        Some((at, id)) => KeyRange::open_open(key([int(shard), time(*at), text(*id)]), until),
    }
}

/// One shard, or all of them: a settlement's are the indexes' own.
fn shards(of_shard: Option<u32>) -> Range<i64> {
    of_shard.map_or(0..SHARDS, |shard| i64::from(shard)..i64::from(shard) + 1)
}

/// Captured payments that wait, a page of them.
pub(crate) async fn payments_to_settle(
    snapshot: &Snapshot<'_>,
    of_shard: Option<u32>,
    cutoff: Timestamp,
    after: Option<(Timestamp, PaymentId)>,
    limit: u32,
) -> Result<Vec<Waiting<PaymentId, Payment>>> {
    if after.is_some_and(|(at, _)| at >= cutoff) {
        return Ok(Vec::new());
    }
    let asked = |shard: i64, after: Option<&(Timestamp, PaymentId)>| PAYMENTS.read(waiting(shard, cutoff, after));
    let place = |row: &Row| Ok((row.time("to_settle_at")?, row.text("payment_id")?));
    let found = merged(snapshot, shards(of_shard), after, limit, asked, place).await?;
    let rows = payment_rows(snapshot, found.iter().map(|((_, id), _)| *id)).await?;
    found
        .into_iter()
        .filter_map(|((at, id), _)| Some((at, id, rows.get(&id)?)))
        .map(|(at, id, row)| {
            let merchant = row.text("merchant_id")?;
            Ok(Waiting { at, id, payment: id, merchant, read: readable(id, payments::read(row))? })
        })
        .collect()
}

/// Refunds that wait, a page of them, each with its payment: all as of one moment, for a payment read later than its refund
/// could be of a version that has changed the refund.
pub(crate) async fn refunds_to_settle(
    snapshot: &Snapshot<'_>,
    of_shard: Option<u32>,
    cutoff: Timestamp,
    after: Option<(Timestamp, RefundId)>,
    limit: u32,
) -> Result<Vec<Waiting<RefundId, (Refund, Payment)>>> {
    if after.is_some_and(|(at, _)| at >= cutoff) {
        return Ok(Vec::new());
    }
    let asked = |shard: i64, after: Option<&(Timestamp, RefundId)>| REFUNDS.read(waiting(shard, cutoff, after));
    let place = |row: &Row| Ok((row.time("to_settle_at")?, row.text("refund_id")?));
    let found = merged(snapshot, shards(of_shard), after, limit, asked, place).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let of = |row: &Row| row.text::<PaymentId>("payment_id");
    let owners = found.iter().map(|(_, row)| of(row)).collect::<Result<BTreeSet<_>>>()?;
    let payments = payment_rows(snapshot, owners).await?;
    let asked = found.iter().map(|((_, id), row)| Ok(key([text(of(row)?), text(*id)]))).collect::<Result<Vec<_>>>()?;
    let mut refunds: BTreeMap<RefundId, Row> = BTreeMap::new();
    for row in snapshot.rows(refunds::REFUNDS.read(keys(asked))).await? {
        refunds.insert(row.text("refund_id")?, row);
    }
    let mut waiting = Vec::with_capacity(found.len());
    for ((at, id), row) in &found {
        let payment = of(row)?;
        // A refund is written with its payment: there is none without.
        let (Some(refund), Some(of)) = (refunds.get(id), payments.get(&payment)) else { continue };
        let both = refunds::read(refund).and_then(|refund| Ok((refund, payments::read(of)?)));
        let (merchant, read) = (of.text("merchant_id")?, readable(payment, both)?);
        waiting.push(Waiting { at: *at, id: *id, payment, merchant, read });
    }
    Ok(waiting)
}

async fn payment_rows(
    reader: &dyn Reader,
    ids: impl IntoIterator<Item = PaymentId>,
) -> Result<BTreeMap<PaymentId, Row>> {
    let ids: Vec<PaymentId> = ids.into_iter().collect();
    let mut rows = BTreeMap::new();
    if !ids.is_empty() {
        for row in reader.rows(payments::several(ids)).await? {
            rows.insert(row.text("payment_id")?, row);
        }
    }
    Ok(rows)
}
