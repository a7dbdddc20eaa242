//! What jobs have to look at, and when: read from indexes that hold nothing else.

use async_trait::async_trait;
use tollgate_domain::{PaymentId, PaymentStatus, Timestamp};

use super::StoreError;

/// Which job's agenda.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Agendum {
    /// Payments that wait for something: [`Payment::due_at`].
    Stuck,
    /// Payments to be compared with the provider's truth: [`Payment::truth_at`].
    Truth,
}

/// When something is due next, if nothing changes meanwhile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NextDue {
    /// A delivery.
    pub delivery: Option<Timestamp>,
    /// A payment that waits for something.
    pub stuck: Option<Timestamp>,
    /// A comparison with the provider's truth.
    pub truth: Option<Timestamp>,
}

/// How many payments stand where nobody wants them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Past their time, by status.
    pub stuck: Vec<(PaymentStatus, u64)>,
    /// A person has to look.
    pub need_review: u64,
}

/// The jobs' agenda.
#[async_trait]
pub trait Agenda: Send + Sync + 'static {
    /// At most `limit` payments that are due at `now`, the longest overdue first, with the time that each was due at;
    /// those behind `after` in that order. Their ids alone: each is read by itself, so that one that cannot be read
    /// hinders no other.
    async fn due(
        &self,
        what: Agendum,
        now: Timestamp,
        after: Option<(Timestamp, PaymentId)>,
        limit: u32,
    ) -> Result<Vec<(Timestamp, PaymentId)>, StoreError>;

    /// Puts a payment off to `at` (`None`: for good) where it is still in `version`; its next change sets the time anew.
    async fn postpone(
        &self,
        what: Agendum,
        payment: PaymentId,
        version: u64,
        at: Option<Timestamp>,
    ) -> Result<(), StoreError>;

    /// When something is due next.
    async fn next_due(&self) -> Result<NextDue, StoreError>;

    /// How many payments are past their time at `now`, and how many need review.
    async fn standing(&self, now: Timestamp) -> Result<Standing, StoreError>;
}
