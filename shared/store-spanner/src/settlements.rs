//! The table `settlements`: one row per date, and `settlement_totals`: what merchants get, chunk by chunk.

use async_trait::async_trait;
use google_cloud_spanner::key::KeyRange;
use tollgate_domain::{
    Currency, Date, MerchantId, Settlement, SettlementDay, SettlementId,
    settlement::{Balance, SettlementCounts, Totals, TotalsByCurrency},
};

use crate::{
    cells::{Row, count, int, json, maybe, name, text, time, wrong},
    error::Result,
    reading::{Locked, Reader},
    rows::{Counted, Source, Write, key, prefix},
    transactions::{Decided, Decision},
};

static SETTLEMENTS: Source = Source {
    table: "settlements",
    index: None,
    columns: &[
        "settlement_id",
        "date",
        "previous_id",
        "status",
        "started_at",
        "ended_at",
        "resumed",
        "payments",
        "refunds",
        "refunds_returned",
        "carried_over",
        "set_aside",
        "dropped",
        "totals",
        "failure",
        "revision",
        "shards",
    ],
};
static BY_DATE: Source =
    Source { table: "settlements", index: Some("settlements_by_date"), columns: &["date", "settlement_id"] };
static BY_STATUS: Source =
    Source { table: "settlements", index: Some("settlements_by_status"), columns: &["settlement_id"] };
/// Totals.
pub(crate) static TOTALS: Source = Source {
    table: "settlement_totals",
    index: None,
    columns: &[
        "merchant_id",
        "currency",
        "chunk",
        "payments",
        "gross",
        "fees",
        "refunds",
        "refunds_returned",
        "carried_over",
        "net",
    ],
};

/// One settlement.
pub(crate) async fn find(reader: &dyn Reader, id: SettlementId) -> Result<Option<Settlement>> {
    reader.row(SETTLEMENTS.read(key([text(id)]))).await?.map(|row| read(&row)).transpose()
}

/// The latest of `date` or before. (The index begins with the latest.)
pub(crate) async fn latest(reader: &dyn Reader, date: Date) -> Result<Option<Settlement>> {
    let range = KeyRange::closed_closed(key([text(date)]), key([]));
    let Some(row) = reader.row(BY_DATE.read(range)).await? else { return Ok(None) };
    find(reader, row.text("settlement_id")?).await
}

/// The one that is being made.
pub(crate) async fn unfinished(reader: &dyn Reader) -> Result<Option<Settlement>> {
    let Some(row) = reader.row(BY_STATUS.read(prefix([text("RUNNING")]))).await? else { return Ok(None) };
    find(reader, row.text("settlement_id")?).await
}

/// Writes the first revision where it follows on the latest settlement, any other where it follows on the one before.
/// `false`: it does not.
pub(crate) struct Put(pub(crate) Settlement);

#[async_trait]
impl Decision for Put {
    type Answer = bool;

    async fn decide(&self, locked: &Locked) -> Result<Decided<bool>> {
        let Self(settlement) = self;
        let follows = if settlement.revision > 1 {
            let present = find(locked, settlement.id).await?;
            present.is_some_and(|present| present.revision + 1 == settlement.revision)
        } else {
            follows_on_latest(locked, settlement).await?
        };
        let writes = if follows { vec![write(settlement)] } else { Vec::new() };
        Ok(Decided { answer: follows, writes })
    }
}

async fn follows_on_latest(locked: &Locked, settlement: &Settlement) -> Result<bool> {
    let Some(row) = locked.row(BY_DATE.read(KeyRange::closed_closed(key([]), key([])))).await? else {
        return Ok(settlement.previous.is_none());
    };
    let (latest, date): (SettlementId, Date) = (row.text("settlement_id")?, row.text("date")?);
    Ok(settlement.previous == Some(latest) && date < settlement.day.date())
}

fn write(settlement: &Settlement) -> Counted {
    let row = if settlement.revision == 1 {
        Write::insert("settlements")
            .set("settlement_id", text(settlement.id))
            .set("date", text(settlement.day.date()))
            .set("cutoff", time(settlement.day.cutoff()))
            .set("previous_id", maybe(settlement.previous.map(text)))
            .set("started_at", time(settlement.started_at))
            .set("shards", int(settlement.shards))
    } else {
        Write::update("settlements").set("settlement_id", text(settlement.id))
    };
    row.set("status", name(settlement.status))
        .set("ended_at", maybe(settlement.ended_at.map(time)))
        .set("resumed", int(settlement.resumed))
        .set("payments", count(settlement.counts.payments))
        .set("refunds", count(settlement.counts.refunds))
        .set("refunds_returned", count(settlement.counts.refunds_returned))
        .set("carried_over", count(settlement.counts.carried_over))
        .set("set_aside", count(settlement.counts.set_aside))
        .set("dropped", count(settlement.counts.dropped))
        .set("totals", json(&settlement.totals))
        .set("failure", maybe(settlement.failure.as_ref().map(text)))
        .set("revision", count(settlement.revision))
        .build()
}

/// What one merchant gets, per currency.
pub(crate) async fn merchant_totals(
    reader: &dyn Reader,
    id: SettlementId,
    merchant: MerchantId,
) -> Result<Vec<Totals>> {
    let rows = reader.rows(TOTALS.read(prefix([text(id), text(merchant)]))).await?;
    sum(&rows)
}

/// Rows of totals, summed up per currency.
pub(crate) fn sum(rows: &[Row]) -> Result<Vec<Totals>> {
    let mut totals = TotalsByCurrency::default();
    for row in rows {
        totals.add(&read_totals(row)?).map_err(|error| wrong("settlement_totals", &error.to_string()))?;
    }
    Ok(totals.into_vec())
}

/// How many rows of totals are read at a time.
const READ_AT_ONCE: u32 = 5000;

/// The balances below zero of a settlement, a page of them, in the order of merchant and currency.
pub(crate) async fn negative_balances(
    reader: &dyn Reader,
    id: SettlementId,
    after: Option<(MerchantId, Currency)>,
    limit: u32,
) -> Result<Vec<(MerchantId, Balance)>> {
    let mut after: Option<(MerchantId, Currency, i64)> =
        after.map(|(merchant, currency)| (merchant, currency, i64::MAX));
    let (mut negative, mut sums): (Vec<_>, Option<(MerchantId, Balance)>) = (Vec::new(), None);
    let keep = |negative: &mut Vec<_>, sum: Option<(MerchantId, Balance)>| {
        negative.extend(sum.filter(|(_, balance)| balance.minor < 0));
    };
    loop {
        let range = match after {
            None => prefix([text(id)]),
            Some((merchant, currency, chunk)) => {
                let behind = [text(id), text(merchant), text(currency.code()), int(chunk)];
                KeyRange::open_closed(key(behind), key([text(id)]))
            }
        };
        let rows = reader.rows(TOTALS.read(range).limit(READ_AT_ONCE)).await?;
        for row in &rows {
            let (merchant, totals) = (row.text("merchant_id")?, read_totals(row)?);
            after = Some((merchant, totals.currency, row.int("chunk")?));
            match &mut sums {
                Some((of, balance)) if *of == merchant && balance.currency == totals.currency => {
                    balance.minor = balance
                        .minor
                        .checked_add(totals.net)
                        .ok_or_else(|| wrong("net", "comes to more than a number holds"))?;
                }
                _ => {
                    let balance = Balance { minor: totals.net, currency: totals.currency };
                    keep(&mut negative, sums.replace((merchant, balance)));
                    if negative.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
                        return Ok(negative);
                    }
                }
            }
        }
        if rows.len() < usize::try_from(READ_AT_ONCE).unwrap_or(usize::MAX) {
            break;
        }
    }
    keep(&mut negative, sums);
    Ok(negative)
}

/// The totals in a row.
pub(crate) fn read_totals(row: &Row) -> Result<Totals> {
    Ok(Totals {
        currency: row.text("currency")?,
        payments: row.int("payments")?,
        gross: row.int("gross")?,
        fees: row.int("fees")?,
        refunds: row.int("refunds")?,
        refunds_returned: row.int("refunds_returned")?,
        carried_over: row.int("carried_over")?,
        net: row.int("net")?,
    })
}

/// The counts in a row.
pub(crate) fn read_counts(row: &Row) -> Result<SettlementCounts> {
    Ok(SettlementCounts {
        payments: row.int("payments")?,
        refunds: row.int("refunds")?,
        refunds_returned: row.int("refunds_returned")?,
        carried_over: row.int("carried_over")?,
        set_aside: row.int("set_aside")?,
        dropped: row.int("dropped")?,
    })
}

fn read(row: &Row) -> Result<Settlement> {
    Ok(Settlement {
        id: row.text("settlement_id")?,
        day: SettlementDay::on(row.text("date")?),
        previous: row.maybe_text("previous_id")?,
        shards: row.int("shards")?,
        status: row.name("status")?,
        started_at: row.time("started_at")?,
        ended_at: row.maybe_time("ended_at")?,
        resumed: row.int("resumed")?,
        counts: read_counts(row)?,
        totals: row.json("totals")?,
        failure: row.maybe_string("failure")?,
        revision: row.int("revision")?,
    })
}
