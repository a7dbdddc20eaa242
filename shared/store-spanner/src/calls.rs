//! The table `provider_calls`: the audit trail of calls, allow-listed fields only.

use std::time::Duration;

use tollgate_domain::{ChangeId, PaymentId, Timestamp};
use tollgate_gateway::records::ProviderCall;

use crate::{
    cells::{Row, commit_time, count, int, maybe, name, text, time},
    error::Result,
    rows::{Asked, Counted, Source, Write, key, keys, prefix},
};

static CALLS: Source = Source {
    table: "provider_calls",
    index: None,
    columns: &[
        "payment_id",
        "call_id",
        "place",
        "operation",
        "version",
        "provider",
        "call",
        "outcome",
        "http_status",
        "reference",
        "provider_code",
        "duration",
        "occurred_at",
        "correlation_id",
        "committed_at",
    ],
};
static IDS: Source = Source { table: "provider_calls", index: None, columns: &["call_id"] };

/// Writes a call that is not written yet; `place` is its own among those of its commit.
pub(crate) fn insert(place: u32, call: &ProviderCall) -> Counted {
    Write::insert("provider_calls")
        .set("payment_id", text(call.payment))
        .set("call_id", text(call.id))
        .set("place", int(place))
        .set("operation", int(call.operation))
        .set("version", count(call.version))
        .set("provider", name(call.provider))
        .set("call", text(&call.call))
        .set("outcome", text(&call.outcome))
        .set("http_status", maybe(call.http_status.map(int)))
        .set("reference", maybe(call.reference.as_ref().map(text)))
        .set("provider_code", maybe(call.provider_code.as_ref().map(text)))
        .set("duration", count(u64::try_from(call.duration.as_micros()).unwrap_or(u64::MAX)))
        .set("occurred_at", time(call.at))
        .set("correlation_id", text(&call.correlation_id))
        .set("committed_at", commit_time())
        .build()
}

/// Which of these are written.
pub(crate) fn known(calls: &[ProviderCall]) -> Asked {
    IDS.read(keys(calls.iter().map(|call| key([text(call.payment), text(call.id)]))))
}

/// The id in a row of [`known`].
pub(crate) fn id(row: &Row) -> Result<ChangeId> {
    row.text("call_id")
}

/// All of a payment's.
pub(crate) fn of_payment(payment: PaymentId) -> Asked {
    CALLS.read(prefix([text(payment)]))
}

/// In the order of their commits.
pub(crate) fn read_all(rows: &[Row]) -> Result<Vec<ProviderCall>> {
    let placed = |row: &Row| Ok(((row.time("committed_at")?, row.int("place")?), read(row)?));
    let mut calls = rows.iter().map(placed).collect::<Result<Vec<((Timestamp, u32), ProviderCall)>>>()?;
    calls.sort_by_key(|(place, _)| *place);
    Ok(calls.into_iter().map(|(_, call)| call).collect())
}

fn read(row: &Row) -> Result<ProviderCall> {
    Ok(ProviderCall {
        id: row.text("call_id")?,
        payment: row.text("payment_id")?,
        operation: row.int("operation")?,
        version: row.int("version")?,
        provider: row.name("provider")?,
        call: row.string("call")?,
        outcome: row.string("outcome")?,
        http_status: row.maybe_int("http_status")?,
        reference: row.maybe_string("reference")?,
        provider_code: row.maybe_string("provider_code")?,
        duration: Duration::from_micros(row.int("duration")?),
        at: row.time("occurred_at")?,
        correlation_id: row.string("correlation_id")?,
    })
}
