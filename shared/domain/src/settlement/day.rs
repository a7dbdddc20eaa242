//! Which settlement a moment belongs to.

use std::time::Duration;

use jiff::{
    civil::Date,
    tz::{Offset, TimeZone},
};

use crate::Timestamp;

/// Tokyo's offset, the whole year round: Japan has had no daylight saving time since 1951. Fixed, so that no time zone
/// data, new or missing, can ever move a cut-off.
const TOKYO: Offset = Offset::constant(9);
/// The hour in Tokyo at which a settlement is cut off.
const CUTOFF_HOUR: i8 = 2;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The date of a settlement, and its cut-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SettlementDay {
    /// In Tokyo.
    date: Date,
    /// What was captured before this is in it: 02:00 in Tokyo on that date.
    cutoff: Timestamp,
}

impl SettlementDay {
    /// The latest one whose cut-off has come at `now`.
    pub fn of(now: Timestamp) -> Self {
        let local = TOKYO.to_datetime(now);
        let today = local.date();
        let date = if local.hour() < CUTOFF_HOUR { today.yesterday().unwrap_or(today) } else { today };
        Self::on(date)
    }

    /// The one of `date`.
    pub fn on(date: Date) -> Self {
        let cutoff = date.at(CUTOFF_HOUR, 0, 0, 0).to_zoned(TimeZone::fixed(TOKYO));
        // Only the very last date of the calendar has a cut-off that no timestamp can name.
        Self { date, cutoff: cutoff.map_or(Timestamp::MAX, |cutoff| cutoff.timestamp()) }
    }

    /// The date in Tokyo.
    pub const fn date(self) -> Date {
        self.date
    }

    /// What was captured before this is in it.
    pub const fn cutoff(self) -> Timestamp {
        self.cutoff
    }

    /// The one before it.
    #[must_use]
    pub fn before(self) -> Self {
        Self::on(self.date.yesterday().unwrap_or(self.date))
    }

    /// When the next one is due after this one.
    pub fn next_cutoff(self) -> Timestamp {
        self.cutoff.checked_add(DAY).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(now: &str) -> (String, String) {
        let day = SettlementDay::of(now.parse().unwrap());
        (day.date().to_string(), day.cutoff().to_string())
    }

    #[test]
    fn a_settlement_is_cut_off_at_two_in_tokyo_which_is_five_in_the_evening_before_in_utc() {
        let of = |date: &str, cutoff: &str| (date.to_owned(), cutoff.to_owned());
        let (first, second) = (of("2026-10-03", "2026-10-02T17:00:00Z"), of("2026-10-04", "2026-10-03T17:00:00Z"));
        assert_eq!(day("2026-10-02T17:00:00Z"), first, "at the cut-off itself");
        assert_eq!(day("2026-10-03T00:00:00Z"), first);
        assert_eq!(day("2026-10-03T15:30:00Z"), first, "half past midnight of the 4th in Tokyo");
        assert_eq!(day("2026-10-03T16:59:59.999999Z"), first, "a microsecond before the next");
        assert_eq!(day("2026-10-03T17:00:00Z"), second);
    }

    #[test]
    fn the_year_and_the_summer_make_no_difference() {
        assert_eq!(day("2026-12-31T17:00:00Z").0, "2027-01-01");
        assert_eq!(day("2028-02-28T17:00:00Z").0, "2028-02-29");
        assert_eq!(day("2026-07-01T17:00:00Z").1, "2026-07-01T17:00:00Z");
    }

    proptest! {
        #[test]
        fn every_moment_belongs_to_one_settlement_and_none_comes_early(seconds in -60_000_000_000_i64..250_000_000_000) {
            let now = Timestamp::from_second(seconds).unwrap();
            let day = SettlementDay::of(now);
            prop_assert!(day.cutoff() <= now && now < day.next_cutoff());
            prop_assert_eq!(SettlementDay::on(day.date()), day);
            prop_assert_eq!(day.before().next_cutoff(), day.cutoff());
        }
    }

    #[test]
    fn the_ends_of_time_have_a_day_too() {
        assert!(SettlementDay::of(Timestamp::MAX).cutoff() <= Timestamp::MAX);
        let first = SettlementDay::of(Timestamp::MIN);
        assert_eq!(first.before().date(), first.date().yesterday().unwrap_or(first.date()));
    }
}
