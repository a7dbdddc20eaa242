//! What every part of one simulation shares.
//!
//! Must not know: the parts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use jiff::Timestamp;
use tollgate_domain::PaymentId;

use crate::{
    dice::Dice,
    executor::{Executor, Owner, locked},
    faults::Weather,
    planted::Bug,
    ports::true_time,
    story::Story,
    watch::Watch,
};

/// Dice, clock, weather and story of one simulation.
pub(crate) struct Stage {
    pub(crate) executor: Executor,
    pub(crate) dice: Dice,
    pub(crate) weather: Weather,
    pub(crate) story: Story,
    pub(crate) watch: Watch,
    /// Payments of which a request arrived when nobody waited for it any more.
    pub(crate) late: Mutex<BTreeSet<PaymentId>>,
    /// Instances that stand still, and until when.
    pub(crate) stalled: Mutex<BTreeMap<Owner, Duration>>,
    /// The bug that is planted, if one is.
    pub(crate) bug: Option<Bug>,
}

impl Stage {
    /// The true time.
    pub(crate) fn now(&self) -> Timestamp {
        true_time(&self.executor)
    }

    /// Whether `bug` is planted.
    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// None of the instance's tasks takes a step for so long. Answers until when.
    pub(crate) fn stand_still(&self, owner: Owner, pause: Duration) -> Duration {
        let until = self.executor.now() + pause;
        self.story.tell(owner, None, "stands still", || format!("{pause:?}"));
        locked(&self.stalled).insert(owner, until);
        until
    }

    /// Until when an instance stands still, if it does.
    pub(crate) fn stands_still(&self, owner: Owner) -> Option<Duration> {
        let mut stalled = locked(&self.stalled);
        let until = *stalled.get(&owner)?;
        if self.executor.now() < until {
            return Some(until);
        }
        stalled.remove(&owner);
        None
    }

    /// Lets a short while pass, mostly none.
    pub(crate) async fn a_moment(&self) {
        match self.dice.below(4) {
            0 => self.executor.sleep(self.dice.ms(0, 12)).await,
            1 => self.executor.give_way().await,
            _ => {}
        }
    }

    /// Waits for so long.
    pub(crate) async fn pause(&self, duration: Duration) {
        self.executor.sleep(duration).await;
    }
}
