//! The table `provider_records`: which of providers' records were seen, and the reads of what should be among them.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};
use tollgate_domain::{Currency, PaymentId, ProviderName, RefundId, Timestamp, audit::Booked};
use tollgate_gateway::{
    ports::{
        RecordBooks, StoreError,
        exceptions::{KeptRecord, money_of},
    },
    records::ProviderReference,
};

use super::{
    SqliteStore, audit,
    columns::{Micros, Name, Text},
    references,
};

#[async_trait]
impl RecordBooks for SqliteStore {
    async fn keep_records(&self, records: &[KeptRecord]) -> std::result::Result<Vec<String>, StoreError> {
        let records = records.to_vec();
        self.take("keep_records", move |transaction| {
            records.iter().map(|record| keep(transaction, record)).collect::<Result<Vec<_>>>()
        })
        .await
    }

    async fn kept_record(
        &self,
        provider: ProviderName,
        subject: &str,
    ) -> std::result::Result<Option<KeptRecord>, StoreError> {
        let subject = subject.to_owned();
        self.read("kept_record", subject.clone(), move |connection| find(connection, provider, &subject)).await
    }

    async fn captured_between(
        &self,
        provider: ProviderName,
        period: (Timestamp, Timestamp),
        after: Option<(Timestamp, PaymentId)>,
        limit: u32,
    ) -> std::result::Result<Vec<(Timestamp, PaymentId)>, StoreError> {
        let read = move |connection: &Connection| captured(connection, provider, period, after, limit);
        self.read("captured_between", "captured payments", read).await
    }

    async fn refunds_between(
        &self,
        period: (Timestamp, Timestamp),
        after: Option<(Timestamp, RefundId)>,
        limit: u32,
    ) -> std::result::Result<Vec<(Timestamp, RefundId)>, StoreError> {
        self.read("refunds_between", "refunds", move |connection| refunded(connection, period, after, limit)).await
    }

    async fn booked(&self, payment: PaymentId) -> std::result::Result<Vec<Booked>, StoreError> {
        self.read("booked", payment, move |connection| audit::postings(connection, payment)).await
    }

    async fn payment_of(
        &self,
        provider: ProviderName,
        transaction: &str,
    ) -> std::result::Result<Option<PaymentId>, StoreError> {
        let (reference, payment) = (transaction.to_owned(), PaymentId::from_random([0; 16]));
        let asked = ProviderReference { provider, reference, payment };
        self.read("payment_of", "a transaction", move |connection| references::payment(connection, &asked)).await
    }
}

/// Keeps `record` where its subject has none; the id of the one that it has.
pub(super) fn keep(connection: &Connection, record: &KeptRecord) -> Result<String> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO provider_records (provider, subject, record_id, amount, currency, at)
         VALUES (:provider, :subject, :record_id, :amount, :currency, :at) ON CONFLICT (provider, subject) DO NOTHING",
    )?;
    insert.execute(named_params! {
        ":provider": Name(record.provider),
        ":subject": record.subject,
        ":record_id": record.record,
        ":amount": record.amount.map(tollgate_domain::Money::minor),
        ":currency": record.amount.map(|amount| Text(amount.currency())),
        ":at": Micros(record.at),
    })?;
    let kept = find(connection, record.provider, &record.subject)?;
    Ok(kept.map_or_else(|| record.record.clone(), |kept| kept.record))
}

/// The record that `subject` has.
pub(super) fn find(connection: &Connection, provider: ProviderName, subject: &str) -> Result<Option<KeptRecord>> {
    let read = |row: &Row<'_>| {
        let currency = row.get::<_, Option<Text<Currency>>>("currency")?.map(|currency| currency.0);
        Ok(KeptRecord {
            provider,
            subject: subject.to_owned(),
            record: row.get("record_id")?,
            amount: money_of(row.get("amount")?, currency),
            at: row.get::<_, Micros>("at")?.0,
        })
    };
    connection
        .prepare_cached(
            "SELECT record_id, amount, currency, at FROM provider_records WHERE provider = ?1 AND subject = ?2",
        )?
        .query_row(params![Name(provider), subject], read)
        .optional()
}

/// Payments captured in a period, by that time.
pub(super) fn captured(
    connection: &Connection,
    provider: ProviderName,
    (from, until): (Timestamp, Timestamp),
    after: Option<(Timestamp, PaymentId)>,
    limit: u32,
) -> Result<Vec<(Timestamp, PaymentId)>> {
    let (at, id) = after.map_or((from, String::new()), |(at, id)| (at, id.to_string()));
    let mut find = connection.prepare_cached(
        "SELECT captured_at, id FROM payments INDEXED BY payments_by_capture
         WHERE provider = ?1 AND captured_at < ?2 AND (captured_at, id) > (?3, ?4) ORDER BY captured_at, id LIMIT ?5",
    )?;
    find.query_map(params![Name(provider), Micros(until), Micros(at), id, limit], |row| {
        Ok((row.get::<_, Micros>(0)?.0, row.get::<_, Text<_>>(1)?.0))
    })?
    .collect()
}

/// Refunds asked for in a period, by that time.
pub(super) fn refunded(
    connection: &Connection,
    (from, until): (Timestamp, Timestamp),
    after: Option<(Timestamp, RefundId)>,
    limit: u32,
) -> Result<Vec<(Timestamp, RefundId)>> {
    let (at, id) = after.map_or((from, String::new()), |(at, id)| (at, id.to_string()));
    let mut find = connection.prepare_cached(
        "SELECT created_at, id FROM refunds INDEXED BY refunds_by_time
         WHERE created_at < ?1 AND (created_at, id) > (?2, ?3) ORDER BY created_at, id LIMIT ?4",
    )?;
    find.query_map(params![Micros(until), Micros(at), id, limit], |row| {
        Ok((row.get::<_, Micros>(0)?.0, row.get::<_, Text<_>>(1)?.0))
    })?
    .collect()
}
