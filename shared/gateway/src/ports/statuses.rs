//! Payments as merchants see them, kept beside the store for a few minutes: what `GET` answers while the store is away.
//!
//! A cache, and nothing decides by it. No call fails, and none takes longer than a call to the counters may: what cannot be
//! kept in that time is left out, and what cannot be found in it is not there.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tollgate_domain::{MerchantId, Payment, PaymentId, Timestamp};

/// How long what is kept may be shown, from when it was last known to be the truth.
pub const SHOWN_FOR: Duration = Duration::from_secs(300);
/// The longest body that is kept, in bytes. A payment's is far shorter.
pub const BODY_AT_MOST: usize = 64 * 1024;

/// A payment as it was.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptStatus {
    /// Which.
    pub payment: PaymentId,
    /// Whose: nobody else may see it.
    pub merchant: MerchantId,
    /// The payment's version: a later one is never overwritten by an earlier one.
    pub version: u64,
    /// When it was known to be the truth, by the business clock of who knew it, in whole microseconds.
    pub at: Timestamp,
    /// What a merchant is answered who asks for it.
    pub body: String,
}

impl KeptStatus {
    /// How long ago it was the truth. `None`: too long ago to be shown. A clock that is behind makes it no younger than now.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        let age = Duration::try_from(now.duration_since(self.at)).unwrap_or_default();
        (age < SHOWN_FOR).then_some(age)
    }

    /// For how long it may still be kept. `None`: it is too old or too long to be.
    pub fn lasts(&self, now: Timestamp) -> Option<Duration> {
        let age = self.age(now).filter(|_| self.body.len() <= BODY_AT_MOST)?;
        SHOWN_FOR.checked_sub(age)
    }

    /// Whether it is to stand in the place of one of the same payment of `version`, known at `at`: it is of a later version,
    /// or the same was known to be the truth again, later.
    pub fn replaces(&self, version: u64, at: Timestamp) -> bool {
        (self.version, self.at) > (version, at)
    }
}

/// The body is the merchant's and the payer's: it has no place in a log.
impl std::fmt::Debug for KeptStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { payment, merchant, version, at, body } = self;
        write!(f, "KeptStatus({payment} of {merchant}, version {version} at {at}, {} bytes)", body.len())
    }
}

/// Keeps payments as they were.
#[async_trait]
pub trait Statuses: Send + Sync + 'static {
    /// Keeps `status`, in one step, unless what is kept of this payment is of a later version, or as late. `false`: it was
    /// left out, because nobody answered in time, or it is too old or too long.
    async fn keep(&self, status: &KeptStatus) -> bool;

    /// Does the same for each of `statuses` whose payment something is kept of; the others are not kept. Answers how many
    /// were left out.
    async fn renew(&self, statuses: &[KeptStatus]) -> usize;

    /// What is kept of a payment, and is not older than [`SHOWN_FOR`].
    async fn find(&self, payment: PaymentId) -> Option<KeptStatus>;
}

/// Renders payments for merchants.
pub trait StatusFormat: Send + Sync + 'static {
    /// What a merchant is answered who asks for `payment`.
    fn body(&self, payment: &Payment) -> String;
}

/// Where payments are kept as they were, and how they are written there.
#[derive(Clone)]
pub struct StatusCache {
    /// Keeps them.
    pub statuses: Arc<dyn Statuses>,
    /// Renders them.
    pub format: Arc<dyn StatusFormat>,
}
