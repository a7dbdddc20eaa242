//! What operators did by their command: who, what, to what and why. Written before it is done, so that nothing is done unseen.

use async_trait::async_trait;
use tollgate_domain::{ChangeId, Timestamp};

use super::StoreError;

/// Something that an operator did, or began to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorAct {
    /// Its id.
    pub id: ChangeId,
    /// When it was begun.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why, where he said it.
    pub why: Option<String>,
    /// What, as it is typed: `deliveries redeliver`.
    pub command: String,
    /// To what.
    pub subject: String,
    /// What came of it. `None`: it was begun, and whether it was done is not known.
    pub outcome: Option<String>,
}

/// Operators' acts.
#[async_trait]
pub trait OperatorActs: Send + Sync + 'static {
    /// Keeps an act that is begun. The same again is done once; what came of it stays.
    async fn begin_act(&self, act: &OperatorAct) -> Result<(), StoreError>;

    /// Keeps what came of an act. The first word stands.
    async fn end_act(&self, id: ChangeId, outcome: &str) -> Result<(), StoreError>;

    /// At most `limit` acts, the last one first, those before `before`.
    async fn acts(&self, before: Option<(Timestamp, ChangeId)>, limit: u32) -> Result<Vec<OperatorAct>, StoreError>;
}
