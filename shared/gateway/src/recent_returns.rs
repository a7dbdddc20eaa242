//! How often payers come back: whoever has a link can open it as often as he likes, and must not be able to have the provider asked,
//! or anything written, as often.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tollgate_domain::PaymentId;

/// So often in a row a return of one payment has the provider asked, in this instance; then once in [`REFILL`].
const AT_ONCE: u32 = 10;
const REFILL: Duration = Duration::from_secs(1);
/// So many payments are remembered.
const REMEMBERED: usize = 10_000;

/// What is to be done about a return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// For the first time here: it is written down.
    First,
    /// Again: the provider may show something new.
    Again,
    /// Too often: nothing.
    TooOften,
}

/// Of the payments whose payers came back lately.
#[derive(Default)]
pub(crate) struct RecentReturns(Mutex<HashMap<PaymentId, Seen>>);

struct Seen {
    left: u32,
    /// Since when one more has been gathering (monotonic time).
    since: Duration,
}

impl RecentReturns {
    /// The payer of `payment` comes back at `now`.
    pub(crate) fn came(&self, payment: PaymentId, now: Duration) -> Came {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = all.get_mut(&payment) {
            let gathered = now.saturating_sub(seen.since).as_secs() / REFILL.as_secs();
            if gathered > 0 {
                seen.left = seen.left.saturating_add(u32::try_from(gathered).unwrap_or(AT_ONCE)).min(AT_ONCE);
                seen.since = now;
            }
            let Some(left) = seen.left.checked_sub(1) else { return Came::TooOften };
            seen.left = left;
            return Came::Again;
        }
        if all.len() >= REMEMBERED {
            all.retain(|_, seen| now.saturating_sub(seen.since) < REFILL * AT_ONCE);
        }
        // Still full: of a flood of links none is remembered, and each counts as new.
        if all.len() < REMEMBERED {
            all.insert(payment, Seen { left: AT_ONCE - 1, since: now });
        }
        Came::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payer_comes_back_a_few_times_and_then_once_a_second() {
        let (returns, one, other) = (RecentReturns::default(), id(1), id(2));
        let at = |millis| Duration::from_millis(millis);
        assert_eq!(returns.came(one, at(0)), Came::First);
        assert!((1..10).all(|_| returns.came(one, at(10)) == Came::Again));
        assert!((0..1000).all(|_| returns.came(one, at(900)) == Came::TooOften));
        assert_eq!(returns.came(other, at(900)), Came::First, "of this payment alone");
        assert_eq!(returns.came(one, at(1000)), Came::Again);
        assert_eq!(returns.came(one, at(1001)), Came::TooOften);
        assert!((0..10).all(|_| returns.came(one, at(60_000)) == Came::Again), "no more than at first");
        assert_eq!(returns.came(one, at(60_000)), Came::TooOften);
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let returns = RecentReturns::default();
        for number in 0..REMEMBERED as u128 + 50 {
            assert_eq!(returns.came(PaymentId::from_random(number.to_be_bytes()), Duration::ZERO), Came::First);
        }
        assert_eq!(returns.0.lock().unwrap().len(), REMEMBERED);
        assert_eq!(returns.came(id(9), Duration::from_secs(60)), Came::First);
        assert_eq!(returns.0.lock().unwrap().len(), 1, "those of a minute ago are forgotten");
    }

    fn id(number: u8) -> PaymentId {
        PaymentId::from_random([number; 16])
    }
}
