//! The table `refunds`: every refund, as it last was.

use tollgate_domain::{Currency, PaymentId, Refund, RefundId};

use crate::{
    cells::{Row, int, json, maybe, name, text, time},
    error::Result,
    reading::Reader,
    rows::{Asked, Counted, Source, Write, key, prefix},
    shards::shard,
};

/// All that a refund is made of.
pub(crate) static REFUNDS: Source = Source {
    table: "refunds",
    index: None,
    columns: &[
        "payment_id",
        "refund_id",
        "status",
        "currency",
        "amount",
        "reason",
        "failure",
        "reference",
        "to_settle_at",
        "settlement_id",
        "created_at",
        "updated_at",
    ],
};
static BY_ID: Source = Source { table: "refunds", index: Some("refunds_by_id"), columns: &["payment_id", "refund_id"] };

/// Writes `refund` over what it was.
pub(crate) fn upsert(refund: &Refund) -> Counted {
    Write::upsert("refunds")
        .set("payment_id", text(refund.payment_id))
        .set("refund_id", text(refund.id))
        .set("shard", int(shard(refund.payment_id)))
        .set("status", name(refund.status))
        .set("currency", text(refund.amount.currency().code()))
        .set("amount", int(refund.amount.minor()))
        .set("reason", maybe(refund.reason.as_ref().map(text)))
        .set("failure", maybe(refund.failure.as_ref().map(json)))
        .set("reference", maybe(refund.provider_reference.as_ref().map(text)))
        .set("to_settle_at", maybe(refund.to_settle_at.map(time)))
        .set("settlement_id", maybe(refund.settlement.map(text)))
        .set("created_at", time(refund.created_at))
        .set("updated_at", time(refund.updated_at))
        .build()
}

/// One refund, by its own id.
pub(crate) async fn find(reader: &dyn Reader, id: RefundId) -> Result<Option<Refund>> {
    let Some(place) = reader.row(BY_ID.read(key([text(id)]))).await? else { return Ok(None) };
    let payment: PaymentId = place.text("payment_id")?;
    reader.row(REFUNDS.read(key([text(payment), text(id)]))).await?.map(|row| read(&row)).transpose()
}

/// A payment's refunds.
pub(crate) fn of_payment(payment: PaymentId) -> Asked {
    REFUNDS.read(prefix([text(payment)]))
}

/// Oldest first.
pub(crate) fn read_all(rows: &[Row]) -> Result<Vec<Refund>> {
    let mut refunds = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    refunds.sort_by_key(|refund| (refund.created_at, refund.id));
    Ok(refunds)
}

/// A refund as its row says.
pub(crate) fn read(row: &Row) -> Result<Refund> {
    let currency: Currency = row.text("currency")?;
    Ok(Refund {
        id: row.text("refund_id")?,
        payment_id: row.text("payment_id")?,
        amount: row.money("amount", currency)?,
        reason: row.maybe_string("reason")?,
        status: row.name("status")?,
        failure: row.maybe_json("failure")?,
        provider_reference: row.maybe_string("reference")?,
        to_settle_at: row.maybe_time("to_settle_at")?,
        settlement: row.maybe_text("settlement_id")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
