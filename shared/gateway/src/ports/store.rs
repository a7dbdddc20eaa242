//! The store of payments: it commits change sets and reads by key. It makes no decision.

use async_trait::async_trait;
use tollgate_domain::{
    BootId, EventId, KeyHash, MerchantId, Operation, Payment, PaymentId, Refund, RefundId, Timestamp,
};

use crate::records::{ChangeSet, Committed, EventRecord, IdempotencyRecord, ListQuery, Page, TimelineRow};

/// Commits, and the reads that decisions need.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Commits `set` whole, or reports which of its guards is taken and changes nothing (rule 13).
    ///
    /// Committing the same set again (same `change_id`) after it was committed is [`Committed::Done`] and changes
    /// nothing: so a commit whose answer was lost is sent again as it is (rule 14).
    async fn commit(&self, set: &ChangeSet) -> Result<Committed, StoreError>;

    /// The payment's row: everything that a decision reads. Strong: sees every commit that was confirmed before.
    async fn payment(&self, id: PaymentId) -> Result<Option<Payment>, StoreError>;

    /// One operation of a payment, open or closed.
    async fn operation(&self, payment: PaymentId, number: u32) -> Result<Option<Operation>, StoreError>;

    /// The idempotency record of a key in its scope.
    async fn idempotency(&self, key: KeyHash) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Whether `owner` is known to be gone, so that what it leased may be taken over at once. `false` where that
    /// cannot be known (Spanner): then only time releases a lease.
    async fn owner_is_gone(&self, owner: BootId) -> Result<bool, StoreError>;

    /// Whether the store answers: for readiness.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// The reads beside those of payments.
#[async_trait]
pub trait Timelines: Send + Sync + 'static {
    /// A merchant's payments, newest first.
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError>;

    /// Everything that happened to a payment, in order: see [`TimelineRow`] for the order.
    async fn timeline(&self, payment: PaymentId) -> Result<Vec<TimelineRow>, StoreError>;

    /// A refund as it now is. Strong; whoever decides by it reads its payment first: a change of the refund in between
    /// makes a version of the payment, and the decision loses its race.
    async fn refund(&self, id: RefundId) -> Result<Option<Refund>, StoreError>;

    /// A payment's refunds, oldest first.
    async fn refunds(&self, payment: PaymentId) -> Result<Vec<Refund>, StoreError>;

    /// At most `limit` of the merchant's events in the order of their commits, those behind `after`. `None`: `after` is
    /// none of the merchant's.
    async fn events(
        &self,
        merchant: MerchantId,
        after: Option<EventId>,
        limit: u32,
    ) -> Result<Option<Vec<EventRecord>>, StoreError>;
}

/// House-keeping, by the hourly job that checks the books. A store that deletes by itself has nothing to do.
#[async_trait]
pub trait Upkeep: Send + Sync + 'static {
    /// Deletes at most `limit` idempotency records and received-event rows that expired before `now`; returns how many.
    async fn delete_expired(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;
}

/// Why the store gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, is busy or full, or did not answer in time. A commit may have happened all the same.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A row does not read as what was written: never expected, needs a person.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}
