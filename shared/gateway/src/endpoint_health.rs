//! What this process knows of endpoints' health, so that a dead one does not take the turn of others (rule 20). Forgotten at
//! the end of the process: an endpoint is then found out again after a few tries.
//!
//! Must not know: the store, or how a webhook is sent.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tollgate_domain::{MerchantId, Timestamp};

/// So many failures in a row, with no success between, and an endpoint counts as dead.
const DEAD_AFTER: u32 = 10;
/// So many tries at once may go to a dead endpoint, to see whether it is alive again.
const PROBES: u32 = 4;
/// When the others come again.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// Counts of successes and failures halve after this, so that what was long ago weighs little.
const HALF_LIFE: Duration = Duration::from_secs(15 * 60);
/// Merchants over this share of failures are counted for on-call (finding C4).
const FAILING_SHARE: f64 = 0.05;
/// So many tries at least before a share means anything.
const FAILING_TRIES: f64 = 10.0;
/// How many merchants are remembered: a bound.
const REMEMBERED_AT_MOST: usize = 50_000;

/// Every endpoint's health.
#[derive(Debug, Default)]
pub(crate) struct EndpointHealth(Mutex<HashMap<MerchantId, Health>>);

#[derive(Debug, Clone, Copy, Default)]
struct Health {
    failures_in_a_row: u32,
    in_flight: u32,
    taken: f64,
    failed: f64,
    halved_at: Option<Timestamp>,
}

/// Whether a delivery may be tried now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Yes: [`EndpointHealth::ended`] must follow.
    Now,
    /// The endpoint is dead, and others probe it: at this time.
    At(Timestamp),
}

impl EndpointHealth {
    /// Asks for a turn at the merchant's endpoint.
    pub(crate) fn turn(&self, merchant: MerchantId, now: Timestamp) -> Turn {
        let mut all = self.lock();
        if all.len() >= REMEMBERED_AT_MOST && !all.contains_key(&merchant) {
            all.retain(|_, health| health.in_flight > 0 || health.failures_in_a_row > 0);
        }
        let health = all.entry(merchant).or_default();
        if health.failures_in_a_row >= DEAD_AFTER && health.in_flight >= PROBES {
            return Turn::At(now + PROBE_EVERY);
        }
        health.in_flight += 1;
        Turn::Now
    }

    /// A try ended.
    pub(crate) fn ended(&self, merchant: MerchantId, taken: bool, now: Timestamp) {
        let mut all = self.lock();
        let Some(health) = all.get_mut(&merchant) else { return };
        health.in_flight = health.in_flight.saturating_sub(1);
        health.fade(now);
        if taken {
            health.failures_in_a_row = 0;
            health.taken += 1.0;
        } else {
            health.failures_in_a_row = health.failures_in_a_row.saturating_add(1);
            health.failed += 1.0;
        }
    }

    /// How many merchants' deliveries fail more often than one in twenty.
    pub(crate) fn failing(&self, now: Timestamp) -> usize {
        let mut all = self.lock();
        all.values_mut()
            .filter_map(|health| {
                health.fade(now);
                let tries = health.taken + health.failed;
                (tries >= FAILING_TRIES && health.failed / tries > FAILING_SHARE).then_some(())
            })
            .count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MerchantId, Health>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health {
    fn fade(&mut self, now: Timestamp) {
        let since = *self.halved_at.get_or_insert(now);
        let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        let halvings = age.as_secs() / HALF_LIFE.as_secs();
        if halvings > 0 {
            let factor = 0.5_f64.powi(i32::try_from(halvings).unwrap_or(i32::MAX));
            self.taken *= factor;
            self.failed *= factor;
            self.halved_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

    fn merchant(number: u8) -> MerchantId {
        MerchantId::from_random([number; 16])
    }

    fn fail(health: &EndpointHealth, merchant: MerchantId, times: u32) {
        for _ in 0..times {
            assert_eq!(health.turn(merchant, NOW), Turn::Now);
            health.ended(merchant, false, NOW);
        }
    }

    #[test]
    fn a_dead_endpoint_gets_a_few_probes_at_a_time_and_others_as_many_as_they_like() {
        let health = EndpointHealth::default();
        fail(&health, merchant(1), DEAD_AFTER);
        for _ in 0..PROBES {
            assert_eq!(health.turn(merchant(1), NOW), Turn::Now);
        }
        assert_eq!(health.turn(merchant(1), NOW), Turn::At(NOW + PROBE_EVERY));
        assert!((0..1000).all(|_| health.turn(merchant(2), NOW) == Turn::Now));
    }

    #[test]
    fn one_success_brings_an_endpoint_back_to_life() {
        let health = EndpointHealth::default();
        fail(&health, merchant(1), DEAD_AFTER);
        assert_eq!(health.turn(merchant(1), NOW), Turn::Now);
        health.ended(merchant(1), true, NOW);
        assert!((0..1000).all(|_| health.turn(merchant(1), NOW) == Turn::Now));
    }

    #[test]
    fn merchants_over_five_per_cent_are_counted_until_it_is_long_ago() {
        let health = EndpointHealth::default();
        fail(&health, merchant(1), 2);
        assert_eq!(health.failing(NOW), 0, "two tries say nothing");
        for number in 1..=3 {
            for _ in 0..100 {
                assert_eq!(health.turn(merchant(number), NOW), Turn::Now);
                health.ended(merchant(number), true, NOW);
            }
        }
        fail(&health, merchant(2), 9);
        assert_eq!(health.failing(NOW), 1, "2 of 102, 9 of 109, none of 100");
        assert_eq!(health.failing(NOW + 10 * HALF_LIFE), 0);
    }
}
