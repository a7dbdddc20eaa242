//! The books of payments, read whole for the job that checks them, and the table `invariant_violations`: what it found.

use std::collections::BTreeSet;

use rusqlite::{Connection, Result, Row, params};
use tollgate_domain::{
    PaymentId,
    audit::{Booked, Books, Invariant, Span},
};

use super::{
    columns::{Count, Name, Text},
    error::readable,
    payments, refunds,
};

/// Payments in the order of their ids, all read in one transaction.
pub(super) fn books(
    connection: &Connection,
    after: Option<PaymentId>,
    limit: u32,
) -> Result<Vec<(PaymentId, Option<Books>)>> {
    let snapshot = connection.unchecked_transaction()?;
    let all = books_within(&snapshot, after, limit)?;
    snapshot.commit()?;
    Ok(all)
}

/// The same, within the transaction that `snapshot` has open.
pub(super) fn books_within(
    snapshot: &Connection,
    after: Option<PaymentId>,
    limit: u32,
) -> Result<Vec<(PaymentId, Option<Books>)>> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    let ids: Vec<PaymentId> = snapshot
        .prepare_cached("SELECT id FROM payments WHERE id > ?1 ORDER BY id LIMIT ?2")?
        .query_map(params![after, limit], |row| row.get::<_, Text<_>>(0).map(|id| id.0))?
        .collect::<Result<_>>()?;
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        all.push((id, readable(id, books_of(snapshot, id))?.flatten()));
    }
    Ok(all)
}

fn books_of(connection: &Connection, id: PaymentId) -> Result<Option<Books>> {
    let Some(payment) = payments::find(connection, id)? else { return Ok(None) };
    let operations = connection
        .prepare_cached("SELECT number, record ->> 'state' FROM operations WHERE payment_id = ?1")?
        .query_map([Text(id)], |row| Ok((row.get(0)?, row.get::<_, Name<_>>(1)?.0)))?
        .collect::<Result<_>>()?;
    let span = |sql| connection.prepare_cached(sql)?.query_row([Text(id)], read_span);
    Ok(Some(Books {
        payment,
        postings: postings(connection, id)?,
        refunds: refunds::of_payment(connection, id)?,
        operations,
        versions: span("SELECT count(*), min(version), max(version) FROM history WHERE payment_id = ?1")?,
        events: span("SELECT count(*), min(sequence), max(sequence) FROM events WHERE payment_id = ?1")?,
        deliveries: span("SELECT count(*), min(sequence), max(sequence) FROM deliveries WHERE payment_id = ?1")?,
    }))
}

/// A payment's ledger lines.
pub(super) fn postings(connection: &Connection, id: PaymentId) -> Result<Vec<Booked>> {
    let mut find =
        connection.prepare_cached("SELECT version, account, currency, minor FROM postings WHERE payment_id = ?1")?;
    let read = |row: &Row<'_>| {
        let version = row.get::<_, Count>("version")?.0;
        Ok(Booked { version, account: row.get("account")?, currency: row.get("currency")?, minor: row.get("minor")? })
    };
    find.query_map([Text(id)], read)?.collect()
}

fn read_span(row: &Row<'_>) -> Result<Span> {
    let number = |index| row.get::<_, Option<Count>>(index).map(|number| number.map_or(0, |number| number.0));
    Ok(Span { count: number(0)?, first: number(1)?, last: number(2)? })
}

/// Keeps what was found behind `after` up to `upto`, in place of what was there.
pub(super) fn keep(
    connection: &Connection,
    after: Option<PaymentId>,
    upto: PaymentId,
    found: &[(PaymentId, Invariant)],
) -> Result<()> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    connection
        .prepare_cached("DELETE FROM invariant_violations WHERE payment_id > ?1 AND payment_id <= ?2")?
        .execute(params![after, Text(upto)])?;
    let mut insert =
        connection.prepare_cached("INSERT INTO invariant_violations (payment_id, invariant) VALUES (?1, ?2)")?;
    for (payment, invariant) in found {
        insert.execute(params![Text(*payment), Name(*invariant)])?;
    }
    Ok(())
}

/// How many payments violate each invariant.
pub(super) fn violations(connection: &Connection) -> Result<Vec<(Invariant, u64)>> {
    let mut count = connection.prepare_cached("SELECT count(*) FROM invariant_violations WHERE invariant = ?1")?;
    let mut all = Vec::new();
    for invariant in Invariant::ALL {
        let violated = count.query_row([Name(invariant)], |row| row.get::<_, Count>(0))?.0;
        if violated > 0 {
            all.push((invariant, violated));
        }
    }
    Ok(all)
}

/// Which of `among` violate any.
pub(super) fn violators(connection: &Connection, among: &[PaymentId]) -> Result<BTreeSet<PaymentId>> {
    let mut find = connection.prepare_cached("SELECT 1 FROM invariant_violations WHERE payment_id = ?1 LIMIT 1")?;
    let mut violators = BTreeSet::new();
    for id in among {
        if find.exists([Text(*id)])? {
            violators.insert(*id);
        }
    }
    Ok(violators)
}
