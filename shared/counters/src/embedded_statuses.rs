//! Payments as they were, in process: all that there is where one process serves.
//!
//! Must not know: that there are other instances, what a payment is.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tollgate_domain::{PaymentId, Timestamp};
use tollgate_gateway::ports::{
    Statuses, Time,
    statuses::{KeptStatus, SHOWN_FOR},
};

/// The most payments that are kept.
const MOST_STATUSES: usize = 10_000;
/// The most bytes that their bodies come to.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Payments in this process, on the business clock: a simulation moves them with it. Where there are too many, those go that
/// were the truth the longest ago.
pub struct EmbeddedStatuses {
    kept: Mutex<Kept>,
    time: Arc<dyn Time>,
}

#[derive(Default)]
struct Kept {
    statuses: HashMap<PaymentId, KeptStatus>,
    /// The same, by when each was known to be the truth.
    by_age: BTreeSet<(Timestamp, PaymentId)>,
    bytes: usize,
}

impl EmbeddedStatuses {
    /// Nothing is kept.
    pub fn new(time: Arc<dyn Time>) -> Self {
        Self { kept: Mutex::default(), time }
    }

    /// How many payments are kept now, and how many bytes their bodies come to.
    pub fn kept(&self) -> (usize, usize) {
        self.with(|kept| (kept.statuses.len(), kept.bytes))
    }

    fn put(&self, status: &KeptStatus, only_where_kept: bool) -> bool {
        let now = self.time.now();
        if status.lasts(now).is_none() {
            return false;
        }
        self.with(|kept| {
            kept.forget_old(now);
            let before = kept.statuses.get(&status.payment);
            if before.map_or(!only_where_kept, |before| status.replaces(before.version, before.at)) {
                kept.put(status);
            }
        });
        true
    }

    fn with<R>(&self, act: impl FnOnce(&mut Kept) -> R) -> R {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn put(&mut self, status: &KeptStatus) {
        self.take(status.payment);
        self.bytes += status.body.len();
        self.by_age.insert((status.at, status.payment));
        self.statuses.insert(status.payment, status.clone());
        while (self.statuses.len() > MOST_STATUSES || self.bytes > MOST_BYTES) && self.take_oldest().is_some() {}
    }

    fn forget_old(&mut self, now: Timestamp) {
        while self.by_age.first().is_some_and(|(at, _)| *at + SHOWN_FOR <= now) {
            self.take_oldest();
        }
    }

    fn take_oldest(&mut self) -> Option<KeptStatus> {
        let (_, oldest) = self.by_age.first().copied()?;
        self.take(oldest)
    }

    fn take(&mut self, payment: PaymentId) -> Option<KeptStatus> {
        let taken = self.statuses.remove(&payment)?;
        self.by_age.remove(&(taken.at, payment));
        self.bytes -= taken.body.len();
        Some(taken)
    }
}

#[async_trait]
impl Statuses for EmbeddedStatuses {
    async fn keep(&self, status: &KeptStatus) -> bool {
        self.put(status, false)
    }

    async fn renew(&self, statuses: &[KeptStatus]) -> usize {
        statuses.iter().filter(|status| !self.put(status, true)).count()
    }

    async fn find(&self, payment: PaymentId) -> Option<KeptStatus> {
        let now = self.time.now();
        self.with(|kept| kept.statuses.get(&payment).filter(|status| status.age(now).is_some()).cloned())
    }
}
