//! The table `payments`: one row per payment, with everything that a decision about it reads.

use std::cmp::Reverse;

use google_cloud_spanner::key::KeyRange;
use tollgate_domain::{Currency, Details, Payment, PaymentId, Review, Timestamp};
use tollgate_gateway::records::{ListQuery, Page};

use crate::{
    cells::{Row, bytes, count, int, json, maybe, name, text, time},
    error::Result,
    merged::merged,
    reading::{Reader, Snapshot},
    rows::{Asked, Counted, Source, Write, key, keys, prefix},
    shards::{LIST_SHARDS, reference_hash, shard},
};

/// All that a payment is made of.
pub(crate) static PAYMENTS: Source = Source {
    table: "payments",
    index: None,
    columns: &[
        "payment_id",
        "merchant_id",
        "version",
        "status",
        "currency",
        "amount",
        "captured",
        "refunded",
        "refund_reserved",
        "provider",
        "provider_transaction_id",
        "provider_state",
        "provider_request_id",
        "capture_method",
        "merchant_reference",
        "details",
        "failure",
        "expires_at",
        "captured_at",
        "settlement_id",
        "reversed_at",
        "review",
        "review_since",
        "open_operation",
        "remembered_void",
        "operations",
        "events",
        "created_at",
        "updated_at",
    ],
};

static BY_MERCHANT: Source =
    Source { table: "payments", index: Some("payments_by_merchant"), columns: &["created_at", "payment_id"] };
static BY_REFERENCE: Source =
    Source { table: "payments", index: Some("payments_by_reference"), columns: &["created_at", "payment_id"] };

/// The row of a version: inserted, or written over the one before. What a payment is (whose, how much, its own words)
/// never changes: leaving it out spares the indexes.
pub(crate) fn write(payment: &Payment) -> Counted {
    let id = payment.id;
    let row = if payment.version == 1 {
        let reference = payment.details.merchant_reference.as_deref();
        Write::insert("payments")
            .set("payment_id", text(id))
            .set("shard", int(shard(id)))
            .set("merchant_id", text(payment.merchant))
            .set("currency", text(payment.amount.currency().code()))
            .set("amount", int(payment.amount.minor()))
            .set("capture_method", name(payment.capture_method))
            .set("merchant_reference", maybe(reference.map(text)))
            .set("reference_hash", maybe(reference.map(|it| bytes(&reference_hash(payment.merchant, it)))))
            .set("details", json(&payment.details))
            .set("created_at", time(payment.created_at))
    } else {
        Write::update("payments").set("payment_id", text(id))
    };
    row.set("version", count(payment.version))
        .set("status", name(payment.status))
        .set("captured", int(payment.captured.minor()))
        .set("refunded", int(payment.refunded.minor()))
        .set("refund_reserved", int(payment.refund_reserved.minor()))
        .set("provider", name(payment.provider))
        .set("provider_transaction_id", maybe(payment.provider_transaction_id.as_ref().map(text)))
        .set("provider_state", maybe(payment.provider_state.as_ref().map(text)))
        .set("provider_request_id", text(payment.provider_request_id))
        .set("failure", maybe(payment.failure.as_ref().map(json)))
        .set("expires_at", maybe(payment.expires_at.map(time)))
        .set("captured_at", maybe(payment.captured_at.map(time)))
        .set("settlement_id", maybe(payment.settlement.map(text)))
        .set("reversed_at", maybe(payment.reversed_at.map(time)))
        .set("review", maybe(payment.review.map(|review| name(review.reason))))
        .set("review_since", maybe(payment.review.map(|review| time(review.since))))
        .set("open_operation", maybe(payment.open.as_ref().map(json)))
        .set("remembered_void", maybe(payment.remembered_void.as_ref().map(json)))
        .set("operations", int(payment.operations))
        .set("events", int(payment.events))
        .set("due_at", maybe(payment.due_at().map(time)))
        .set("truth_at", time(payment.truth_at()))
        .set("updated_at", time(payment.updated_at))
        .build()
}

/// One payment.
pub(crate) async fn find(reader: &dyn Reader, id: PaymentId) -> Result<Option<Payment>> {
    reader.row(PAYMENTS.read(key([text(id)]))).await?.map(|row| read(&row)).transpose()
}

/// The rows of several payments, in the order of their ids.
pub(crate) fn several(ids: impl IntoIterator<Item = PaymentId>) -> Asked {
    PAYMENTS.read(keys(ids.into_iter().map(|id| key([text(id)]))))
}

/// No page looks through more payments than this for those of a status: no index knows it, and a merchant may have very
/// many of another.
const LOOKED_THROUGH_AT_MOST: usize = 2000;
/// So many are looked through at a time.
const LOOKED_THROUGH_AT_ONCE: u32 = 200;

type Place = Reverse<(Timestamp, PaymentId)>;

/// A page of a merchant's payments, newest first.
pub(crate) async fn list(snapshot: &Snapshot<'_>, query: &ListQuery) -> Result<Page> {
    let wanted = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut page = Page { payments: Vec::new(), next: None };
    let (mut place, mut looked_through) = (query.after, 0);
    loop {
        // One behind the last tells whether there is another page.
        let at_once = if query.status.is_none() { query.limit.saturating_add(1) } else { LOOKED_THROUGH_AT_ONCE };
        let found = places(snapshot, query, place, at_once).await?;
        let is_last = found.len() < usize::try_from(at_once).unwrap_or(usize::MAX);
        let rows = snapshot.rows(several(found.iter().map(|(_, id)| *id))).await?;
        let mut payments = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        payments.sort_by_key(|payment| Reverse((payment.created_at, payment.id)));
        for payment in payments {
            if page.payments.len() == wanted || looked_through == LOOKED_THROUGH_AT_MOST {
                page.next = place;
                return Ok(page);
            }
            looked_through += 1;
            place = Some((payment.created_at, payment.id));
            if query.status.is_none_or(|status| status == payment.status) {
                page.payments.push(payment);
            }
        }
        if is_last {
            return Ok(page);
        }
    }
}

/// Where the merchant's next payments are in the order.
async fn places(
    snapshot: &Snapshot<'_>,
    query: &ListQuery,
    after: Option<(Timestamp, PaymentId)>,
    limit: u32,
) -> Result<Vec<(Timestamp, PaymentId)>> {
    let place_of = |row: &Row| Ok(Reverse((row.time("created_at")?, row.text("payment_id")?)));
    if let Some(reference) = &query.merchant_reference {
        let hash = bytes(&reference_hash(query.merchant, reference));
        let range = match after {
            None => prefix([hash]),
            Some((at, id)) => KeyRange::open_closed(key([hash.clone(), time(at), text(id)]), key([hash])),
        };
        let rows = snapshot.rows(BY_REFERENCE.read(range).limit(limit)).await?;
        return rows.iter().map(|row| place_of(row).map(|Reverse(place)| place)).collect();
    }
    let merchant = text(query.merchant);
    let asked = |shard: i64, after: Option<&Place>| {
        let all = [merchant.clone(), int(shard)];
        BY_MERCHANT.read(match after {
            None => prefix(all),
            Some(Reverse((at, id))) => {
                KeyRange::open_closed(key([merchant.clone(), int(shard), time(*at), text(*id)]), key(all))
            }
        })
    };
    let found = merged(snapshot, 0..LIST_SHARDS, after.map(Reverse), limit, asked, place_of).await?;
    Ok(found.into_iter().map(|(Reverse(place), _)| place).collect())
}

/// A payment as its row says.
pub(crate) fn read(row: &Row) -> Result<Payment> {
    let currency: Currency = row.text("currency")?;
    let details: Details = row.json("details")?;
    let review = row.maybe_name("review")?.zip(row.maybe_time("review_since")?);
    Ok(Payment {
        id: row.text("payment_id")?,
        merchant: row.text("merchant_id")?,
        version: row.int("version")?,
        status: row.name("status")?,
        amount: row.money("amount", currency)?,
        captured: row.money("captured", currency)?,
        refunded: row.money("refunded", currency)?,
        refund_reserved: row.money("refund_reserved", currency)?,
        provider: row.name("provider")?,
        provider_transaction_id: row.maybe_string("provider_transaction_id")?,
        provider_state: row.maybe_string("provider_state")?,
        provider_request_id: row.text("provider_request_id")?,
        capture_method: row.name("capture_method")?,
        details: Details { merchant_reference: row.maybe_string("merchant_reference")?, ..details },
        failure: row.maybe_json("failure")?,
        expires_at: row.maybe_time("expires_at")?,
        captured_at: row.maybe_time("captured_at")?,
        settlement: row.maybe_text("settlement_id")?,
        reversed_at: row.maybe_time("reversed_at")?,
        review: review.map(|(reason, since)| Review { reason, since }),
        open: row.maybe_json("open_operation")?,
        remembered_void: row.maybe_json("remembered_void")?,
        operations: row.int("operations")?,
        events: row.int("events")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
