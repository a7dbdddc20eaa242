//! Chance that can be played again: a seed that is told, and numbers that follow from it.

use std::env;

use tollgate_gateway::ports::Entropy;

use crate::ports::SystemEntropy;

/// `TOLLGATE_SEED`, or a random one. Processes and networks are not repeatable; the same seed makes the same requests
/// and the same pauses.
pub fn seed() -> u64 {
    let chosen = env::var("TOLLGATE_SEED").ok().and_then(|text| text.parse().ok());
    chosen.unwrap_or_else(|| {
        let mut bytes = [0; 8];
        SystemEntropy.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    })
}

/// `SplitMix64`.
pub struct Dice(u64);

impl Dice {
    /// The dice of this seed.
    pub const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 up to `limit`, without it.
    pub const fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let index = self.below(all.len() as u64);
        all[usize::try_from(index).unwrap_or_default()]
    }
}
