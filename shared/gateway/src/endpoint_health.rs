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

/// So many tries in a row without an answer, or without one soon, and an endpoint counts as dead.
const DEAD_AFTER: u32 = 10;
/// An answer that comes later than this keeps others waiting as much as none.
const SOON: Duration = Duration::from_secs(3);
/// So many tries at once may go to a dead endpoint, to see whether it is alive again.
const PROBES: u32 = 4;
/// So many tries at once may go to any endpoint: where a queue pushes all that a merchant has at once, the rest comes a
/// little later, and other merchants' deliveries find their places. (The embedded queue hands out fewer.)
const AT_ONCE: u32 = 64;
/// After this what found no place comes again.
const CROWDED: Duration = Duration::from_secs(3);
/// So much later at most: what is put off comes again in turns, as many at a time as may be under way.
const CROWDED_AT_MOST: Duration = Duration::from_secs(5 * 60);
/// When the others come again. The longer it has been dead the later, so that what waits for it is not forever looked at.
const PROBE_EVERY: Duration = Duration::from_secs(30);
const PROBE_EVERY_AT_MOST: Duration = Duration::from_secs(5 * 60);
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
    /// Tries in a row without an answer, or without one soon.
    silent: u32,
    in_flight: u32,
    /// Put off because so many were under way, and not seen since.
    put_off: u32,
    taken: f64,
    failed: f64,
    halved_at: Option<Timestamp>,
}

/// Whether a delivery may be tried now.
#[derive(Debug)]
pub(crate) enum Turn<'a> {
    /// Yes.
    Now(InFlight<'a>),
    /// The endpoint is dead and others probe it, or it has as many as it may: after about this.
    Later(Duration),
}

/// A try under way. Dropped without an end, it counts for nothing.
#[derive(Debug)]
pub(crate) struct InFlight<'a> {
    health: &'a EndpointHealth,
    merchant: MerchantId,
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The endpoint took it.
    Taken,
    /// It said no, at once: it is alive, and holds nobody up.
    Refused,
    /// It gave no answer, or none soon.
    Silent,
}

impl Ended {
    /// `taken`: the endpoint took it; `answered`: it answered at all, after `duration`.
    pub(crate) fn of(taken: bool, answered: bool, duration: Duration) -> Self {
        match (taken, answered && duration < SOON) {
            (true, _) => Self::Taken,
            (false, true) => Self::Refused,
            (false, false) => Self::Silent,
        }
    }
}

impl InFlight<'_> {
    /// The try ended.
    pub(crate) fn ended(self, how: Ended, now: Timestamp) {
        self.health.change(self.merchant, |health| {
            health.fade(now);
            match how {
                Ended::Taken => (health.silent, health.taken) = (0, health.taken + 1.0),
                // It answers again: its schedule is worth more to the merchant than the few places that it may take.
                Ended::Refused => (health.silent, health.failed) = (0, health.failed + 1.0),
                Ended::Silent => {
                    (health.silent, health.failed) = (health.silent.saturating_add(1), health.failed + 1.0);
                }
            }
        });
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.health.change(self.merchant, |health| health.in_flight = health.in_flight.saturating_sub(1));
    }
}

impl EndpointHealth {
    /// Asks for a turn at the merchant's endpoint.
    pub(crate) fn turn(&self, merchant: MerchantId) -> Turn<'_> {
        let mut all = self.lock();
        if all.len() >= REMEMBERED_AT_MOST && !all.contains_key(&merchant) {
            all.retain(|_, health| health.in_flight > 0 || health.silent > 0);
            if all.len() >= REMEMBERED_AT_MOST {
                all.retain(|_, health| health.in_flight > 0);
            }
        }
        let health = all.entry(merchant).or_default();
        if health.silent >= DEAD_AFTER && health.in_flight >= PROBES {
            let doublings = (health.silent / DEAD_AFTER - 1).min(8);
            return Turn::Later((PROBE_EVERY * 2_u32.pow(doublings)).min(PROBE_EVERY_AT_MOST));
        }
        if health.in_flight >= AT_ONCE {
            let turns = 1 + health.put_off / AT_ONCE;
            health.put_off = health.put_off.saturating_add(1);
            return Turn::Later(CROWDED.saturating_mul(turns).min(CROWDED_AT_MOST));
        }
        health.put_off = health.put_off.saturating_sub(1);
        health.in_flight += 1;
        Turn::Now(InFlight { health: self, merchant })
    }

    fn change(&self, merchant: MerchantId, change: impl FnOnce(&mut Health)) {
        if let Some(health) = self.lock().get_mut(&merchant) {
            change(health);
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

    fn begin(health: &EndpointHealth, merchant: MerchantId) -> InFlight<'_> {
        match health.turn(merchant) {
            Turn::Now(in_flight) => in_flight,
            Turn::Later(wait) => panic!("put off by {wait:?}"),
        }
    }

    fn end(health: &EndpointHealth, merchant: MerchantId, how: Ended, times: u32) {
        for _ in 0..times {
            begin(health, merchant).ended(how, NOW);
        }
    }

    fn wait(health: &EndpointHealth, merchant: MerchantId) -> Duration {
        let _probes: Vec<_> = (0..PROBES).map(|_| begin(health, merchant)).collect();
        match health.turn(merchant) {
            Turn::Now(_) => Duration::ZERO,
            Turn::Later(wait) => wait,
        }
    }

    #[test]
    fn a_dead_endpoint_gets_a_few_probes_at_a_time_and_others_as_many_as_one_may_have() {
        let health = EndpointHealth::default();
        end(&health, merchant(1), Ended::Silent, DEAD_AFTER);
        assert_eq!(wait(&health, merchant(1)), PROBE_EVERY);
        assert_eq!(wait(&health, merchant(1)), PROBE_EVERY, "probes that ended without a word make room for others");
        let under_way: Vec<_> = (0..AT_ONCE).map(|_| begin(&health, merchant(2))).collect();
        assert!(matches!(health.turn(merchant(2)), Turn::Later(CROWDED)), "what it floods waits");
        begin(&health, merchant(3)).ended(Ended::Taken, NOW);
        let waits: Vec<_> = (1..3 * AT_ONCE)
            .map(|_| match health.turn(merchant(2)) {
                Turn::Later(wait) => wait.as_secs(),
                Turn::Now(_) => panic!("it has as many as it may"),
            })
            .collect();
        assert_eq!(
            (waits[0], waits[100], waits[160]),
            (3, 6, 9),
            "in turns, or each would be looked at every three seconds"
        );
        drop(under_way);
        begin(&health, merchant(2)).ended(Ended::Taken, NOW);
    }

    #[test]
    fn the_longer_an_endpoint_is_dead_the_rarer_it_is_looked_at_within_a_bound() {
        let health = EndpointHealth::default();
        let waits: Vec<_> = (0..6)
            .map(|_| {
                end(&health, merchant(1), Ended::Silent, DEAD_AFTER);
                wait(&health, merchant(1)).as_secs()
            })
            .collect();
        assert_eq!(waits, [30, 60, 120, 240, 300, 300]);
        end(&health, merchant(1), Ended::Silent, 100_000);
        assert_eq!(wait(&health, merchant(1)), PROBE_EVERY_AT_MOST);
    }

    #[test]
    fn one_success_brings_an_endpoint_back_to_life() {
        let health = EndpointHealth::default();
        end(&health, merchant(1), Ended::Silent, DEAD_AFTER);
        end(&health, merchant(1), Ended::Taken, 1);
        assert_eq!(wait(&health, merchant(1)), Duration::ZERO);
    }

    #[test]
    fn an_endpoint_that_says_no_at_once_is_alive() {
        let health = EndpointHealth::default();
        end(&health, merchant(1), Ended::of(false, true, Duration::from_millis(5)), 1000);
        assert_eq!(wait(&health, merchant(1)), Duration::ZERO, "its schedule is kept to the letter");
        end(&health, merchant(1), Ended::of(false, true, Duration::from_secs(9)), DEAD_AFTER);
        assert_eq!(wait(&health, merchant(1)), PROBE_EVERY, "a no that takes so long holds up as much as silence");
    }

    #[test]
    fn an_answer_at_once_brings_an_endpoint_back_to_life_even_if_it_is_a_no() {
        let health = EndpointHealth::default();
        end(&health, merchant(1), Ended::Silent, DEAD_AFTER);
        end(&health, merchant(1), Ended::Refused, 1);
        assert_eq!(wait(&health, merchant(1)), Duration::ZERO);
        end(&health, merchant(1), Ended::Silent, DEAD_AFTER - 1);
        end(&health, merchant(1), Ended::Refused, 1);
        end(&health, merchant(1), Ended::Silent, DEAD_AFTER - 1);
        assert_eq!(wait(&health, merchant(1)), Duration::ZERO, "ten in a row, and not ten in all");
    }

    #[test]
    fn no_more_merchants_are_remembered_than_the_bound() {
        let health = EndpointHealth::default();
        let under_way = begin(&health, merchant(1));
        for number in 0..=u64::try_from(REMEMBERED_AT_MOST).unwrap() {
            let mut bytes = [9; 16];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            end(&health, MerchantId::from_random(bytes), Ended::Silent, 1);
        }
        let all = health.lock().len();
        assert!(all <= REMEMBERED_AT_MOST, "{all}");
        assert!(health.lock().contains_key(&merchant(1)), "what is under way is not forgotten");
        drop(under_way);
    }

    #[test]
    fn merchants_over_five_per_cent_are_counted_until_it_is_long_ago() {
        let health = EndpointHealth::default();
        end(&health, merchant(1), Ended::Silent, 2);
        assert_eq!(health.failing(NOW), 0, "two tries say nothing");
        for number in 1..=3 {
            end(&health, merchant(number), Ended::Taken, 100);
        }
        end(&health, merchant(2), Ended::Refused, 9);
        assert_eq!(health.failing(NOW), 1, "2 of 102, 9 of 109, none of 100");
        assert_eq!(health.failing(NOW + 10 * HALF_LIFE), 0);
    }
}
