//! Payments that are kept beside the store, as they were: written by whoever knows one anew, shown while the store is away.
//!
//! Must not know: where they are kept, how a payment is rendered.
//!
//! Nobody waits for the keeping: it is a task of its own, and of those so many are under way at most. What is shown is never
//! decided by.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tollgate_domain::{MerchantId, Payment, PaymentId, Timestamp};

use crate::{
    Error, Gateway,
    ports::{
        StoreError,
        statuses::{KeptStatus, StatusCache},
    },
    records::ChangeSet,
};

/// How many calls to the cache are under way at once, and so how many bodies wait in memory while it hangs. What comes beyond
/// that is left out.
const UNDER_WAY_AT_MOST: usize = 64;

/// A store that has not answered by then is away, for whoever only looks at a payment that is kept.
const SHOWN_AS_IT_IS_WITHIN: Duration = Duration::from_secs(1);

/// How many calls are under way.
#[derive(Default)]
pub(crate) struct KeepingNow(Arc<AtomicUsize>);

/// The right to one call.
struct Place(Arc<AtomicUsize>);

impl KeepingNow {
    fn place(&self) -> Option<Place> {
        let one_more = |now: usize| (now < UNDER_WAY_AT_MOST).then_some(now + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(Place(Arc::clone(&self.0)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A payment, for whoever wants to look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// As it is.
    Truth(Box<Payment>),
    /// As it was: the store gives no answer.
    Kept {
        /// What was answered then.
        body: String,
        /// How long ago it was the truth: less than [`crate::ports::statuses::SHOWN_FOR`].
        age: Duration,
    },
}

impl Gateway {
    /// The merchant's payment, as it is, or while the store is away as it was; another merchant's is not found.
    pub async fn show_payment(&self, merchant: MerchantId, id: PaymentId) -> Result<Shown, Error> {
        let asked_at = self.now();
        let soon = self.settings.store_timeout.min(SHOWN_AS_IT_IS_WITHIN);
        let found = match self.within_store_time(soon, self.ports.stores.payments.payment(id)).await {
            Err(StoreError::Unavailable(reason)) => {
                if let Some(kept) = self.kept_status(merchant, id).await {
                    tracing::warn!(reason, "the store gives no answer; a payment is shown as it was");
                    return Ok(kept);
                }
                // There is nothing to show instead: it may still answer in its time.
                self.load(id).await?
            }
            found => found?,
        };
        let payment = found.filter(|payment| payment.merchant == merchant).ok_or(Error::NotFound)?;
        self.keep_status(&payment, asked_at);
        Ok(Shown::Truth(Box::new(payment)))
    }

    /// Another merchant's is as good as none.
    async fn kept_status(&self, merchant: MerchantId, id: PaymentId) -> Option<Shown> {
        let cache = self.ports.statuses.as_ref()?;
        let found = cache.statuses.find(id).await.filter(|kept| kept.payment == id && kept.merchant == merchant);
        let shown = found.and_then(|kept| kept.age(self.now()).map(|age| Shown::Kept { body: kept.body, age }));
        count(if shown.is_some() { "hit" } else { "miss" }, 1);
        shown
    }

    /// Keeps `payment`, which was the truth at some time behind `at`. Nobody waits for it.
    pub(crate) fn keep_status(&self, payment: &Payment, at: Timestamp) {
        let Some(cache) = &self.ports.statuses else { return };
        let Some(place) = self.keeping.place() else { return count("left_out", 1) };
        let (status, statuses) = (cache.status(payment, at), Arc::clone(&cache.statuses));
        self.ports.spawn.spawn(Box::pin(async move {
            let is_kept = statuses.keep(&status).await;
            count(if is_kept { "kept" } else { "left_out" }, 1);
            drop(place);
        }));
    }

    /// Brings what is kept of the payments of `sets` up to date, which are committed since `at`, and keeps no others: a
    /// settlement of a million payments is no reason to keep a million. Nobody waits for it.
    pub(crate) fn renew_statuses(&self, sets: &[ChangeSet], at: Timestamp) {
        let Some(cache) = &self.ports.statuses else { return };
        let payments = || sets.iter().filter_map(|set| set.payment.as_ref()).map(|change| &change.payment);
        let Some(place) = self.keeping.place() else { return count("left_out", payments().count()) };
        let all: Vec<_> = payments().map(|payment| cache.status(payment, at)).collect();
        let statuses = Arc::clone(&cache.statuses);
        self.ports.spawn.spawn(Box::pin(async move {
            let left_out = statuses.renew(&all).await;
            count("left_out", left_out);
            count("kept", all.len().saturating_sub(left_out));
            drop(place);
        }));
    }
}

impl StatusCache {
    fn status(&self, payment: &Payment, at: Timestamp) -> KeptStatus {
        KeptStatus {
            payment: payment.id,
            merchant: payment.merchant,
            version: payment.version,
            at,
            body: self.format.body(payment),
        }
    }
}

fn count(outcome: &'static str, how_many: usize) {
    if how_many > 0 {
        metrics::counter!("status_cache_total", "outcome" => outcome).increment(how_many as u64);
    }
}
