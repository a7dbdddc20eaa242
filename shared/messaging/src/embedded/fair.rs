//! Who may have how much in flight, so that no merchant delays another.
//!
//! Must not know: where messages wait.

use std::collections::HashMap;

use tollgate_domain::MerchantId;

use crate::Limits;

/// What one merchant may have of the last quarter of the places. More than one, or a great many busy merchants would each
/// be looked at in vain, again and again.
const SCARCE: usize = 2;

/// The places for messages in flight.
#[derive(Debug)]
pub(super) struct Slots {
    limits: Limits,
    taken: usize,
    /// Merchants with nothing in flight are not in it: it is never larger than the number of places.
    by_merchant: HashMap<MerchantId, usize>,
}

impl Slots {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, taken: 0, by_merchant: HashMap::new() }
    }

    /// Places that nobody has.
    pub(super) fn free(&self) -> usize {
        self.limits.in_flight.saturating_sub(self.taken)
    }

    /// How many messages are in flight.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// How many more places `merchant` may take now.
    ///
    /// Eight times 32 would be all 256: a few merchants whose endpoints hang must not take every place among them. So
    /// the fewer places are left, the fewer of them one merchant may have.
    pub(super) fn room(&self, merchant: MerchantId) -> usize {
        let Limits { in_flight, per_merchant, .. } = self.limits;
        let free = self.free();
        let share = if free > in_flight / 2 {
            per_merchant
        } else if free > in_flight / 4 {
            per_merchant.min((per_merchant / 4).max(SCARCE))
        } else {
            per_merchant.min(SCARCE)
        };
        let has = self.by_merchant.get(&merchant).copied().unwrap_or(0);
        share.saturating_sub(has).min(free)
    }

    pub(super) fn take(&mut self, merchant: MerchantId) {
        self.taken += 1;
        *self.by_merchant.entry(merchant).or_default() += 1;
    }

    pub(super) fn give_back(&mut self, merchant: MerchantId) {
        let Some(has) = self.by_merchant.get_mut(&merchant) else { return };
        self.taken -= 1;
        *has -= 1;
        if *has == 0 {
            self.by_merchant.remove(&merchant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merchant(number: u8) -> MerchantId {
        MerchantId::from_random([number; 16])
    }

    fn fill(slots: &mut Slots, merchant: MerchantId) -> usize {
        let mut taken = 0;
        while slots.room(merchant) > 0 {
            slots.take(merchant);
            taken += 1;
        }
        taken
    }

    #[test]
    fn one_merchant_gets_its_limit_and_no_more() {
        let mut slots = Slots::new(Limits::default());
        assert_eq!(fill(&mut slots, merchant(1)), 32);
        slots.give_back(merchant(1));
        assert_eq!(slots.room(merchant(1)), 1);
    }

    #[test]
    fn a_few_merchants_never_take_every_place() {
        let mut slots = Slots::new(Limits::default());
        for number in 0..30 {
            fill(&mut slots, merchant(number));
        }
        assert!(slots.free() > 10, "{}", slots.free());
        assert!(slots.room(merchant(200)) > 0, "a merchant that has nothing yet gets a place");
    }

    #[test]
    fn the_last_place_is_given_too() {
        let mut slots = Slots::new(Limits { in_flight: 2, ..Limits::default() });
        assert_eq!((fill(&mut slots, merchant(1)), fill(&mut slots, merchant(2))), (2, 0));
        assert_eq!((slots.free(), slots.room(merchant(3))), (0, 0));
        slots.give_back(merchant(1));
        slots.give_back(merchant(1));
        slots.give_back(merchant(2));
        assert_eq!((slots.free(), slots.by_merchant.len()), (2, 0));
    }
}
