//! Time, tasks and randomness as an instance has them: its own clock is a little wrong, its tasks die with it, and its
//! random numbers follow from the seed.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tollgate_gateway::ports::{Entropy, Spawn, Time, spawn::Task};

use crate::{
    dice::Dice,
    executor::{Executor, Owner, locked},
};

/// When every simulation begins: 19:00 in Tokyo, seven hours before a settlement.
pub(crate) const START: Timestamp = Timestamp::constant(1_790_071_200, 0);

/// The true time.
pub(crate) fn true_time(executor: &Executor) -> Timestamp {
    START + executor.now()
}

/// A clock that differs from the true one.
pub(crate) struct SimTime {
    executor: Executor,
    off_by: SignedDuration,
    /// Within a process time never goes back.
    shown: Mutex<Timestamp>,
}

impl SimTime {
    pub(crate) fn new(executor: &Executor, off_by: SignedDuration) -> Arc<Self> {
        Arc::new(Self { executor: executor.clone(), off_by, shown: Mutex::new(Timestamp::MIN) })
    }
}

#[async_trait]
impl Time for SimTime {
    fn now(&self) -> Timestamp {
        let mut shown = locked(&self.shown);
        *shown = (*shown).max(true_time(&self.executor) + self.off_by);
        *shown
    }

    fn monotonic(&self) -> Duration {
        self.executor.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.executor.sleep(duration).await;
    }
}

/// Tasks of one owner.
pub(crate) struct SimSpawn {
    pub(crate) executor: Executor,
    pub(crate) owner: Owner,
}

impl Spawn for SimSpawn {
    fn spawn(&self, task: Task) {
        self.executor.spawn_boxed(self.owner, task);
    }
}

/// Randomness from the dice.
pub(crate) struct SimEntropy(pub(crate) Dice);

impl Entropy for SimEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}
