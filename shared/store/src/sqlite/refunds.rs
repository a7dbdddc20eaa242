//! The table `refunds`: every refund, as it last was.

use rusqlite::{Connection, Result, named_params};
use tollgate_domain::Refund;

use super::columns::{Micros, Name, Text, ToJson};

/// Writes `refund` over what it was.
pub(super) fn upsert(connection: &Connection, refund: &Refund) -> Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO refunds (id, payment_id, status, currency, amount, reason, failure, reference, created_at,
            updated_at)
         VALUES (:id, :payment_id, :status, :currency, :amount, :reason, :failure, :reference, :created_at,
            :updated_at)
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, failure = excluded.failure,
            reference = excluded.reference, updated_at = excluded.updated_at",
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
        ":created_at": Micros(refund.created_at),
        ":updated_at": Micros(refund.updated_at),
    })?;
    Ok(())
}
