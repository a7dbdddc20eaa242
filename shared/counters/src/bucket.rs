//! What a token bucket is, in whole numbers: no rounding, no drift, no overflow. `redis/bucket.lua` says the same in Lua.
//!
//! Must not know: where buckets are kept, whose they are, which clock it is.
//!
//! A level is counted in units of 1/60,000 of a token, for then a limit of N a minute adds exactly N units each
//! millisecond. The largest level, [`u32::MAX`] tokens, is 2.6 × 10¹⁴ units: Lua's numbers hold up to 9 × 10¹⁵ exactly.

use std::time::Duration;

use tollgate_gateway::ports::counters::{DecidedBy, Limit, Standing};

/// One token, in units.
pub(crate) const TOKEN: u64 = 60_000;

/// A clock that goes back by up to this much stands still for the bucket; one that goes back further is believed. Either
/// adds nothing, and nobody waits longer than this because of it.
pub(crate) const STANDS_STILL_MS: i64 = 1_000;

/// A limit, in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Units that are added each millisecond: above zero.
    pub(crate) rate: u64,
    /// Units that the bucket holds: a token at least.
    pub(crate) capacity: u64,
}

impl Flow {
    /// `None`: nothing is allowed.
    pub(crate) fn of(limit: Limit) -> Option<Self> {
        let capacity = u64::from(limit.burst()) * TOKEN;
        (!limit.is_nothing()).then_some(Self { rate: limit.tokens_per_minute(), capacity })
    }

    /// The part of one of `instances`: as much as it may do where each decides alone. It allows something, always.
    pub(crate) fn part(self, instances: u32) -> Self {
        let instances = u64::from(instances.max(1));
        Self { rate: (self.rate / instances).max(1), capacity: (self.capacity / instances).max(TOKEN) }
    }

    /// What is added within `time`, and no more than it holds.
    pub(crate) fn within(self, time: Duration) -> u64 {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.rate.saturating_mul(millis).min(self.capacity)
    }

    /// How long `missing` units take, in milliseconds.
    fn millis_for(self, missing: u64) -> u64 {
        missing.div_ceil(self.rate)
    }
}

/// How full a bucket was, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    /// Units in it.
    pub(crate) units: u64,
    /// As of then, by the clock that is asked each time.
    pub(crate) at_ms: i64,
}

impl Level {
    /// How it stands at `now_ms`.
    #[must_use]
    pub(crate) fn at(self, now_ms: i64, flow: Flow) -> Self {
        let units = self.units.min(flow.capacity);
        if now_ms < self.at_ms {
            let is_believed = self.at_ms.saturating_sub(now_ms) > STANDS_STILL_MS;
            return Self { units, at_ms: if is_believed { now_ms } else { self.at_ms } };
        }
        let elapsed = self.at_ms.abs_diff(now_ms);
        Self { units: units.saturating_add(flow.rate.saturating_mul(elapsed)).min(flow.capacity), at_ms: now_ms }
    }

    /// Without one token, if there is one.
    pub(crate) fn less_a_token(self) -> Option<Self> {
        Some(Self { units: self.units.checked_sub(TOKEN)?, ..self })
    }

    /// With one token more, and no more than it holds.
    #[must_use]
    pub(crate) fn with_a_token(self, flow: Flow) -> Self {
        Self { units: self.units.saturating_add(TOKEN).min(flow.capacity), ..self }
    }

    /// What is said of it at `now_ms`.
    pub(crate) fn standing(self, granted: bool, now_ms: i64, flow: Flow, decided_by: DecidedBy) -> Standing {
        let missing = TOKEN.saturating_sub(self.units);
        let still_ms = u64::try_from(self.at_ms.saturating_sub(now_ms)).unwrap_or(0);
        let wait_ms = if missing == 0 { 0 } else { flow.millis_for(missing).saturating_add(still_ms) };
        // A level is never above `u32::MAX` tokens.
        let remaining = u32::try_from(self.units / TOKEN).unwrap_or(u32::MAX);
        Standing { granted, remaining, next_in: Duration::from_millis(wait_ms), decided_by }
    }
}

#[cfg(test)]
mod tests {
    use tollgate_gateway::ports::counters::Limit;

    use super::{Flow, Level, TOKEN};

    #[test]
    fn looking_often_adds_the_same_as_looking_once() {
        for limit in [Limit::per_minute(7, 100), Limit::per_second(3, 100), Limit::per_minute(1, 100)] {
            let flow = Flow::of(limit).unwrap();
            let empty = Level { units: 0, at_ms: 0 };
            let often = (1..=100_000).fold(empty, |level, now_ms| level.at(now_ms, flow));
            assert_eq!(often, empty.at(100_000, flow));
        }
    }

    #[test]
    fn the_largest_values_neither_wrap_nor_overflow() {
        let flow = Flow::of(Limit::per_second(u32::MAX, u32::MAX)).unwrap();
        assert!(flow.capacity < 1 << 53, "Lua holds it exactly");
        for (at_ms, now_ms) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, i64::MAX), (i64::MIN, i64::MIN)] {
            let level = Level { units: u64::MAX, at_ms }.at(now_ms, flow);
            assert_eq!(level.units, flow.capacity);
            assert_eq!(level.with_a_token(flow).units, flow.capacity);
        }
        let slow = Flow::of(Limit::per_minute(1, u32::MAX)).unwrap();
        assert_eq!(Level { units: 0, at_ms: 0 }.at(60_000, slow).units, TOKEN);
    }

    #[test]
    fn parts_of_a_limit_come_to_the_limit_at_most_and_allow_something() {
        let flow = Flow::of(Limit::per_second(80, 80)).unwrap();
        assert!((1..100).all(|instances| flow.part(instances).rate * u64::from(instances) <= flow.rate));
        let tiny = Flow::of(Limit::per_minute(1, 1)).unwrap().part(u32::MAX);
        assert!(tiny.rate > 0 && tiny.capacity == TOKEN);
        assert_eq!(flow.part(0), flow);
    }
}
