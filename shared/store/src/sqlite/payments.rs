//! The table `payments`: one row per payment, with everything that a decision about it reads.

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params};
use tollgate_domain::{Currency, Details, Payment, PaymentId, PaymentStatus, Review, Timestamp};
use tollgate_gateway::records::{ListQuery, Page};

use super::columns::{Count, FromJson, InOrder, Micros, Name, Text, ToJson, money};

/// Writes the first version.
pub(super) fn insert(connection: &Connection, payment: &Payment) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO payments (id, merchant_id, version, status, currency, amount, captured, refunded,
            refund_reserved, provider, provider_transaction_id, provider_state, provider_request_id, capture_method,
            merchant_reference, details, failure, expires_at, captured_at, settlement_id, reversed_at,
            review, review_since, open_operation, remembered_void, operations, events, due_at, truth_at, created_at, updated_at)
         VALUES (:id, :merchant_id, :version, :status, :currency, :amount, :captured, :refunded,
            :refund_reserved, :provider, :provider_transaction_id, :provider_state, :provider_request_id, :capture_method,
            :merchant_reference, :details, :failure, :expires_at, :captured_at, :settlement_id, :reversed_at, :review, :review_since,
            :open_operation, :remembered_void, :operations, :events, :due_at, :truth_at, :created_at, :updated_at)",
    )?;
    insert.execute(named_params! {
        ":id": Text(payment.id),
        ":merchant_id": Text(payment.merchant),
        ":version": Count(payment.version),
        ":status": Name(payment.status),
        ":currency": payment.amount.currency().code(),
        ":amount": payment.amount.minor(),
        ":captured": payment.captured.minor(),
        ":refunded": payment.refunded.minor(),
        ":refund_reserved": payment.refund_reserved.minor(),
        ":provider": Name(payment.provider),
        ":provider_transaction_id": payment.provider_transaction_id,
        ":provider_state": payment.provider_state,
        ":provider_request_id": Text(payment.provider_request_id),
        ":capture_method": Name(payment.capture_method),
        ":merchant_reference": payment.details.merchant_reference,
        ":details": ToJson(&payment.details),
        ":failure": payment.failure.as_ref().map(ToJson),
        ":expires_at": payment.expires_at.map(Micros),
        ":captured_at": payment.captured_at.map(Micros),
        ":settlement_id": payment.settlement.map(Text),
        ":reversed_at": payment.reversed_at.map(Micros),
        ":review": payment.review.map(|review| Name(review.reason)),
        ":review_since": payment.review.map(|review| Micros(review.since)),
        ":due_at": payment.due_at().map(Micros),
        ":truth_at": Micros(payment.truth_at()),
        ":open_operation": payment.open.as_ref().map(ToJson),
        ":remembered_void": payment.remembered_void.as_ref().map(ToJson),
        ":operations": payment.operations,
        ":events": payment.events,
        ":created_at": Micros(payment.created_at),
        ":updated_at": Micros(payment.updated_at),
    })?;
    Ok(())
}

/// Overwrites the version before; whether that was there. What a payment is (whose, how much, its own words) never
/// changes: leaving it out spares the indexes.
pub(super) fn update(connection: &Connection, payment: &Payment) -> Result<bool> {
    let mut update = connection.prepare_cached(
        "UPDATE payments SET version = :version, status = :status, captured = :captured, refunded = :refunded,
            refund_reserved = :refund_reserved, provider = :provider,
            provider_transaction_id = :provider_transaction_id, provider_state = :provider_state, provider_request_id = :provider_request_id,
            failure = :failure, expires_at = :expires_at, captured_at = :captured_at,
            settlement_id = :settlement_id, reversed_at = :reversed_at, review = :review, review_since = :review_since,
            open_operation = :open_operation, remembered_void = :remembered_void, operations = :operations,
            events = :events, due_at = :due_at, truth_at = :truth_at, updated_at = :updated_at
         WHERE id = :id AND version = :version - 1",
    )?;
    let rows = update.execute(named_params! {
        ":id": Text(payment.id),
        ":version": Count(payment.version),
        ":status": Name(payment.status),
        ":captured": payment.captured.minor(),
        ":refunded": payment.refunded.minor(),
        ":refund_reserved": payment.refund_reserved.minor(),
        ":provider": Name(payment.provider),
        ":provider_transaction_id": payment.provider_transaction_id,
        ":provider_state": payment.provider_state,
        ":provider_request_id": Text(payment.provider_request_id),
        ":failure": payment.failure.as_ref().map(ToJson),
        ":expires_at": payment.expires_at.map(Micros),
        ":captured_at": payment.captured_at.map(Micros),
        ":settlement_id": payment.settlement.map(Text),
        ":reversed_at": payment.reversed_at.map(Micros),
        ":review": payment.review.map(|review| Name(review.reason)),
        ":review_since": payment.review.map(|review| Micros(review.since)),
        ":due_at": payment.due_at().map(Micros),
        ":truth_at": Micros(payment.truth_at()),
        ":open_operation": payment.open.as_ref().map(ToJson),
        ":remembered_void": payment.remembered_void.as_ref().map(ToJson),
        ":operations": payment.operations,
        ":events": payment.events,
        ":updated_at": Micros(payment.updated_at),
    })?;
    Ok(rows == 1)
}

/// One payment.
pub(super) fn find(connection: &Connection, id: PaymentId) -> Result<Option<Payment>> {
    connection.prepare_cached("SELECT * FROM payments WHERE id = ?1")?.query_row([Text(id)], read).optional()
}

/// No page looks through more payments than this for those of a status: no index knows it, and a merchant may have very
/// many of another.
const LOOKED_THROUGH_AT_MOST: u32 = 2000;

/// A page of a merchant's payments, newest first.
pub(super) fn list(connection: &Connection, query: &ListQuery) -> Result<Page> {
    let by_reference = query.merchant_reference.is_some();
    let (after, after_id) = match query.after {
        Some((at, id)) => (Micros(at), Some(Text(id))),
        None => (Micros(Timestamp::MAX), None),
    };
    let mut list = connection.prepare_cached(if by_reference { LIST_BY_REFERENCE } else { LIST_BY_MERCHANT })?;
    let mut rows = list.query(named_params! {
        ":merchant_id": Text(query.merchant),
        ":reference": query.merchant_reference,
        ":after": after,
        ":after_id": after_id,
        // One behind the last tells whether there is another page.
        ":limit": LOOKED_THROUGH_AT_MOST + 1,
    })?;
    let mut page = Page { payments: Vec::new(), next: None };
    let (mut looked_through, mut place) = (0, None);
    while let Some(row) = rows.next()? {
        if page.payments.len() == query.limit as usize || looked_through == LOOKED_THROUGH_AT_MOST {
            page.next = place;
            break;
        }
        looked_through += 1;
        place = Some((row.get::<_, Micros>("created_at")?.0, row.get::<_, Text<_>>("id")?.0));
        let status = row.get::<_, Name<PaymentStatus>>("status")?.0;
        if query.status.is_none_or(|wanted| wanted == status) {
            page.payments.push(read(row)?);
        }
    }
    Ok(page)
}

// `~` sorts after every id, so that no `after` at all means "before the end of time". Both take the same parameters.
const LIST_BY_MERCHANT: &str = "SELECT * FROM payments INDEXED BY payments_by_merchant
     WHERE merchant_id = :merchant_id AND (created_at, id) < (:after, coalesce(:after_id, '~'))
        AND :reference IS NULL
     ORDER BY created_at DESC, id DESC LIMIT :limit";
const LIST_BY_REFERENCE: &str = "SELECT * FROM payments INDEXED BY payments_by_reference
     WHERE merchant_id = :merchant_id AND merchant_reference = :reference
        AND (created_at, id) < (:after, coalesce(:after_id, '~'))
     ORDER BY created_at DESC, id DESC LIMIT :limit";

pub(super) fn read(row: &Row<'_>) -> Result<Payment> {
    let row = &InOrder::of(row);
    let currency: Currency = row.get::<_, Text<_>>("currency")?.0;
    let details: Details = row.get::<_, FromJson<_>>("details")?.0;
    Ok(Payment {
        id: row.get::<_, Text<_>>("id")?.0,
        merchant: row.get::<_, Text<_>>("merchant_id")?.0,
        version: row.get::<_, Count>("version")?.0,
        status: row.get::<_, Name<_>>("status")?.0,
        amount: money(row, "amount", currency)?,
        captured: money(row, "captured", currency)?,
        refunded: money(row, "refunded", currency)?,
        refund_reserved: money(row, "refund_reserved", currency)?,
        provider: row.get::<_, Name<_>>("provider")?.0,
        provider_transaction_id: row.get("provider_transaction_id")?,
        provider_state: row.get("provider_state")?,
        provider_request_id: row.get::<_, Text<_>>("provider_request_id")?.0,
        capture_method: row.get::<_, Name<_>>("capture_method")?.0,
        details: Details { merchant_reference: row.get("merchant_reference")?, ..details },
        failure: row.get::<_, Option<FromJson<_>>>("failure")?.map(|json| json.0),
        expires_at: row.get::<_, Option<Micros>>("expires_at")?.map(|at| at.0),
        captured_at: row.get::<_, Option<Micros>>("captured_at")?.map(|at| at.0),
        settlement: row.get::<_, Option<Text<_>>>("settlement_id")?.map(|id| id.0),
        reversed_at: row.get::<_, Option<Micros>>("reversed_at")?.map(|at| at.0),
        review: review(row)?,
        open: row.get::<_, Option<FromJson<_>>>("open_operation")?.map(|json| json.0),
        remembered_void: row.get::<_, Option<FromJson<_>>>("remembered_void")?.map(|json| json.0),
        operations: row.get("operations")?,
        events: row.get("events")?,
        created_at: row.get::<_, Micros>("created_at")?.0,
        updated_at: row.get::<_, Micros>("updated_at")?.0,
    })
}

fn review(row: &InOrder<'_, '_>) -> Result<Option<Review>> {
    let reason = row.get::<_, Option<Name<_>>>("review")?.map(|reason| reason.0);
    let since = row.get::<_, Option<Micros>>("review_since")?.map(|since| since.0);
    Ok(reason.zip(since).map(|(reason, since)| Review { reason, since }))
}
