//! What the comparison with providers' own records needs of the store: what of them was seen, what we say moved in a period, and
//! the exceptions that came of it.
//!
//! Must not know: what agrees with what.

use async_trait::async_trait;
use tollgate_domain::{
    Currency, Exception, ExceptionChange, ExceptionId, ExceptionKind, Money, PaymentId, ProviderName, RefundId,
    Timestamp, audit::Booked,
};

use super::StoreError;

/// A provider's record, as it is kept: the first that showed a movement of ours. Insert-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRecord {
    /// Whose records.
    pub provider: ProviderName,
    /// Which movement of ours, by name.
    pub subject: String,
    /// The provider's id of it.
    pub record: String,
    /// How much, where it could be read.
    pub amount: Option<Money>,
    /// When it moved, as the provider says.
    pub at: Timestamp,
}

/// What of a provider's records was seen, and what should be among them.
#[async_trait]
pub trait RecordBooks: Send + Sync + 'static {
    /// Keeps records whose subject has none yet. Answers, in the same order, the id of the record that each subject has: its own,
    /// or that of the one which was first.
    async fn keep_records(&self, records: &[KeptRecord]) -> Result<Vec<String>, StoreError>;

    /// The record that a subject has.
    async fn kept_record(&self, provider: ProviderName, subject: &str) -> Result<Option<KeptRecord>, StoreError>;

    /// At most `limit` payments that were captured at `provider` from `from` on and before `until`, those behind `after` in the order
    /// of that time and id.
    async fn captured_between(
        &self,
        provider: ProviderName,
        (from, until): (Timestamp, Timestamp),
        after: Option<(Timestamp, PaymentId)>,
        limit: u32,
    ) -> Result<Vec<(Timestamp, PaymentId)>, StoreError>;

    /// The same of refunds by when they were asked for, at whatever provider.
    async fn refunds_between(
        &self,
        period: (Timestamp, Timestamp),
        after: Option<(Timestamp, RefundId)>,
        limit: u32,
    ) -> Result<Vec<(Timestamp, RefundId)>, StoreError>;

    /// A payment's ledger lines.
    async fn booked(&self, payment: PaymentId) -> Result<Vec<Booked>, StoreError>;

    /// The payment that a transaction of a provider belongs to.
    async fn payment_of(&self, provider: ProviderName, transaction: &str) -> Result<Option<PaymentId>, StoreError>;
}

/// How many exceptions of one kind are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenExceptions {
    /// Which kind.
    pub kind: ExceptionKind,
    /// How many.
    pub count: u64,
    /// Since when the oldest of them is.
    pub oldest: Timestamp,
}

/// Exceptions, and every change of them.
#[async_trait]
pub trait Exceptions: Send + Sync + 'static {
    /// One.
    async fn exception(&self, id: ExceptionId) -> Result<Option<Exception>, StoreError>;

    /// Writes an exception, with what was done to it: revision 1 must be new, any other follows the one before. `false`: somebody
    /// else was faster; nothing was written. The very same again is done once.
    async fn put_exception(&self, exception: &Exception, change: Option<&ExceptionChange>) -> Result<bool, StoreError>;

    /// At most `limit` exceptions, the oldest first, those behind `after` in the order of their first time and id; `open`: only those
    /// that nobody resolved.
    async fn exceptions(
        &self,
        open: bool,
        after: Option<(Timestamp, ExceptionId)>,
        limit: u32,
    ) -> Result<Vec<Exception>, StoreError>;

    /// At most `limit` of the changes of one exception, the last one first.
    async fn exception_changes(&self, id: ExceptionId, limit: u32) -> Result<Vec<ExceptionChange>, StoreError>;

    /// How many are open, by kind; kinds without any are left out.
    async fn open_exceptions(&self) -> Result<Vec<OpenExceptions>, StoreError>;
}

/// An amount from the two columns that it stands in; both or neither.
pub fn money_of(minor: Option<i64>, currency: Option<Currency>) -> Option<Money> {
    Money::new(minor?, currency?).ok()
}
