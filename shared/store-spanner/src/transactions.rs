//! Transactions that compare before they write: read, decide, commit; two round trips. What was read is locked until then.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use google_cloud_spanner::{retry_policy::BasicTransactionRetryPolicy, transaction::ReadWriteTransaction};

use crate::{
    SpannerStore,
    error::{Result, Trouble},
    reading::Locked,
    rows::Counted,
};

/// What a transaction came to: its mutations are committed if it came to something.
pub(crate) struct Decided<T> {
    /// The answer.
    pub(crate) answer: T,
    /// What is written.
    pub(crate) writes: Vec<Counted>,
}

impl<T> Decided<T> {
    /// Nothing is written.
    pub(crate) fn nothing(answer: T) -> Self {
        Self { answer, writes: Vec::new() }
    }
}

/// What is decided from what is read. It may be asked several times.
#[async_trait]
pub(crate) trait Decision: Send + Sync + 'static {
    /// What comes of it.
    type Answer: Send + 'static;

    /// Reads what it needs, and says what is written.
    async fn decide(&self, locked: &Locked) -> Result<Decided<Self::Answer>>;
}

impl SpannerStore {
    /// Reads, decides and commits. Where somebody else wrote to what was read, it is decided anew, within the
    /// operation's time.
    pub(crate) async fn transact<D: Decision>(&self, tag: &'static str, decision: D) -> Result<D::Answer> {
        self.counters.transaction();
        let client = self.connection.client().await?;
        let limit = self.options.operation_timeout;
        let runner = client
            .read_write_transaction()
            .set_transaction_tag(tag)
            .with_transaction_timeout(limit)
            .with_commit_attempt_timeout(self.options.attempt_timeout)
            .with_retry_policy(retries(limit))
            .build();
        let (decision, options) = (Arc::new(decision), Arc::clone(&self.options));
        let work = move |transaction: ReadWriteTransaction| {
            let (decision, options) = (Arc::clone(&decision), Arc::clone(&options));
            async move {
                let locked = Locked { transaction, options };
                match decision.decide(&locked).await {
                    Ok(Decided { answer, writes }) => {
                        locked.transaction.buffer(writes.into_iter().map(|counted| counted.mutation))?;
                        Ok(Ok(answer))
                    }
                    // The client tells an aborted transaction by its own error.
                    Err(Trouble::Spanner(error)) => Err(error),
                    Err(trouble) => Ok(Err(trouble)),
                }
            }
        };
        self.in_time(async { Ok(runner.run(work).await?.into_inner()) }).await?
    }
}

/// An aborted transaction is repeated for so long, with the client's backoff.
pub(crate) fn retries(limit: Duration) -> BasicTransactionRetryPolicy {
    BasicTransactionRetryPolicy::new().with_total_timeout(limit)
}
