//! Where providers' events wait while the store is away: verified and read, so that nothing has to be verified again with
//! a signature that is too old by then.
//!
//! Must not know: how an event is written, or where.

use async_trait::async_trait;
use tollgate_domain::{ProviderName, Timestamp};

use super::{provider::ProviderEvent, queue::QueueError};

/// An event that could not be applied when it came. The fields that we use of it, and never its body, which holds payers'
/// data. (The trace that it came in is for whoever keeps it to add, as with every message.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// Whose.
    pub provider: ProviderName,
    /// What it says.
    pub event: ProviderEvent,
    /// When it came, business time.
    pub received_at: Timestamp,
    /// Of the request that brought it.
    pub correlation_id: String,
}

/// Keeps events.
#[async_trait]
pub trait EventBacklog: Send + Sync + 'static {
    /// Keeps `event`. Once this returns `Ok`, it outlives any process, and is handed out until it was applied. After an
    /// error it may be kept all the same: applied twice, it has one effect (rule 17).
    async fn keep(&self, event: &KeptEvent) -> Result<(), QueueError>;
}

/// Nowhere to keep them: whoever sends events is told to send them again.
pub struct NoBacklog;

#[async_trait]
impl EventBacklog for NoBacklog {
    async fn keep(&self, _: &KeptEvent) -> Result<(), QueueError> {
        Err(QueueError("providers' events can be kept nowhere but in the store".to_owned()))
    }
}
