//! The tables `settlement_lines`, `settlement_totals` and `settlement_set_aside`: what is in a settlement. Insert-only.

use std::collections::{BTreeMap, BTreeSet};

use google_cloud_spanner::key::KeyRange;
use tollgate_domain::{
    Currency, MerchantId, PaymentId, SettlementId,
    settlement::{LedgerSums, Line, LineKind, Totals, TotalsByCurrency},
};
use tollgate_gateway::ports::settlements::{Chunk, PlacedLine, SetAside};

use crate::{
    cells::{Row, count, int, maybe, name, text, time, wrong},
    error::Result,
    postings,
    reading::Reader,
    rows::{Counted, Source, Write, key, keys, prefix, ranges},
    settlements::{TOTALS, sum},
};

static LINES: Source = Source {
    table: "settlement_lines",
    index: None,
    columns: &[
        "merchant_id",
        "chunk",
        "number",
        "kind",
        "payment_id",
        "version",
        "refund_id",
        "currency",
        "gross",
        "fee",
        "net",
        "occurred_at",
    ],
};
static TOTALS_BY_CHUNK: Source = Source {
    table: "settlement_totals",
    index: Some("settlement_totals_by_chunk"),
    columns: &["merchant_id", "currency", "chunk"],
};
static OWN_NUMBERS: Source = Source { table: "payments", index: None, columns: &["payment_id", "merchant_reference"] };

/// Writes all that is in `chunk`, its change sets aside.
pub(crate) fn writes(chunk: &Chunk) -> impl Iterator<Item = Counted> + '_ {
    let lines = (1..).zip(&chunk.lines).map(|(number, line)| line_row(chunk, number, line));
    let totals = chunk.totals.iter().map(|(merchant, totals)| totals_row(chunk, *merchant, totals));
    lines.chain(totals).chain(chunk.set_aside.iter().map(|one| set_aside_row(chunk, one)))
}

fn line_row(chunk: &Chunk, number: u32, line: &Line) -> Counted {
    Write::insert("settlement_lines")
        .set("settlement_id", text(chunk.settlement))
        .set("merchant_id", text(line.merchant))
        .set("chunk", int(chunk.number))
        .set("number", int(number))
        .set("kind", name(line.kind))
        .set("payment_id", maybe(line.payment.map(|(id, _)| text(id))))
        .set("version", maybe(line.payment.map(|(_, version)| count(version))))
        .set("refund_id", maybe(line.refund.map(text)))
        .set("currency", text(line.currency.code()))
        .set("gross", int(line.gross))
        .set("fee", int(line.fee))
        .set("net", int(line.net))
        .set("occurred_at", time(line.at))
        .build()
}

fn totals_row(chunk: &Chunk, merchant: MerchantId, totals: &Totals) -> Counted {
    Write::insert("settlement_totals")
        .set("settlement_id", text(chunk.settlement))
        .set("merchant_id", text(merchant))
        .set("currency", text(totals.currency.code()))
        .set("chunk", int(chunk.number))
        .set("payments", count(totals.payments))
        .set("gross", int(totals.gross))
        .set("fees", int(totals.fees))
        .set("refunds", int(totals.refunds))
        .set("refunds_returned", int(totals.refunds_returned))
        .set("carried_over", int(totals.carried_over))
        .set("net", int(totals.net))
        .build()
}

/// One that was set aside in an earlier chunk of the settlement may be again.
fn set_aside_row(chunk: &Chunk, one: &SetAside) -> Counted {
    Write::upsert("settlement_set_aside")
        .set("settlement_id", text(chunk.settlement))
        .set("payment_id", text(one.payment))
        .set("merchant_id", text(one.merchant))
        .set("reason", text(one.reason))
        .set("chunk", int(chunk.number))
        .set("occurred_at", time(chunk.at))
        .build()
}

/// A page of a merchant's lines, in order.
pub(crate) async fn page(
    reader: &dyn Reader,
    id: SettlementId,
    merchant: MerchantId,
    after: Option<(u32, u32)>,
    limit: u32,
) -> Result<Vec<PlacedLine>> {
    let all = [text(id), text(merchant)];
    let range = match after {
        None => prefix(all),
        Some((chunk, number)) => {
            KeyRange::open_closed(key([text(id), text(merchant), int(chunk), int(number)]), key(all))
        }
    };
    let rows = reader.rows(LINES.read(range).limit(limit)).await?;
    let lines = rows.iter().map(|row| Ok(((row.int("chunk")?, row.int("number")?), read(row)?)));
    let lines = lines.collect::<Result<Vec<((u32, u32), Line)>>>()?;
    let payments: BTreeSet<PaymentId> = lines.iter().filter_map(|(_, line)| Some(line.payment?.0)).collect();
    let mut own_numbers: BTreeMap<PaymentId, Option<String>> = BTreeMap::new();
    if !payments.is_empty() {
        for row in reader.rows(OWN_NUMBERS.read(keys(payments.iter().map(|id| key([text(*id)]))))).await? {
            own_numbers.insert(row.text("payment_id")?, row.maybe_string("merchant_reference")?);
        }
    }
    let placed = lines.into_iter().map(|(place, line)| {
        let merchant_reference = line.payment.and_then(|(id, _)| own_numbers.get(&id).cloned().flatten());
        PlacedLine { place, line, merchant_reference }
    });
    Ok(placed.collect())
}

fn read(row: &Row) -> Result<Line> {
    Ok(Line {
        merchant: row.text("merchant_id")?,
        kind: row.name("kind")?,
        payment: row.maybe_text("payment_id")?.zip(row.maybe_int("version")?),
        refund: row.maybe_text("refund_id")?,
        currency: row.text("currency")?,
        gross: row.int("gross")?,
        fee: row.int("fee")?,
        net: row.int("net")?,
        at: row.time("occurred_at")?,
    })
}

/// What is in a chunk: the totals that were written with it, and its lines, which are found by way of the merchants that those
/// name. A line that they do not name is missed here, and missed in the count.
pub(crate) async fn of_chunk(reader: &dyn Reader, id: SettlementId, chunk: u32) -> Result<(Vec<Totals>, Vec<Line>)> {
    let named = reader.rows(TOTALS_BY_CHUNK.read(prefix([text(id), int(chunk)]))).await?;
    if named.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let mut places: BTreeSet<(MerchantId, Currency)> = BTreeSet::new();
    for row in &named {
        places.insert((row.text("merchant_id")?, row.text("currency")?));
    }
    let merchants: BTreeSet<MerchantId> = places.iter().map(|(merchant, _)| *merchant).collect();
    let totals =
        places.iter().map(|(merchant, currency)| key([text(id), text(*merchant), text(currency.code()), int(chunk)]));
    let lines = merchants.iter().map(|merchant| prefix([text(id), text(*merchant), int(chunk)]));
    let found = reader.all(vec![TOTALS.read(keys(totals)), LINES.read(ranges(lines))]).await?;
    let [totals, lines] = &found[..] else { return Err(crate::error::Trouble::Impossible("two reads, two answers")) };
    let lines = lines.iter().map(read).collect::<Result<Vec<_>>>()?;
    let named = |line: &Line| places.contains(&(line.merchant, line.currency));
    Ok((sum(totals)?, lines.into_iter().filter(named).collect()))
}

/// What lines come to.
pub(crate) fn line_totals(lines: &[Line]) -> Result<Vec<Totals>> {
    let mut totals = TotalsByCurrency::default();
    for line in lines {
        let mut one = Totals { net: line.net, ..Totals::none(line.currency) };
        match line.kind {
            LineKind::Payment => (one.payments, one.gross, one.fees) = (1, line.gross, line.fee),
            LineKind::Refund => one.refunds = -line.gross,
            LineKind::RefundReturned => one.refunds_returned = line.gross,
            LineKind::CarriedOver => one.carried_over = line.gross,
        }
        totals.add(&one).map_err(|error| wrong("settlement_lines", &error.to_string()))?;
    }
    Ok(totals.into_vec())
}

/// What the postings say of the payments' versions that lines name.
pub(crate) async fn ledger_sums(reader: &dyn Reader, lines: &[Line]) -> Result<Vec<LedgerSums>> {
    let mut merchants: BTreeMap<(PaymentId, u64), MerchantId> = BTreeMap::new();
    for line in lines {
        merchants.extend(line.payment.map(|place| (place, line.merchant)));
    }
    if merchants.is_empty() {
        return Ok(Vec::new());
    }
    let named = merchants.keys().map(|(payment, version)| prefix([text(*payment), count(*version)]));
    let mut sums: BTreeMap<Currency, LedgerSums> = BTreeMap::new();
    for row in reader.rows(postings::POSTINGS.read(ranges(named))).await? {
        let (payment, posting) = (row.text("payment_id")?, postings::read(&row)?);
        let Some(merchant) = merchants.get(&(payment, posting.version)) else { continue };
        let currency: Currency = row.text("currency")?;
        let sum = sums.entry(currency).or_insert(LedgerSums { currency, gross: 0, fees: 0, net: 0, elsewhere: 0 });
        add_posting(sum, &posting.account, posting.minor, *merchant)
            .ok_or_else(|| wrong("minor", "comes to more than a number holds"))?;
    }
    Ok(sums.into_values().collect())
}

/// `None`: it comes to more than a number holds.
fn add_posting(sum: &mut LedgerSums, account: &str, minor: i64, merchant: MerchantId) -> Option<()> {
    let (place, by) = match account.split_once(':') {
        Some(("pending", whose)) if whose == merchant.to_string() => (&mut sum.gross, minor),
        Some(("available", whose)) if whose == merchant.to_string() => (&mut sum.net, minor.checked_neg()?),
        None if account == "fee_income" => (&mut sum.fees, minor.checked_neg()?),
        _ => (&mut sum.elsewhere, minor.checked_abs()?),
    };
    *place = place.checked_add(by)?;
    Some(())
}
