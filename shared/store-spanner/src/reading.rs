//! Reads: alone, or several of one moment. Each has a tag, a time limit, and a budget for being asked again.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::try_join_all;
use google_cloud_gax::retry_policy::RetryPolicyExt;
use google_cloud_spanner::{
    builder::ConfiguredReadRequestBuilder,
    result::ResultSet,
    retry_policy::SpannerRetryPolicy,
    statement::Statement,
    transaction::{BeginTransactionOption, MultiUseReadOnlyTransaction, ReadWriteTransaction, TimestampBound},
    value::Value,
};
use tollgate_domain::Timestamp;

use crate::{Options, SpannerStore, cells::Row, connection::Leased, error::Result, rows::Asked};

/// Whatever rows are read through: what is read twice through one of a moment is the same twice.
#[async_trait]
pub(crate) trait Reader: Send + Sync {
    /// The rows that are asked for.
    async fn rows(&self, asked: Asked) -> Result<Vec<Row>>;

    /// The first of them.
    async fn row(&self, asked: Asked) -> Result<Option<Row>> {
        Ok(self.rows(asked.limit(1)).await?.pop())
    }

    /// The rows of several reads at once.
    async fn all(&self, asked: Vec<Asked>) -> Result<Vec<Vec<Row>>> {
        try_join_all(asked.into_iter().map(|asked| self.rows(asked))).await
    }
}

/// Several reads of one moment.
pub(crate) struct Snapshot<'a> {
    transaction: MultiUseReadOnlyTransaction,
    tag: &'static str,
    store: &'a SpannerStore,
    // A session has one transaction at a time on an emulator.
    _client: Leased,
}

/// Reads of the present, each by itself.
pub(crate) struct Present<'a> {
    client: Leased,
    tag: &'static str,
    store: &'a SpannerStore,
}

/// Reads within a transaction that writes: nobody changes what was read before it has committed.
pub(crate) struct Locked {
    pub(crate) transaction: ReadWriteTransaction,
    pub(crate) options: Arc<Options>,
}

impl SpannerStore {
    /// For reading the present.
    pub(crate) async fn present(&self, tag: &'static str) -> Result<Present<'_>> {
        let client = self.connection.client().await?;
        Ok(Present { client, tag, store: self })
    }

    /// For reading several things as of one moment: the present.
    pub(crate) async fn snapshot(&self, tag: &'static str) -> Result<Snapshot<'_>> {
        self.snapshot_at(tag, TimestampBound::strong()).await
    }

    /// For reading what may be a little old: it asks no leader, and waits for nobody.
    pub(crate) async fn a_little_old(&self, tag: &'static str) -> Result<Snapshot<'_>> {
        let bound = if self.options.staleness.is_zero() {
            TimestampBound::strong()
        } else {
            TimestampBound::exact_staleness(self.options.staleness)
        };
        self.snapshot_at(tag, bound).await
    }

    async fn snapshot_at(&self, tag: &'static str, bound: TimestampBound) -> Result<Snapshot<'_>> {
        let client = self.connection.client().await?;
        // It begins with its first read: no round trip of its own.
        let begin = client.read_only_transaction().set_timestamp_bound(bound).build();
        let transaction = self.in_time(async { Ok(begin.await?) }).await?;
        Ok(Snapshot { transaction, tag, store: self, _client: client })
    }

    /// For reading for a long time, at a timestamp that is known.
    pub(crate) async fn snapshot_of(&self, tag: &'static str, bound: TimestampBound) -> Result<Snapshot<'_>> {
        let client = self.connection.client().await?;
        let begin = client.read_only_transaction().set_timestamp_bound(bound);
        let begin = begin.set_begin_transaction_option(BeginTransactionOption::ExplicitBegin).build();
        let transaction = self.in_time(async { Ok(begin.await?) }).await?;
        Ok(Snapshot { transaction, tag, store: self, _client: client })
    }
}

impl Snapshot<'_> {
    /// The moment, where it has begun.
    pub(crate) fn read_at(&self) -> Option<Timestamp> {
        let at = self.transaction.read_timestamp()?;
        Timestamp::new(at.seconds(), at.nanos()).ok()
    }

    /// The cells of any read.
    pub(crate) async fn values(&self, request: ConfiguredReadRequestBuilder) -> Result<Vec<Vec<Value>>> {
        self.store.counters.read();
        let request = bounded(request, &self.store.options).build();
        self.store.in_time(async { values(self.transaction.execute_read(request).await?).await }).await
    }

    /// The cells of any query.
    pub(crate) async fn query(&self, statement: Statement) -> Result<Vec<Vec<Value>>> {
        self.store.counters.read();
        self.store.in_time(async { values(self.transaction.execute_query(statement).await?).await }).await
    }
}

async fn values(mut found: ResultSet) -> Result<Vec<Vec<Value>>> {
    let mut rows = Vec::new();
    while let Some(row) = found.next().await {
        rows.push(row?.into_values());
    }
    Ok(rows)
}

#[async_trait]
impl Reader for Present<'_> {
    async fn rows(&self, asked: Asked) -> Result<Vec<Row>> {
        self.store.counters.read();
        let columns = asked.source.columns;
        let request = bounded(asked.request(self.tag), &self.store.options).build();
        let once = self.client.single_use().build();
        self.store.in_time(async { collect(columns, once.execute_read(request).await?).await }).await
    }
}

#[async_trait]
impl Reader for Snapshot<'_> {
    async fn rows(&self, asked: Asked) -> Result<Vec<Row>> {
        self.store.counters.read();
        let columns = asked.source.columns;
        let request = bounded(asked.request(self.tag), &self.store.options).build();
        self.store.in_time(async { collect(columns, self.transaction.execute_read(request).await?).await }).await
    }
}

#[async_trait]
impl Reader for Locked {
    async fn rows(&self, asked: Asked) -> Result<Vec<Row>> {
        let columns = asked.source.columns;
        // The transaction has a tag of its own.
        let request = bounded(asked.request(""), &self.options);
        Box::pin(async { collect(columns, self.transaction.execute_read(request.build()).await?).await }).await
    }
}

fn bounded(request: ConfiguredReadRequestBuilder, options: &Options) -> ConfiguredReadRequestBuilder {
    request
        .with_attempt_timeout(options.attempt_timeout)
        .with_retry_policy(SpannerRetryPolicy::new().with_time_limit(options.operation_timeout))
}

async fn collect(columns: &'static [&'static str], mut found: ResultSet) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    while let Some(row) = found.next().await {
        rows.push(Row::new(columns, row?.into_values()));
    }
    Ok(rows)
}
