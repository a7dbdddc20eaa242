//! The table `provider_records`: which of providers' records were seen, and the reads of what should be among them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use google_cloud_spanner::key::KeyRange;
use tollgate_domain::{Currency, PaymentId, ProviderName, RefundId, Timestamp, audit::Booked};
use tollgate_gateway::{
    ports::{
        RecordBooks, StoreError,
        exceptions::{KeptRecord, money_of},
    },
    records::ProviderReference,
};

use crate::{
    SpannerStore,
    cells::{Row, int, maybe, name, text, time},
    error::Result,
    merged::merged,
    postings,
    reading::{Locked, Reader},
    references,
    rows::{Counted, Source, Write, key, keys, prefix},
    shards::SHARDS,
    transactions::{Decided, Decision},
};

static RECORDS: Source = Source {
    table: "provider_records",
    index: None,
    columns: &["provider", "subject", "record_id", "amount", "currency", "occurred_at"],
};
static CAPTURED: Source =
    Source { table: "payments", index: Some("payments_by_capture"), columns: &["captured_at", "payment_id"] };
static REFUNDED: Source =
    Source { table: "refunds", index: Some("refunds_by_time"), columns: &["created_at", "refund_id"] };

#[async_trait]
impl RecordBooks for SpannerStore {
    async fn keep_records(&self, records: &[KeptRecord]) -> std::result::Result<Vec<String>, StoreError> {
        let work = self.transact("tollgate:keep_records", Keep(records.to_vec()));
        self.measured("keep_records", "records", work).await
    }

    async fn kept_record(
        &self,
        provider: ProviderName,
        subject: &str,
    ) -> std::result::Result<Option<KeptRecord>, StoreError> {
        let work = async {
            let one = RECORDS.read(key([name(provider), text(subject)]));
            let row = self.present("tollgate:kept_record").await?.row(one).await?;
            row.map(|row| read(&row)).transpose()
        };
        self.measured("kept_record", subject, work).await
    }

    async fn captured_between(
        &self,
        provider: ProviderName,
        (from, until): (Timestamp, Timestamp),
        after: Option<(Timestamp, PaymentId)>,
        limit: u32,
    ) -> std::result::Result<Vec<(Timestamp, PaymentId)>, StoreError> {
        let asked = |shard: i64, after: Option<&(Timestamp, PaymentId)>| {
            let of = || (int(shard), name(provider));
            let ((first, which), (shard, provider)) = (of(), of());
            let end = key([shard, provider, time(until)]);
            CAPTURED.read(match after {
                None => KeyRange::closed_open(key([first, which, time(from)]), end),
                Some((at, id)) => KeyRange::open_open(key([first, which, time(*at), text(*id)]), end),
            })
        };
        let place = |row: &Row| Ok((row.time("captured_at")?, row.text("payment_id")?));
        let work = async {
            let snapshot = self.snapshot("tollgate:captured_between").await?;
            let found = merged(&snapshot, 0..SHARDS, after, limit, asked, place).await?;
            Ok(found.into_iter().map(|(place, _)| place).collect())
        };
        self.measured("captured_between", "captured payments", work).await
    }

    async fn refunds_between(
        &self,
        (from, until): (Timestamp, Timestamp),
        after: Option<(Timestamp, RefundId)>,
        limit: u32,
    ) -> std::result::Result<Vec<(Timestamp, RefundId)>, StoreError> {
        let asked = |shard: i64, after: Option<&(Timestamp, RefundId)>| {
            let end = key([int(shard), time(until)]);
            REFUNDED.read(match after {
                None => KeyRange::closed_open(key([int(shard), time(from)]), end),
                Some((at, id)) => KeyRange::open_open(key([int(shard), time(*at), text(*id)]), end),
            })
        };
        let place = |row: &Row| Ok((row.time("created_at")?, row.text("refund_id")?));
        let work = async {
            let snapshot = self.snapshot("tollgate:refunds_between").await?;
            let found = merged(&snapshot, 0..SHARDS, after, limit, asked, place).await?;
            Ok(found.into_iter().map(|(place, _)| place).collect())
        };
        self.measured("refunds_between", "refunds", work).await
    }

    async fn booked(&self, payment: PaymentId) -> std::result::Result<Vec<Booked>, StoreError> {
        let work = async {
            let all = postings::POSTINGS.read(prefix([text(payment)]));
            self.present("tollgate:booked").await?.rows(all).await?.iter().map(postings::read).collect()
        };
        self.measured("booked", payment, work).await
    }

    async fn payment_of(
        &self,
        provider: ProviderName,
        transaction: &str,
    ) -> std::result::Result<Option<PaymentId>, StoreError> {
        let (reference, payment) = (transaction.to_owned(), PaymentId::from_random([0; 16]));
        let one = references::one(&ProviderReference { provider, reference, payment });
        let work = async {
            let row = self.present("tollgate:payment_of").await?.row(one).await?;
            row.map(|row| references::payment(&row)).transpose()
        };
        self.measured("payment_of", "a transaction", work).await
    }
}

/// Keeps records whose subject has none; answers the one that each subject has.
struct Keep(Vec<KeptRecord>);

#[async_trait]
impl Decision for Keep {
    type Answer = Vec<String>;

    async fn decide(&self, locked: &Locked) -> Result<Decided<Vec<String>>> {
        let Self(records) = self;
        if records.is_empty() {
            return Ok(Decided::nothing(Vec::new()));
        }
        let asked = records.iter().map(|record| key([name(record.provider), text(&record.subject)]));
        let mut held = BTreeMap::new();
        for row in locked.rows(RECORDS.read(keys(asked))).await? {
            let kept = read(&row)?;
            held.insert((kept.provider, kept.subject), kept.record);
        }
        let (mut holders, mut writes) = (Vec::with_capacity(records.len()), Vec::new());
        for record in records {
            let subject = (record.provider, record.subject.clone());
            if let Some(holder) = held.get(&subject) {
                holders.push(holder.clone());
                continue;
            }
            writes.push(insert(record));
            holders.push(record.record.clone());
            held.insert(subject, record.record.clone());
        }
        Ok(Decided { answer: holders, writes })
    }
}

fn insert(record: &KeptRecord) -> Counted {
    Write::insert("provider_records")
        .set("provider", name(record.provider))
        .set("subject", text(&record.subject))
        .set("record_id", text(&record.record))
        .set("amount", maybe(record.amount.map(|amount| int(amount.minor()))))
        .set("currency", maybe(record.amount.map(|amount| text(amount.currency()))))
        .set("occurred_at", time(record.at))
        .build()
}

fn read(row: &Row) -> Result<KeptRecord> {
    let currency: Option<Currency> = row.maybe_text("currency")?;
    Ok(KeptRecord {
        provider: row.name("provider")?,
        subject: row.string("subject")?,
        record: row.string("record_id")?,
        amount: money_of(row.maybe_int("amount")?, currency),
        at: row.time("occurred_at")?,
    })
}
