//! Buckets in process: all that there is where one process serves, and what an instance falls back to.
//!
//! Must not know: that there are other instances.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tollgate_gateway::ports::{
    Counters, Time,
    counters::{Bucket, CountersAway, DecidedBy, Limit, Standing},
};

use crate::bucket::{Flow, Level};

/// The most buckets that are kept: some 10 MB.
const MOST_BUCKETS: usize = 100_000;
/// As long as there are fewer, nobody looks for those that can be forgotten.
const FEW_BUCKETS: usize = 1_000;

/// Buckets in this process, on the business clock: a simulation moves them with it.
pub struct EmbeddedCounters {
    buckets: Buckets,
    time: Arc<dyn Time>,
}

impl EmbeddedCounters {
    /// Every bucket full.
    pub fn new(time: Arc<dyn Time>) -> Self {
        Self { buckets: Buckets::default(), time }
    }

    /// How many buckets are kept now: those that are not full, and some that are not yet forgotten.
    pub fn kept(&self) -> usize {
        self.buckets.kept()
    }

    fn on<R>(&self, limit: Limit, act: impl FnOnce(&Buckets, i64, Flow) -> R) -> Option<R> {
        Flow::of(limit).map(|flow| act(&self.buckets, self.time.now().as_millisecond(), flow))
    }
}

#[async_trait]
impl Counters for EmbeddedCounters {
    async fn take(&self, bucket: Bucket, limit: Limit) -> Standing {
        let taken = self
            .on(limit, |buckets, now_ms, flow| buckets.take(bucket, now_ms, flow, flow.capacity, DecidedBy::Shared));
        taken.unwrap_or(Standing::nothing(DecidedBy::Shared))
    }

    async fn look(&self, bucket: Bucket, limit: Limit) -> Standing {
        let seen = self
            .on(limit, |buckets, now_ms, flow| buckets.look(bucket, now_ms, flow, flow.capacity, DecidedBy::Shared));
        seen.unwrap_or(Standing::nothing(DecidedBy::Shared))
    }

    async fn give_back(&self, bucket: Bucket, limit: Limit, _: DecidedBy) {
        self.on(limit, |buckets, now_ms, flow| buckets.give_back(bucket, now_ms, flow));
    }

    async fn ping(&self) -> Result<(), CountersAway> {
        Ok(())
    }
}

/// Buckets, by what they count. The caller brings the time.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    buckets: HashMap<Bucket, (Level, Flow)>,
    /// When there are this many, those that are full by now are forgotten.
    sweep_at: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Self { buckets: HashMap::new(), sweep_at: FEW_BUCKETS }
    }
}

impl Buckets {
    /// Takes a token; a bucket that is not kept holds `unused` units.
    pub(crate) fn take(&self, bucket: Bucket, now_ms: i64, flow: Flow, unused: u64, by: DecidedBy) -> Standing {
        self.with(|kept| {
            let level = kept.level(bucket, now_ms, flow, unused);
            let taken = level.less_a_token();
            let after = taken.unwrap_or(level);
            kept.keep(bucket, after, flow);
            after.standing(taken.is_some(), now_ms, flow, by)
        })
    }

    /// How it stands; a bucket that is not kept holds `unused` units.
    pub(crate) fn look(&self, bucket: Bucket, now_ms: i64, flow: Flow, unused: u64, by: DecidedBy) -> Standing {
        let level = self.with(|kept| kept.level(bucket, now_ms, flow, unused));
        level.standing(level.less_a_token().is_some(), now_ms, flow, by)
    }

    /// Puts a token back. A bucket that is not kept is full, or has lost what was taken from it.
    pub(crate) fn give_back(&self, bucket: Bucket, now_ms: i64, flow: Flow) {
        self.with(|kept| {
            if let Some((level, _)) = kept.buckets.get(&bucket) {
                let level = level.at(now_ms, flow).with_a_token(flow);
                kept.keep(bucket, level, flow);
            }
        });
    }

    /// Lowers every bucket to what `most` says, at most.
    pub(crate) fn lower(&self, now_ms: i64, most: impl Fn(Bucket, Flow) -> u64) {
        self.with(|kept| {
            for (bucket, (level, flow)) in &mut kept.buckets {
                let now = level.at(now_ms, *flow);
                *level = Level { units: now.units.min(most(*bucket, *flow)), ..now };
            }
        });
    }

    fn kept(&self) -> usize {
        self.with(|kept| kept.buckets.len())
    }

    fn with<R>(&self, act: impl FnOnce(&mut Kept) -> R) -> R {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn level(&self, bucket: Bucket, now_ms: i64, flow: Flow, unused: u64) -> Level {
        let unused = Level { units: unused.min(flow.capacity), at_ms: now_ms };
        self.buckets.get(&bucket).map_or(unused, |(level, _)| level.at(now_ms, flow))
    }

    fn keep(&mut self, bucket: Bucket, level: Level, flow: Flow) {
        if self.buckets.len() >= self.sweep_at && !self.buckets.contains_key(&bucket) {
            self.forget_idle(level.at_ms);
        }
        self.buckets.insert(bucket, (level, flow));
    }

    /// Forgets the buckets that are full at `now_ms`: nothing is lost with them. Where too many are not, a quarter goes,
    /// of those that miss least.
    fn forget_idle(&mut self, now_ms: i64) {
        let missing = |(level, flow): &(Level, Flow)| flow.capacity - level.at(now_ms, *flow).units;
        self.buckets.retain(|_, kept| missing(kept) > 0);
        if self.buckets.len() >= MOST_BUCKETS {
            let mut all: Vec<u64> = self.buckets.values().map(missing).collect();
            let quarter = all.len() / 4;
            let (_, limit, _) = all.select_nth_unstable(quarter);
            let limit = *limit;
            let mut left_to_go = quarter;
            self.buckets.retain(|_, kept| {
                let goes = left_to_go > 0 && missing(kept) <= limit;
                left_to_go -= usize::from(goes);
                !goes
            });
        }
        self.sweep_at = (self.buckets.len() * 2).clamp(FEW_BUCKETS, MOST_BUCKETS);
    }
}
