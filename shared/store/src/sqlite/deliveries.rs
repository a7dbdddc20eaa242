//! The tables `deliveries` (one per event: the outbox) and `delivery_attempts` (every try, insert-only).

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};
use tollgate_domain::{Delivery, MerchantId, PaymentId, Timestamp};
use tollgate_gateway::{
    ports::{
        deliveries::{DeliveryAttempt, Outgoing},
        queue::DeliveryDue,
    },
    records::EventRecord,
};

use super::{
    columns::{InOrder, Micros, Name, Text},
    merchants,
};

/// Writes the delivery of an event that is new.
pub(super) fn insert(connection: &Connection, event: &EventRecord) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO deliveries (payment_id, sequence, merchant_id, status, attempts, tries, next_attempt_at,
            waits_for_endpoint)
         VALUES (?1, ?2, ?3, 'PENDING', 0, 0, ?4, 0)",
    )?;
    let due = Micros(Delivery::born_due(event.at));
    insert.execute(params![Text(event.payment), event.sequence, Text(event.merchant), due])?;
    Ok(())
}

/// One delivery, with all that sending it needs.
pub(super) fn outgoing(connection: &Connection, payment: PaymentId, sequence: u32) -> Result<Option<Outgoing>> {
    let mut find = connection.prepare_cached(
        "SELECT delivery.*, event.id, event.kind, event.at, event.body
         FROM deliveries AS delivery JOIN events AS event USING (payment_id, sequence)
         WHERE payment_id = ?1 AND sequence = ?2",
    )?;
    let found =
        find.query_row(params![Text(payment), sequence], |row| Ok((read(row)?, row.get("body")?))).optional()?;
    let Some((delivery, body)) = found else { return Ok(None) };
    let endpoint = merchants::endpoint(connection, delivery.merchant)?;
    Ok(Some(Outgoing { delivery, body, endpoint }))
}

/// Writes a try and the delivery after it. `false`: the delivery is not as it was before.
pub(super) fn record_attempt(
    connection: &Connection,
    before: &Delivery,
    after: &Delivery,
    attempt: &DeliveryAttempt,
) -> Result<bool> {
    // The delivery first: it is the guard, and a try whose delivery is another by now must not stay.
    if !reschedule(connection, before, after)? {
        return Ok(false);
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO delivery_attempts (payment_id, sequence, number, at, http_status, error, duration)
         VALUES (:payment_id, :sequence, :number, :at, :http_status, :error, :duration)",
    )?;
    insert.execute(named_params! {
        ":payment_id": Text(after.payment),
        ":sequence": after.sequence,
        ":number": attempt.number,
        ":at": Micros(attempt.at),
        ":http_status": attempt.http_status,
        ":error": attempt.error,
        ":duration": i64::try_from(attempt.duration.as_micros()).unwrap_or(i64::MAX),
    })?;
    Ok(true)
}

/// Writes a delivery as it is after `before`. `false`: it is not as it was before, the time of its next try aside, which
/// every claim pushes.
pub(super) fn reschedule(connection: &Connection, before: &Delivery, after: &Delivery) -> Result<bool> {
    let mut update = connection.prepare_cached(
        "UPDATE deliveries SET status = :status, attempts = :attempts, tries = :tries,
            next_attempt_at = :next_attempt_at, waits_for_endpoint = :waits_for_endpoint
         WHERE payment_id = :payment_id AND sequence = :sequence AND status = :status_before
            AND attempts = :attempts_before AND tries = :tries_before AND waits_for_endpoint = :waits_before",
    )?;
    let rows = update.execute(named_params! {
        ":status": Name(after.status),
        ":attempts": after.attempts,
        ":tries": after.tries,
        ":next_attempt_at": after.next_attempt_at.map(Micros),
        ":waits_for_endpoint": after.waits_for_endpoint,
        ":payment_id": Text(before.payment),
        ":sequence": before.sequence,
        ":status_before": Name(before.status),
        ":attempts_before": before.attempts,
        ":tries_before": before.tries,
        ":waits_before": before.waits_for_endpoint,
    })?;
    Ok(rows == 1)
}

/// What is due, the longest overdue first. (One writer at a time: nobody else takes it before it is pushed.)
pub(super) fn claim_due(
    connection: &Connection,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<DeliveryDue>> {
    let mut find = connection.prepare_cached(
        "SELECT payment_id, sequence, merchant_id, attempts FROM deliveries INDEXED BY deliveries_due
         WHERE next_attempt_at <= ?1 ORDER BY next_attempt_at LIMIT ?2",
    )?;
    let due: Vec<DeliveryDue> = find
        .query_map(params![Micros(now), limit], |row| {
            Ok(DeliveryDue {
                payment: row.get::<_, Text<_>>("payment_id")?.0,
                sequence: row.get("sequence")?,
                merchant: row.get::<_, Text<_>>("merchant_id")?.0,
                attempt: row.get::<_, u32>("attempts")?.saturating_add(1),
            })
        })?
        .collect::<Result<_>>()?;
    let mut push = connection
        .prepare_cached("UPDATE deliveries SET next_attempt_at = ?1 WHERE payment_id = ?2 AND sequence = ?3")?;
    for delivery in &due {
        push.execute(params![Micros(until), Text(delivery.payment), delivery.sequence])?;
    }
    Ok(due)
}

/// All of a payment's, in order, each with its tries.
pub(super) fn of_payment(connection: &Connection, payment: PaymentId) -> Result<Vec<(Delivery, Vec<DeliveryAttempt>)>> {
    let snapshot = connection.unchecked_transaction()?;
    let mut find = snapshot.prepare_cached(
        "SELECT delivery.*, event.id, event.kind, event.at
         FROM deliveries AS delivery JOIN events AS event USING (payment_id, sequence)
         WHERE payment_id = ?1 ORDER BY sequence",
    )?;
    let deliveries: Vec<Delivery> = find.query_map([Text(payment)], read)?.collect::<Result<_>>()?;
    let mut tries = snapshot
        .prepare_cached("SELECT * FROM delivery_attempts WHERE payment_id = ?1 AND sequence = ?2 ORDER BY number")?;
    deliveries
        .into_iter()
        .map(|delivery| {
            let tries = tries.query_map(params![Text(payment), delivery.sequence], read_attempt)?;
            let tries = tries.collect::<Result<_>>()?;
            Ok((delivery, tries))
        })
        .collect()
}

/// Makes due what waits for the merchant's endpoint. Returns how many.
pub(super) fn release(connection: &Connection, merchant: MerchantId, at: Timestamp, limit: u32) -> Result<u32> {
    let rows = connection
        .prepare_cached(
            "UPDATE deliveries SET waits_for_endpoint = 0, next_attempt_at = ?1
             WHERE (payment_id, sequence) IN (SELECT payment_id, sequence FROM deliveries INDEXED BY deliveries_waiting
                WHERE merchant_id = ?2 AND waits_for_endpoint = 1 LIMIT ?3)",
        )?
        .execute(params![Micros(at), Text(merchant), limit])?;
    Ok(u32::try_from(rows).unwrap_or(u32::MAX))
}

/// Since when the one that has been due longest is due.
pub(super) fn oldest_due(connection: &Connection, now: Timestamp) -> Result<Option<Timestamp>> {
    connection
        .prepare_cached(OLDEST_DUE)?
        .query_row([Micros(now)], |row| row.get::<_, Micros>(0))
        .optional()
        .map(|at| at.map(|at| at.0))
}

const OLDEST_DUE: &str = "SELECT next_attempt_at FROM deliveries INDEXED BY deliveries_due
    WHERE next_attempt_at <= ?1 ORDER BY next_attempt_at LIMIT 1";

/// When the next is due.
pub(super) fn next_due(connection: &Connection) -> Result<Option<Timestamp>> {
    connection
        .prepare_cached(
            "SELECT next_attempt_at FROM deliveries INDEXED BY deliveries_due WHERE next_attempt_at IS NOT NULL
             ORDER BY next_attempt_at LIMIT 1",
        )?
        .query_row([], |row| row.get::<_, Micros>(0))
        .optional()
        .map(|at| at.map(|at| at.0))
}

pub(super) fn read(row: &Row<'_>) -> Result<Delivery> {
    let row = InOrder::of(row);
    Ok(Delivery {
        payment: row.get::<_, Text<_>>("payment_id")?.0,
        sequence: row.get("sequence")?,
        merchant: row.get::<_, Text<_>>("merchant_id")?.0,
        event: row.get::<_, Text<_>>("id")?.0,
        kind: row.get::<_, Name<_>>("kind")?.0,
        status: row.get::<_, Name<_>>("status")?.0,
        attempts: row.get("attempts")?,
        tries: row.get("tries")?,
        next_attempt_at: row.get::<_, Option<Micros>>("next_attempt_at")?.map(|at| at.0),
        waits_for_endpoint: row.get("waits_for_endpoint")?,
        created_at: row.get::<_, Micros>("at")?.0,
    })
}

fn read_attempt(row: &Row<'_>) -> Result<DeliveryAttempt> {
    let micros: i64 = row.get("duration")?;
    Ok(DeliveryAttempt {
        number: row.get("number")?,
        at: row.get::<_, Micros>("at")?.0,
        http_status: row.get("http_status")?,
        error: row.get("error")?,
        duration: std::time::Duration::from_micros(u64::try_from(micros).unwrap_or_default()),
    })
}
