//! The only source of chance: numbers that follow from the seed.
//!
//! Must not know: what they decide.

use std::{sync::Arc, sync::Mutex, time::Duration};

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::executor::locked;

/// Dice. Cheap to clone; all clones throw the same ones.
#[derive(Clone)]
pub(crate) struct Dice(Arc<Mutex<Pcg64Mcg>>);

impl Dice {
    /// The dice of this seed.
    pub(crate) fn of(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Pcg64Mcg::seed_from_u64(seed))))
    }

    /// Any number.
    pub(crate) fn any(&self) -> u64 {
        locked(&self.0).next_u64()
    }

    /// From 0 up to `limit`, without it; 0 for a limit of 0.
    pub(crate) fn below(&self, limit: u64) -> u64 {
        self.any().checked_rem(limit).unwrap_or(0)
    }

    /// A place in something of this length.
    pub(crate) fn index(&self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// Happens so many times of a thousand.
    pub(crate) fn chance(&self, per_mille: u64) -> bool {
        per_mille > 0 && self.below(1000) < per_mille
    }

    /// Happens so many times of a million.
    pub(crate) fn rarely(&self, per_million: u64) -> bool {
        per_million > 0 && self.below(1_000_000) < per_million
    }

    /// One of these.
    pub(crate) fn one_of<T: Copy>(&self, all: &[T]) -> T {
        all[self.index(all.len())]
    }

    /// From `least` to `most`, milliseconds.
    pub(crate) fn ms(&self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }

    /// From `least` to `most`, seconds, to the millisecond.
    pub(crate) fn secs(&self, least: u64, most: u64) -> Duration {
        self.ms(least * 1000, most * 1000)
    }

    /// Random bytes.
    pub(crate) fn fill(&self, bytes: &mut [u8]) {
        locked(&self.0).fill_bytes(bytes);
    }
}
