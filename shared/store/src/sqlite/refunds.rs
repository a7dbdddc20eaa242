//! The table `refunds`: every refund, as it last was.

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params};
use tollgate_domain::{Currency, PaymentId, Refund, RefundId};

use super::columns::{FromJson, InOrder, Micros, Name, Text, ToJson, money};

/// Writes `refund` over what it was.
pub(super) fn upsert(connection: &Connection, refund: &Refund) -> Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO refunds (id, payment_id, status, currency, amount, reason, failure, reference, to_settle_at,
            settlement_id, created_at, updated_at)
         VALUES (:id, :payment_id, :status, :currency, :amount, :reason, :failure, :reference, :to_settle_at,
            :settlement_id, :created_at, :updated_at)
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, failure = excluded.failure,
            reference = excluded.reference, to_settle_at = excluded.to_settle_at,
            settlement_id = excluded.settlement_id, updated_at = excluded.updated_at",
    )?;
    upsert.execute(named_params! {
        ":id": Text(refund.id),
        ":payment_id": Text(refund.payment_id),
        ":status": Name(refund.status),
        ":currency": refund.amount.currency().code(),
        ":amount": refund.amount.minor(),
        ":reason": refund.reason,
        ":failure": refund.failure.as_ref().map(ToJson),
        ":reference": refund.provider_reference,
        ":to_settle_at": refund.to_settle_at.map(Micros),
        ":settlement_id": refund.settlement.map(Text),
        ":created_at": Micros(refund.created_at),
        ":updated_at": Micros(refund.updated_at),
    })?;
    Ok(())
}

/// One refund.
pub(super) fn find(connection: &Connection, id: RefundId) -> Result<Option<Refund>> {
    connection.prepare_cached("SELECT * FROM refunds WHERE id = ?1")?.query_row([Text(id)], read).optional()
}

/// A payment's refunds, oldest first.
pub(super) fn of_payment(connection: &Connection, payment: PaymentId) -> Result<Vec<Refund>> {
    let mut find = connection.prepare_cached("SELECT * FROM refunds WHERE payment_id = ?1 ORDER BY created_at, id")?;
    find.query_map([Text(payment)], read)?.collect()
}

pub(super) fn read(row: &Row<'_>) -> Result<Refund> {
    let row = &InOrder::of(row);
    let currency: Currency = row.get::<_, Text<_>>("currency")?.0;
    Ok(Refund {
        id: row.get::<_, Text<_>>("id")?.0,
        payment_id: row.get::<_, Text<_>>("payment_id")?.0,
        amount: money(row, "amount", currency)?,
        reason: row.get("reason")?,
        status: row.get::<_, Name<_>>("status")?.0,
        failure: row.get::<_, Option<FromJson<_>>>("failure")?.map(|json| json.0),
        provider_reference: row.get("reference")?,
        to_settle_at: row.get::<_, Option<Micros>>("to_settle_at")?.map(|at| at.0),
        settlement: row.get::<_, Option<Text<_>>>("settlement_id")?.map(|id| id.0),
        created_at: row.get::<_, Micros>("created_at")?.0,
        updated_at: row.get::<_, Micros>("updated_at")?.0,
    })
}
