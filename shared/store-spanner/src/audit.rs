//! The books of payments, read whole for the job that checks them, and the table `invariant_violations`: what it found.

use std::collections::{BTreeMap, BTreeSet};

use google_cloud_spanner::{
    key::{KeyRange, KeySet},
    mutation::Mutation,
};
use tollgate_domain::{
    PaymentId,
    audit::{Books, Invariant, Span},
};

use crate::{
    cells::{Row, name, text},
    change_set::index_entries,
    error::{Result, readable},
    operations, payments, postings,
    reading::{Reader, Snapshot},
    refunds,
    rows::{Counted, Kind, Source, Write, key, prefix, ranges},
};

static VERSIONS: Source = Source { table: "history", index: None, columns: &["payment_id", "version"] };
static EVENTS: Source = Source { table: "events", index: None, columns: &["payment_id", "sequence"] };
static DELIVERIES: Source = Source { table: "deliveries", index: None, columns: &["payment_id", "sequence"] };
static VIOLATIONS: Source = Source {
    table: "invariant_violations",
    index: Some("invariant_violations_by_invariant"),
    columns: &["invariant", "payment_id"],
};

static VIOLATORS: Source = Source { table: "invariant_violations", index: None, columns: &["payment_id"] };

/// More than so many violations are not counted.
const COUNTED_AT_MOST: u32 = 100_000;

/// Rows by the payment that they belong to.
type ByPayment = BTreeMap<PaymentId, Vec<Row>>;

/// Payments in the order of their ids, all as of one moment.
pub(crate) async fn books(
    snapshot: &Snapshot<'_>,
    after: Option<PaymentId>,
    limit: u32,
) -> Result<Vec<(PaymentId, Option<Books>)>> {
    let range = match after {
        None => KeyRange::closed_closed(key([]), key([])),
        Some(id) => KeyRange::open_closed(key([text(id)]), key([])),
    };
    let found = snapshot.rows(payments::PAYMENTS.read(range).limit(limit)).await?;
    let ids = found.iter().map(|row| row.text("payment_id")).collect::<Result<Vec<PaymentId>>>()?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let kept = [&operations::OPERATIONS, &postings::POSTINGS, &refunds::REFUNDS, &VERSIONS, &EVENTS, &DELIVERIES];
    let all = || ranges(ids.iter().map(|id| prefix([text(*id)])));
    let rows = snapshot.all(kept.into_iter().map(|source| source.read(all())).collect()).await?;
    let mut kept = rows.into_iter().map(by_payment).collect::<Result<Vec<ByPayment>>>()?;
    let mut books = Vec::with_capacity(ids.len());
    for (id, row) in ids.into_iter().zip(&found) {
        let its: Vec<Vec<Row>> = kept.iter_mut().map(|rows| rows.remove(&id).unwrap_or_default()).collect();
        books.push((id, readable(id, books_of(row, &its))?));
    }
    Ok(books)
}

fn by_payment(rows: Vec<Row>) -> Result<ByPayment> {
    let mut by_payment = ByPayment::new();
    for row in rows {
        by_payment.entry(row.text("payment_id")?).or_default().push(row);
    }
    Ok(by_payment)
}

/// `its`: the rows of each table, in the order that [`books`] reads them.
fn books_of(payment: &Row, its: &[Vec<Row>]) -> Result<Books> {
    let [operations, postings, refunds, versions, events, deliveries] = its else {
        return Err(crate::error::Trouble::Impossible("not every table was read"));
    };
    let of_operation = |row: &Row| operations::read(row).map(|operation| (operation.number, operation.state));
    Ok(Books {
        payment: payments::read(payment)?,
        postings: postings.iter().map(postings::read).collect::<Result<_>>()?,
        refunds: refunds::read_all(refunds)?,
        operations: operations.iter().map(of_operation).collect::<Result<_>>()?,
        versions: span(versions, "version")?,
        events: span(events, "sequence")?,
        deliveries: span(deliveries, "sequence")?,
    })
}

fn span(rows: &[Row], column: &'static str) -> Result<Span> {
    let numbers = rows.iter().map(|row| row.int(column)).collect::<Result<Vec<u64>>>()?;
    let (first, last) = (numbers.iter().min(), numbers.iter().max());
    Ok(Span {
        count: numbers.len() as u64,
        first: first.copied().unwrap_or_default(),
        last: last.copied().unwrap_or_default(),
    })
}

/// Keeps what was found behind `after` up to `upto`, in place of what was there.
pub(crate) fn keep(after: Option<PaymentId>, upto: PaymentId, found: &[(PaymentId, Invariant)]) -> Vec<Counted> {
    let upto = key([text(upto)]);
    let range = match after {
        None => KeyRange::closed_closed(key([]), upto),
        Some(after) => KeyRange::open_closed(key([text(after)]), upto),
    };
    let table = "invariant_violations";
    let weight = 1 + index_entries(table, Kind::Insert, &["invariant"]);
    let forget = Counted { mutation: Mutation::delete(table, ranges([range])), weight };
    let keep = found.iter().map(|(payment, invariant)| {
        Write::upsert(table).set("payment_id", text(*payment)).set("invariant", name(*invariant)).build()
    });
    [forget].into_iter().chain(keep).collect()
}

/// How many payments violate each invariant.
pub(crate) async fn violations(reader: &dyn Reader) -> Result<Vec<(Invariant, u64)>> {
    // All that is in this table is what somebody has to look at.
    let rows = reader.rows(VIOLATIONS.read(KeySet::all()).limit(COUNTED_AT_MOST)).await?;
    let violated = rows.iter().map(|row| row.name("invariant")).collect::<Result<Vec<Invariant>>>()?;
    let count = |invariant: Invariant| violated.iter().filter(|one| **one == invariant).count() as u64;
    Ok(Invariant::ALL.into_iter().map(|one| (one, count(one))).filter(|(_, count)| *count > 0).collect())
}

/// Which of `among` violate any.
pub(crate) async fn violators(reader: &dyn Reader, among: &[PaymentId]) -> Result<BTreeSet<PaymentId>> {
    if among.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = reader.rows(VIOLATORS.read(ranges(among.iter().map(|id| prefix([text(*id)]))))).await?;
    rows.iter().map(|row| row.text("payment_id")).collect()
}
