//! What jobs have to look at next: reads of `payments` by the indexes that hold what is due and nothing else.

use rusqlite::{Connection, OptionalExtension, Result, params};
use tollgate_domain::{PaymentId, PaymentStatus, Timestamp};
use tollgate_gateway::ports::agenda::{Agendum, NextDue, Standing};

use super::{
    columns::{Count, Micros, Name, Text},
    deliveries,
};

// The column and its index; a statement cannot have a parameter for either.
const STUCK: &str = "SELECT due_at, id FROM payments INDEXED BY payments_due
     WHERE due_at <= ?1 AND (due_at, id) > (?2, ?3) ORDER BY due_at, id LIMIT ?4";
const TRUTH: &str = "SELECT truth_at, id FROM payments INDEXED BY payments_truth
     WHERE truth_at <= ?1 AND (truth_at, id) > (?2, ?3) ORDER BY truth_at, id LIMIT ?4";

/// What is due, the longest overdue first.
pub(super) fn due(
    connection: &Connection,
    what: Agendum,
    now: Timestamp,
    after: Option<(Timestamp, PaymentId)>,
    limit: u32,
) -> Result<Vec<(Timestamp, PaymentId)>> {
    let sql = match what {
        Agendum::Stuck => STUCK,
        Agendum::Truth => TRUTH,
    };
    let (at, id) = match after {
        Some((at, id)) => (at, id.to_string()),
        None => (Timestamp::MIN, String::new()),
    };
    let mut find = connection.prepare_cached(sql)?;
    find.query_map(params![Micros(now), Micros(at), id, limit], |row| {
        Ok((row.get::<_, Micros>(0)?.0, row.get::<_, Text<_>>(1)?.0))
    })?
    .collect()
}

/// Puts a payment off where it is still in that version.
pub(super) fn postpone(
    connection: &Connection,
    what: Agendum,
    payment: PaymentId,
    version: u64,
    at: Option<Timestamp>,
) -> Result<()> {
    let sql = match what {
        Agendum::Stuck => "UPDATE payments SET due_at = ?1 WHERE id = ?2 AND version = ?3",
        Agendum::Truth => "UPDATE payments SET truth_at = ?1 WHERE id = ?2 AND version = ?3",
    };
    connection.prepare_cached(sql)?.execute(params![at.map(Micros), Text(payment), Count(version)])?;
    Ok(())
}

/// When something is due next.
pub(super) fn next_due(connection: &Connection) -> Result<NextDue> {
    let first = |sql| {
        let found = connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, Micros>(0)).optional()?;
        Ok::<_, rusqlite::Error>(found.map(|at| at.0))
    };
    Ok(NextDue {
        delivery: deliveries::next_due(connection)?,
        stuck: first(
            "SELECT due_at FROM payments INDEXED BY payments_due WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1",
        )?,
        truth: first(
            "SELECT truth_at FROM payments INDEXED BY payments_truth WHERE truth_at IS NOT NULL
             ORDER BY truth_at LIMIT 1",
        )?,
    })
}

/// How many payments are past their time, and how many need review.
pub(super) fn standing(connection: &Connection, now: Timestamp) -> Result<Standing> {
    let mut count = connection.prepare_cached(
        "SELECT status, count(*) FROM payments INDEXED BY payments_due WHERE due_at <= ?1 GROUP BY status",
    )?;
    let stuck = count
        .query_map([Micros(now)], |row| Ok((row.get::<_, Name<PaymentStatus>>(0)?.0, row.get::<_, Count>(1)?.0)))?
        .collect::<Result<_>>()?;
    let need_review = connection
        .prepare_cached("SELECT count(*) FROM payments INDEXED BY payments_in_review WHERE review_since IS NOT NULL")?
        .query_row([], |row| row.get::<_, Count>(0))?
        .0;
    Ok(Standing { stuck, need_review })
}
