//! The tables `settlement_lines`, `settlement_totals` and `settlement_set_aside`: what is in a settlement. Insert-only.

use rusqlite::{Connection, Result, Row, named_params, params};
use tollgate_domain::{
    Currency, MerchantId, SettlementId,
    settlement::{Balance, LedgerSums, Line, LineKind, Totals, TotalsByCurrency},
};
use tollgate_gateway::ports::settlements::{Chunk, PlacedLine};

use super::{
    columns::{Count, Micros, Name, Text},
    settlements,
};

/// Writes all that is in `chunk`.
pub(super) fn insert(connection: &Connection, chunk: &Chunk) -> Result<()> {
    let mut lines: Vec<(u32, &Line)> = (1..).zip(&chunk.lines).collect();
    // By key: rows that are neighbours are written one after the other.
    lines.sort_by_key(|(_, line)| line.merchant);
    for (number, line) in lines {
        insert_line(connection, chunk, number, line)?;
    }
    for (merchant, totals) in &chunk.totals {
        insert_totals(connection, chunk, *merchant, totals)?;
    }
    let mut set_aside = connection.prepare_cached(
        "INSERT INTO settlement_set_aside (settlement_id, payment_id, merchant_id, reason, chunk, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO NOTHING",
    )?;
    for one in &chunk.set_aside {
        let (payment, merchant) = (Text(one.payment), Text(one.merchant));
        set_aside.execute(params![
            Text(chunk.settlement),
            payment,
            merchant,
            one.reason,
            chunk.number,
            Micros(chunk.at)
        ])?;
    }
    Ok(())
}

fn insert_line(connection: &Connection, chunk: &Chunk, number: u32, line: &Line) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO settlement_lines (settlement_id, merchant_id, chunk, number, kind, payment_id, version, refund_id,
            currency, gross, fee, net, at)
         VALUES (:settlement_id, :merchant_id, :chunk, :number, :kind, :payment_id, :version, :refund_id,
            :currency, :gross, :fee, :net, :at)",
    )?;
    insert.execute(named_params! {
        ":settlement_id": Text(chunk.settlement),
        ":merchant_id": Text(line.merchant),
        ":chunk": chunk.number,
        ":number": number,
        ":kind": Name(line.kind),
        ":payment_id": line.payment.map(|(id, _)| Text(id)),
        ":version": line.payment.map(|(_, version)| Count(version)),
        ":refund_id": line.refund.map(Text),
        ":currency": line.currency.code(),
        ":gross": line.gross,
        ":fee": line.fee,
        ":net": line.net,
        ":at": Micros(line.at),
    })?;
    Ok(())
}

fn insert_totals(connection: &Connection, chunk: &Chunk, merchant: MerchantId, totals: &Totals) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO settlement_totals (settlement_id, merchant_id, currency, chunk, payments, gross, fees, refunds,
            refunds_returned, carried_over, net)
         VALUES (:settlement_id, :merchant_id, :currency, :chunk, :payments, :gross, :fees, :refunds,
            :refunds_returned, :carried_over, :net)",
    )?;
    insert.execute(named_params! {
        ":settlement_id": Text(chunk.settlement),
        ":merchant_id": Text(merchant),
        ":currency": totals.currency.code(),
        ":chunk": chunk.number,
        ":payments": Count(totals.payments),
        ":gross": totals.gross,
        ":fees": totals.fees,
        ":refunds": totals.refunds,
        ":refunds_returned": totals.refunds_returned,
        ":carried_over": totals.carried_over,
        ":net": totals.net,
    })?;
    Ok(())
}

/// A page of a merchant's lines, in order.
pub(super) fn page(
    connection: &Connection,
    id: SettlementId,
    merchant: MerchantId,
    after: Option<(u32, u32)>,
    limit: u32,
) -> Result<Vec<PlacedLine>> {
    let (chunk, number) = after.unwrap_or_default();
    let mut list = connection.prepare_cached(
        "SELECT line.*, payment.merchant_reference
         FROM settlement_lines AS line LEFT JOIN payments AS payment ON payment.id = line.payment_id
         WHERE line.settlement_id = ?1 AND line.merchant_id = ?2 AND (line.chunk, line.number) > (?3, ?4)
         ORDER BY line.chunk, line.number LIMIT ?5",
    )?;
    list.query_map(params![Text(id), Text(merchant), chunk, number, limit], |row| {
        Ok(PlacedLine {
            place: (row.get("chunk")?, row.get("number")?),
            line: read(row)?,
            merchant_reference: row.get("merchant_reference")?,
        })
    })?
    .collect()
}

fn read(row: &Row<'_>) -> Result<Line> {
    let payment = row.get::<_, Option<Text<_>>>("payment_id")?.map(|id| id.0);
    let version = row.get::<_, Option<Count>>("version")?.map(|version| version.0);
    Ok(Line {
        merchant: row.get::<_, Text<_>>("merchant_id")?.0,
        kind: row.get::<_, Name<_>>("kind")?.0,
        payment: payment.zip(version),
        refund: row.get::<_, Option<Text<_>>>("refund_id")?.map(|id| id.0),
        currency: row.get::<_, Text<_>>("currency")?.0,
        gross: row.get("gross")?,
        fee: row.get("fee")?,
        net: row.get("net")?,
        at: row.get::<_, Micros>("at")?.0,
    })
}

/// The balances below zero of a settlement, a page of them.
pub(super) fn negative_balances(
    connection: &Connection,
    id: SettlementId,
    after: Option<(MerchantId, Currency)>,
    limit: u32,
) -> Result<Vec<(MerchantId, Balance)>> {
    let (merchant, currency) =
        after.map_or_else(Default::default, |(merchant, currency)| (merchant.to_string(), currency.code().to_owned()));
    let mut list = connection.prepare_cached(
        "SELECT merchant_id, currency, sum(net) FROM settlement_totals
         WHERE settlement_id = ?1 AND (merchant_id, currency) > (?2, ?3)
         GROUP BY merchant_id, currency HAVING sum(net) < 0 ORDER BY merchant_id, currency LIMIT ?4",
    )?;
    list.query_map(params![Text(id), merchant, currency, limit], |row| {
        let balance = Balance { currency: row.get::<_, Text<_>>(1)?.0, minor: row.get(2)? };
        Ok((row.get::<_, Text<_>>(0)?.0, balance))
    })?
    .collect()
}

/// What the totals written with a chunk come to.
pub(super) fn chunk_totals(connection: &Connection, id: SettlementId, chunk: u32) -> Result<Vec<Totals>> {
    let mut sum = connection.prepare_cached(
        "SELECT currency, sum(payments) AS payments, sum(gross) AS gross, sum(fees) AS fees, sum(refunds) AS refunds,
            sum(refunds_returned) AS refunds_returned, sum(carried_over) AS carried_over, sum(net) AS net
         FROM settlement_totals INDEXED BY settlement_totals_by_chunk
         WHERE settlement_id = ?1 AND chunk = ?2 GROUP BY currency ORDER BY currency",
    )?;
    sum.query_map(params![Text(id), chunk], settlements::totals)?.collect()
}

// A chunk's lines are found by way of its totals, which name its merchants: they need no index of their own. A line that
// they do not name is missed here, and missed in the count.
macro_rules! lines_of_chunk {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " FROM settlement_totals AS total INDEXED BY settlement_totals_by_chunk
              CROSS JOIN settlement_lines AS line ON line.settlement_id = total.settlement_id
                 AND line.merchant_id = total.merchant_id AND line.chunk = total.chunk AND line.currency = total.currency ",
            $after
        )
    };
}

const LINES: &str = lines_of_chunk!(
    "SELECT line.kind, line.currency, count(*), sum(line.gross), sum(line.fee), sum(line.net)",
    "WHERE total.settlement_id = ?1 AND total.chunk = ?2 GROUP BY line.currency, line.kind"
);
const LEDGER: &str = lines_of_chunk!(
    "SELECT posting.currency,
        sum(CASE WHEN posting.account = 'pending:' || line.merchant_id THEN posting.minor ELSE 0 END),
        -sum(CASE WHEN posting.account = 'fee_income' THEN posting.minor ELSE 0 END),
        -sum(CASE WHEN posting.account = 'available:' || line.merchant_id THEN posting.minor ELSE 0 END),
        sum(CASE WHEN posting.account IN
            ('pending:' || line.merchant_id, 'fee_income', 'available:' || line.merchant_id)
            THEN 0 ELSE abs(posting.minor) END)",
    "CROSS JOIN postings AS posting ON posting.payment_id = line.payment_id AND posting.version = line.version
     WHERE total.settlement_id = ?1 AND total.chunk = ?2 GROUP BY posting.currency"
);

/// What the lines of a chunk come to.
pub(super) fn line_totals(connection: &Connection, id: SettlementId, chunk: u32) -> Result<Vec<Totals>> {
    let mut sum = connection.prepare_cached(LINES)?;
    let mut rows = sum.query(params![Text(id), chunk])?;
    let mut totals = TotalsByCurrency::default();
    while let Some(row) = rows.next()? {
        let currency: Currency = row.get::<_, Text<_>>(1)?.0;
        let (count, gross, fees): (Count, i64, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let mut one = Totals { net: row.get(5)?, ..Totals::none(currency) };
        match row.get::<_, Name<_>>(0)?.0 {
            LineKind::Payment => (one.payments, one.gross, one.fees) = (count.0, gross, fees),
            LineKind::Refund => one.refunds = -gross,
            LineKind::RefundReturned => one.refunds_returned = gross,
            LineKind::CarriedOver => one.carried_over = gross,
        }
        totals.add(&one).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(3, gross))?;
    }
    Ok(totals.into_vec())
}

/// What the postings say of the payments' versions that a chunk's lines name.
pub(super) fn ledger_sums(connection: &Connection, id: SettlementId, chunk: u32) -> Result<Vec<LedgerSums>> {
    let mut sum = connection.prepare_cached(LEDGER)?;
    sum.query_map(params![Text(id), chunk], |row| {
        let currency = row.get::<_, Text<_>>(0)?.0;
        Ok(LedgerSums { currency, gross: row.get(1)?, fees: row.get(2)?, net: row.get(3)?, elsewhere: row.get(4)? })
    })?
    .collect()
}
