//! What an instance does by itself while Redis gives no answer, and what it believes when Redis is back.
//!
//! Must not know: Redis.
//!
//! Quotas overshoot by a second of their budget at most when Redis goes away for all instances and comes back. For a quota
//! of N a second, whatever its burst, that second is made of:
//!
//! - [`HEAD_START`]: an instance's share starts with a fifth of a second of its budget, all instances together 0.2 N. From
//!   there on they add N a second together, as the shared bucket would have;
//! - [`BELIEVED`]: when Redis is back, its bucket is believed to hold half a second of the budget at most, 0.5 N, whatever
//!   it kept or lost: each instance's first call says so;
//! - the time in which one instance is back and another is not, which is what a try in vain and the wait for the next
//!   take: 0.3 s with the defaults of [`super::Options`], 0.3 N at most.
//!
//! It does not hold where only some instances have lost Redis: each of those adds its share for as long as that lasts. And
//! Redis that loses its data while it goes on serving gives a full burst again; so a quota's burst should be a second of
//! its budget or less.
//!
//! A merchant's own limit is no quota: there a share starts full, and the shared bucket is believed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tollgate_gateway::ports::{
    Time,
    counters::{Bucket, DecidedBy, Standing},
};

use crate::{bucket::Flow, embedded::Buckets};

/// What a quota's share starts with: this much of its budget.
const HEAD_START: Duration = Duration::from_millis(200);
/// What a quota's bucket is believed to hold when Redis is back: this much of its budget.
const BELIEVED: Duration = Duration::from_millis(500);

pub(super) struct Fallback {
    buckets: Buckets,
    instances: u32,
    time: Arc<dyn Time>,
    /// Up to which return of Redis a quota's bucket was believed in full.
    settled: Mutex<HashMap<Bucket, u64>>,
}

impl Fallback {
    pub(super) fn new(instances: u32, time: Arc<dyn Time>) -> Self {
        Self { buckets: Buckets::default(), instances, time, settled: Mutex::default() }
    }

    /// Takes a token of this instance's share.
    pub(super) fn take(&self, bucket: Bucket, flow: Flow) -> Standing {
        let share = flow.part(self.instances);
        self.buckets.take(bucket, self.now_ms(), share, unused(bucket, share), DecidedBy::Fallback)
    }

    /// How this instance's share stands.
    pub(super) fn look(&self, bucket: Bucket, flow: Flow) -> Standing {
        let share = flow.part(self.instances);
        self.buckets.look(bucket, self.now_ms(), share, unused(bucket, share), DecidedBy::Fallback)
    }

    /// Puts a token back into this instance's share.
    pub(super) fn give_back(&self, bucket: Bucket, flow: Flow) {
        self.buckets.give_back(bucket, self.now_ms(), flow.part(self.instances));
    }

    /// Redis has gone away: what quotas' shares saved up since the last time does not count.
    pub(super) fn begin(&self) {
        self.buckets.lower(self.now_ms(), unused);
    }

    /// The most units to believe in after the `returns`th return of Redis; `None`: all that Redis says.
    pub(super) fn ceiling(&self, bucket: Bucket, flow: Flow, returns: u64) -> Option<u64> {
        let is_settled = || self.settled().get(&bucket).copied().unwrap_or(0) >= returns;
        (bucket.is_quota() && !is_settled()).then(|| flow.within(BELIEVED))
    }

    /// The bucket has been lowered after the `returns`th return.
    pub(super) fn settle(&self, bucket: Bucket, returns: u64) {
        let mut settled = self.settled();
        let latest = settled.entry(bucket).or_default();
        *latest = (*latest).max(returns);
    }

    fn settled(&self) -> std::sync::MutexGuard<'_, HashMap<Bucket, u64>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Real time: what it stands in for, Redis, goes by it.
    fn now_ms(&self) -> i64 {
        i64::try_from(self.time.monotonic().as_millis()).unwrap_or(i64::MAX)
    }
}

/// What a share holds that nobody used yet.
fn unused(bucket: Bucket, share: Flow) -> u64 {
    if bucket.is_quota() { share.within(HEAD_START) } else { share.capacity }
}
