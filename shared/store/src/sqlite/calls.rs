//! The table `provider_calls`: the audit trail of calls, allow-listed fields only.

use std::time::Duration;

use rusqlite::{Connection, Result, Row, named_params};
use tollgate_domain::PaymentId;
use tollgate_gateway::records::ProviderCall;

use super::columns::{Count, InOrder, Micros, Name, Text};

/// Writes a call; one that is written already stays as it is.
pub(super) fn insert(connection: &Connection, call: &ProviderCall) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO provider_calls (payment_id, id, operation, version, provider, call, outcome, http_status,
            reference, provider_code, duration, at, correlation_id)
         VALUES (:payment_id, :id, :operation, :version, :provider, :call, :outcome, :http_status,
            :reference, :provider_code, :duration, :at, :correlation_id)
         ON CONFLICT (payment_id, id) DO NOTHING",
    )?;
    insert.execute(named_params! {
        ":payment_id": Text(call.payment),
        ":id": Text(call.id),
        ":operation": call.operation,
        ":version": Count(call.version),
        ":provider": Name(call.provider),
        ":call": call.call,
        ":outcome": call.outcome,
        ":http_status": call.http_status,
        ":reference": call.reference,
        ":provider_code": call.provider_code,
        ":duration": Count(u64::try_from(call.duration.as_micros()).unwrap_or(u64::MAX)),
        ":at": Micros(call.at),
        ":correlation_id": call.correlation_id,
    })?;
    Ok(())
}

/// All of a payment's, in order of commit.
pub(super) fn of_payment(connection: &Connection, payment: PaymentId) -> Result<Vec<ProviderCall>> {
    connection
        .prepare_cached("SELECT * FROM provider_calls WHERE payment_id = ?1 ORDER BY rowid")?
        .query_map([Text(payment)], read)?
        .collect()
}

fn read(row: &Row<'_>) -> Result<ProviderCall> {
    let row = InOrder::of(row);
    Ok(ProviderCall {
        id: row.get::<_, Text<_>>("id")?.0,
        payment: row.get::<_, Text<_>>("payment_id")?.0,
        operation: row.get("operation")?,
        version: row.get::<_, Count>("version")?.0,
        provider: row.get::<_, Name<_>>("provider")?.0,
        call: row.get("call")?,
        outcome: row.get("outcome")?,
        http_status: row.get("http_status")?,
        reference: row.get("reference")?,
        provider_code: row.get("provider_code")?,
        duration: Duration::from_micros(row.get::<_, Count>("duration")?.0),
        at: row.get::<_, Micros>("at")?.0,
        correlation_id: row.get("correlation_id")?,
    })
}
