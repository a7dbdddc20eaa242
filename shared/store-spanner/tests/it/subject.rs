//! A store under test on a database of its own.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use tollgate_domain::{PaymentId, Timestamp};
use tollgate_emulators::{Database, spanner};
use tollgate_gateway::contract::{EventRow, PostingRow, RefundRow, Subject};
use tollgate_store_spanner::{Options, SpannerStore, migrations::migrate};

use crate::{clock::Clock, raw::Raw};

pub(crate) struct OnSpanner {
    pub(crate) store: SpannerStore,
    pub(crate) raw: Raw,
    pub(crate) host: String,
    pub(crate) database: Database,
}

impl OnSpanner {
    /// `None`: there is no emulator.
    pub(crate) async fn new() -> Option<Self> {
        let emulator = spanner()?;
        let (host, database) = (emulator.host().to_owned(), emulator.create_database());
        migrate(&database.name().parse().unwrap(), Some(&host)).await.unwrap();
        let store = SpannerStore::new(options(&database, &host), Clock::real());
        let raw = Raw::open(&host, database.name()).await;
        Some(Self { store, raw, host, database })
    }
}

/// What a test is shown is the present. And an emulator is slow when many tests use it at once.
pub(crate) fn options(database: &Database, host: &str) -> Options {
    let mut options = Options::new(database.name().parse().unwrap()).emulator(Some(host.to_owned()));
    options.staleness = Duration::ZERO;
    options.attempt_timeout = Duration::from_secs(20);
    options.operation_timeout = Duration::from_secs(60);
    options
}

#[async_trait]
impl Subject for OnSpanner {
    type Store = SpannerStore;

    fn store(&self) -> &SpannerStore {
        &self.store
    }

    async fn contents(&self) -> BTreeMap<String, Vec<String>> {
        self.raw.contents().await
    }

    async fn events(&self, payment: PaymentId) -> Vec<EventRow> {
        let sql = "SELECT event_id, sequence, kind, merchant_id, body, occurred_at FROM events";
        let rows = self.raw.texts(&format!("{sql} WHERE payment_id = '{payment}' ORDER BY sequence")).await;
        let event = |row: Vec<String>| {
            let [id, sequence, kind, merchant, body, at] = row.try_into().unwrap();
            EventRow { id, sequence: sequence.parse().unwrap(), kind, merchant, body, at: time(&at) }
        };
        rows.into_iter().map(event).collect()
    }

    async fn postings(&self, payment: PaymentId) -> Vec<PostingRow> {
        let sql = "SELECT version, account, minor, currency FROM postings";
        let rows = self.raw.texts(&format!("{sql} WHERE payment_id = '{payment}' ORDER BY version, line")).await;
        let posting = |row: Vec<String>| {
            let [version, account, minor, currency] = row.try_into().unwrap();
            PostingRow { version: version.parse().unwrap(), account, signed_minor: minor.parse().unwrap(), currency }
        };
        rows.into_iter().map(posting).collect()
    }

    async fn refunds(&self, payment: PaymentId) -> Vec<RefundRow> {
        let sql = "SELECT refund_id, status, amount, currency, reason, reference, updated_at FROM refunds";
        let rows = self.raw.texts(&format!("{sql} WHERE payment_id = '{payment}' ORDER BY refund_id")).await;
        let maybe = |text: String| Some(text).filter(|text| text != "NULL");
        let refund = |row: Vec<String>| {
            let [id, status, minor, currency, reason, reference, updated_at] = row.try_into().unwrap();
            RefundRow {
                id,
                status,
                minor: minor.parse().unwrap(),
                currency,
                reason: maybe(reason),
                reference: maybe(reference),
                updated_at: time(&updated_at),
            }
        };
        rows.into_iter().map(refund).collect()
    }

    async fn forget(&self, now: Timestamp, limit: u32) -> u32 {
        self.raw.apply_deletion_policies(&now.to_string(), limit).await
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}
