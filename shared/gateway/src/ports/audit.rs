//! The books as the store keeps them, for the job that checks them, and how far jobs came.

use std::collections::BTreeSet;

use async_trait::async_trait;
use tollgate_domain::{
    PaymentId, Timestamp,
    audit::{Books, Invariant},
};

use super::StoreError;

/// How far a job came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobState {
    /// Where the next run goes on; `None`: at the beginning.
    pub cursor: Option<String>,
    /// When it last ran to its end.
    pub last_success_at: Option<Timestamp>,
}

/// Reads for checking, and what checking found.
#[async_trait]
pub trait Audit: Send + Sync + 'static {
    /// At most `limit` payments behind `after`, in the order of their ids, all as of one moment: a commit in between is
    /// seen whole or not at all. `None` in place of the books: some of it cannot be read.
    async fn books(&self, after: Option<PaymentId>, limit: u32) -> Result<Vec<(PaymentId, Option<Books>)>, StoreError>;

    /// Keeps what was found among the payments behind `after` up to `upto`, in place of what was found there before.
    async fn keep_violations(
        &self,
        after: Option<PaymentId>,
        upto: PaymentId,
        found: &[(PaymentId, Invariant)],
    ) -> Result<(), StoreError>;

    /// How many payments violate each invariant, as far as they were found; those that all keep are left out.
    async fn violations(&self) -> Result<Vec<(Invariant, u64)>, StoreError>;

    /// Which of `among` violate an invariant, as far as it was found.
    async fn violators(&self, among: &[PaymentId]) -> Result<BTreeSet<PaymentId>, StoreError>;

    /// How far the job of this name came.
    async fn job(&self, name: &'static str) -> Result<JobState, StoreError>;

    /// Keeps how far it came.
    async fn put_job(&self, name: &'static str, state: &JobState) -> Result<(), StoreError>;
}
