//! A provider's own records of a period: every movement of money that it has on its books, page by page, whoever asked for it.

use std::time::Duration;

use async_trait::async_trait;
use tollgate_domain::{ProviderRecord, Timestamp};

use super::provider::Reply;

/// What is asked for: the records from `from` on and before `until`.
#[derive(Debug, Clone, Copy)]
pub struct RecordsAsk<'a> {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment that is not in it.
    pub until: Timestamp,
    /// Where the page before ended, in the provider's own words; `None`: the first page.
    pub cursor: Option<&'a str>,
    /// When the whole call must have ended, connecting and reading included.
    pub timeout: Duration,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPage {
    /// Movements between payers and us.
    pub records: Vec<ProviderRecord>,
    /// How many others were on it, which are left out: fees, payouts, conversions.
    pub others: u64,
    /// Where the next page begins, one word without spaces; `None`: this was the last one.
    pub next: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// A page.
    Page(RecordPage),
    /// The provider shows so many for shorter periods only.
    TooMany,
    /// It could not be asked, or what it answered cannot be read.
    Failed {
        /// For the log.
        reason: String,
    },
}

/// Shows a provider's own records.
#[async_trait]
pub trait ProviderRecords: Send + Sync {
    /// How long after a movement its record can be counted on to be there.
    fn known_after(&self) -> Duration;

    /// The longest period that it should be asked for at once.
    fn longest_period(&self) -> Duration;

    /// One page of a period that is over, changing nothing.
    async fn records_of(&self, ask: RecordsAsk<'_>) -> Reply<Records>;
}
