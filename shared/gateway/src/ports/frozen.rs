//! All that a store holds, as of one moment: what a copy of it is held against.

use async_trait::async_trait;
use tollgate_domain::{PaymentId, Timestamp, audit::Books};

use super::StoreError;
use crate::recovery::Contents;

/// A store that stands still: what is committed meanwhile is not seen.
#[async_trait]
pub trait Frozen: Send + Sync {
    /// As of when.
    fn at(&self) -> Timestamp;

    /// Every row of every table, counted and digested.
    async fn contents(&self) -> Result<Contents, StoreError>;

    /// At most `limit` payments behind `after`, by id, with all that is kept with each: as [`super::Audit::books`] reads them.
    async fn books(&self, after: Option<PaymentId>, limit: u32) -> Result<Vec<(PaymentId, Option<Books>)>, StoreError>;
}
