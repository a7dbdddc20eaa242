//! The table `settlement_chunks`: a settlement's checkpoints, and the commit of a chunk, which is one transaction with
//! everything that is in it.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};
use tollgate_domain::{ChangeId, Payment, PaymentId, Refund, RefundId, SettlementId, Timestamp};
use tollgate_gateway::{
    ports::settlements::{Checkpoint, Chunk, ChunkCommitted, ChunkSums, Lane, SHARDS, Waiting},
    records::ChangeSet,
};

use super::{
    change_set,
    columns::{Count, Micros, Text},
    error::readable,
    history, payments, refunds, settlement_lines, settlements,
};

/// Writes `chunk`, or nothing where a guard is taken.
pub(super) fn commit(connection: &Connection, chunk: &Chunk) -> Result<ChunkCommitted> {
    match committed_by(connection, chunk.settlement, chunk.number)? {
        Some(change) if change == chunk.change_id => return Ok(ChunkCommitted::Done),
        Some(_) => return Ok(ChunkCommitted::Taken),
        None => {}
    }
    let mut sets: Vec<&ChangeSet> = chunk.sets.iter().collect();
    // By key, so that rows on one page are written one after the other; those of one payment stay in their order.
    sets.sort_by_key(|set| set.payment.as_ref().map(|change| change.payment.id));
    let changed = changed_meanwhile(connection, &sets)?;
    if !changed.is_empty() {
        return Ok(ChunkCommitted::Changed(changed));
    }
    for set in sets {
        if !change_set::write(connection, set)? {
            // Its history has no such version, and its row has a later one: no writer of ours does that.
            return Err(rusqlite::Error::StatementChangedRows(0));
        }
    }
    settlement_lines::insert(connection, chunk)?;
    insert(connection, chunk)?;
    Ok(ChunkCommitted::Done)
}

/// The payments of which somebody else made a version first.
fn changed_meanwhile(connection: &Connection, sets: &[&ChangeSet]) -> Result<Vec<PaymentId>> {
    let (mut changed, mut seen) = (Vec::new(), HashSet::new());
    for change in sets.iter().filter_map(|set| set.payment.as_ref()) {
        let payment = change.payment.id;
        if history::made_by(connection, payment, change.history.version)?.is_some() && seen.insert(payment) {
            changed.push(payment);
        }
    }
    Ok(changed)
}

fn committed_by(connection: &Connection, settlement: SettlementId, number: u32) -> Result<Option<ChangeId>> {
    connection
        .prepare_cached("SELECT change_id FROM settlement_chunks WHERE settlement_id = ?1 AND number = ?2")?
        .query_row(params![Text(settlement), number], |row| row.get::<_, Text<_>>(0).map(|id| id.0))
        .optional()
}

fn insert(connection: &Connection, chunk: &Chunk) -> Result<()> {
    let (part, key, at, currency) = match chunk.checkpoint {
        Checkpoint::CarriedOver(after) => {
            let (merchant, currency) = after.unzip();
            ("carried_over", merchant.map(|merchant| merchant.to_string()), None, currency)
        }
        Checkpoint::Payments(after) => {
            let (at, payment) = after.unzip();
            ("payments", payment.map(|payment| payment.to_string()), at, None)
        }
        Checkpoint::Refunds(after) => {
            let (at, refund) = after.unzip();
            ("refunds", refund.map(|refund| refund.to_string()), at, None)
        }
        Checkpoint::Closed => ("closed", None, None, None),
    };
    let mut insert = connection.prepare_cached(
        "INSERT INTO settlement_chunks (settlement_id, number, change_id, part, after_key, after_at, after_currency,
            payments, refunds, refunds_returned, carried_over, set_aside, dropped, at)
         VALUES (:settlement_id, :number, :change_id, :part, :after_key, :after_at, :after_currency,
            :payments, :refunds, :refunds_returned, :carried_over, :set_aside, :dropped, :at)",
    )?;
    insert.execute(named_params! {
        ":settlement_id": Text(chunk.settlement),
        ":number": chunk.number,
        ":change_id": Text(chunk.change_id),
        ":part": part,
        ":after_key": key,
        ":after_at": at.map(Micros),
        ":after_currency": currency.map(Text),
        ":payments": Count(chunk.counts.payments),
        ":refunds": Count(chunk.counts.refunds),
        ":refunds_returned": Count(chunk.counts.refunds_returned),
        ":carried_over": Count(chunk.counts.carried_over),
        ":set_aside": Count(chunk.counts.set_aside),
        ":dropped": Count(chunk.counts.dropped),
        ":at": Micros(chunk.at),
    })?;
    Ok(())
}

/// The last chunk's number in `lane`, and how far that is with it.
pub(super) fn last(connection: &Connection, settlement: SettlementId, lane: Lane) -> Result<Option<(u32, Checkpoint)>> {
    let numbers = lane.numbers();
    connection
        .prepare_cached(
            "SELECT * FROM settlement_chunks WHERE settlement_id = ?1 AND number BETWEEN ?2 AND ?3
             ORDER BY number DESC LIMIT 1",
        )?
        .query_row(params![Text(settlement), numbers.start(), numbers.end()], |row| {
            Ok((row.get("number")?, checkpoint(row)?))
        })
        .optional()
}

fn checkpoint(row: &Row<'_>) -> Result<Checkpoint> {
    let at = row.get::<_, Option<Micros>>("after_at")?.map(|at| at.0);
    let part: String = row.get("part")?;
    Ok(match part.as_str() {
        "carried_over" => {
            let currency = row.get::<_, Option<Text<_>>>("after_currency")?.map(|currency| currency.0);
            Checkpoint::CarriedOver(row.get::<_, Option<Text<_>>>("after_key")?.map(|key| key.0).zip(currency))
        }
        "payments" => Checkpoint::Payments(at.zip(row.get::<_, Option<Text<_>>>("after_key")?.map(|key| key.0))),
        "refunds" => Checkpoint::Refunds(at.zip(row.get::<_, Option<Text<_>>>("after_key")?.map(|key| key.0))),
        _ => Checkpoint::Closed,
    })
}

/// What the books say of one chunk.
pub(super) fn sums(connection: &Connection, settlement: SettlementId, number: u32) -> Result<Option<ChunkSums>> {
    let counts = connection
        .prepare_cached("SELECT * FROM settlement_chunks WHERE settlement_id = ?1 AND number = ?2")?
        .query_row(params![Text(settlement), number], settlements::counts)
        .optional()?;
    let Some(counts) = counts else { return Ok(None) };
    Ok(Some(ChunkSums {
        counts,
        totals: settlement_lines::chunk_totals(connection, settlement, number)?,
        lines: settlement_lines::line_totals(connection, settlement, number)?,
        ledger: settlement_lines::ledger_sums(connection, settlement, number)?,
    }))
}

/// The last bits of a payment's id, as its last two characters have them: the shard that it is in.
fn shard_of(id: &str) -> String {
    let digit = |from: i32, length: i32| {
        format!("(instr('0123456789abcdefghjkmnpqrstvwxyz', substr({id}, {from}, {length})) - 1)")
    };
    format!("(({} * 32 + {}) % {SHARDS})", digit(-2, 1), digit(-1, 1))
}

/// Captured payments that wait, a page of them.
pub(super) fn payments_to_settle(
    connection: &Connection,
    shard: Option<u32>,
    cutoff: Timestamp,
    after: Option<(Timestamp, PaymentId)>,
    limit: u32,
) -> Result<Vec<Waiting<PaymentId, Payment>>> {
    let (at, id) = after.map_or((Timestamp::MIN, String::new()), |(at, id)| (at, id.to_string()));
    let of_shard = if shard.is_some() { format!("AND {} = ?5", shard_of("id")) } else { "AND ?5 IS NULL".to_owned() };
    let mut find = connection.prepare_cached(&format!(
        "SELECT * FROM payments INDEXED BY payments_to_settle
         WHERE status = 'CAPTURED' AND captured_at < ?1 AND (captured_at, id) > (?2, ?3) {of_shard}
         ORDER BY captured_at, id LIMIT ?4",
    ))?;
    let waiting = |row: &Row<'_>| {
        let id = row.get::<_, Text<_>>("id")?.0;
        Ok(Waiting {
            at: row.get::<_, Micros>("captured_at")?.0,
            id,
            payment: id,
            merchant: row.get::<_, Text<_>>("merchant_id")?.0,
            read: readable(id, payments::read(row))?,
        })
    };
    find.query_map(params![Micros(cutoff), Micros(at), id, limit, shard], waiting)?.collect()
}

/// Refunds that wait, a page of them, each with its payment: all as of one moment.
pub(super) fn refunds_to_settle(
    connection: &Connection,
    shard: Option<u32>,
    cutoff: Timestamp,
    after: Option<(Timestamp, RefundId)>,
    limit: u32,
) -> Result<Vec<Waiting<RefundId, (Refund, Payment)>>> {
    // A payment read later than its refund could be of a version that has changed the refund.
    let moment = connection.unchecked_transaction()?;
    let (at, id) = after.map_or((Timestamp::MIN, String::new()), |(at, id)| (at, id.to_string()));
    let of_shard = match shard {
        Some(_) => format!("AND {} = ?5", shard_of("payment_id")),
        None => "AND ?5 IS NULL".to_owned(),
    };
    let mut find = moment.prepare_cached(&format!(
        // A refund is written with its payment: there is none without.
        "SELECT refunds.*, payments.merchant_id FROM refunds INDEXED BY refunds_to_settle
         JOIN payments ON payments.id = refunds.payment_id
         WHERE to_settle_at < ?1 AND (to_settle_at, refunds.id) > (?2, ?3) {of_shard}
         ORDER BY to_settle_at, refunds.id LIMIT ?4",
    ))?;
    let waiting = |row: &Row<'_>| {
        let payment = row.get::<_, Text<_>>("payment_id")?.0;
        let both = || Ok((refunds::read(row)?, payments::find(&moment, payment)?));
        let read = readable(payment, both())?.and_then(|(refund, payment)| Some((refund, payment?)));
        Ok(Waiting {
            at: row.get::<_, Micros>("to_settle_at")?.0,
            id: row.get::<_, Text<_>>("id")?.0,
            payment,
            merchant: row.get::<_, Text<_>>("merchant_id")?.0,
            read,
        })
    };
    find.query_map(params![Micros(cutoff), Micros(at), id, limit, shard], waiting)?.collect()
}
