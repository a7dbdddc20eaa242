//! When a message that was not acknowledged is handed out again, and when it is given up: as Pub/Sub's push does.

use std::time::Duration;

use tollgate_domain::Timestamp;

/// After so many deliveries that were not acknowledged, the queue gives a message up.
pub(super) const DELIVERIES: u32 = 5;
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(600);

/// A time as the file has it: microseconds since 1970.
pub(super) type Micros = i64;

/// How long to wait after the delivery with this number failed.
pub(super) fn backoff(deliveries: u32) -> Duration {
    // Two to the sixth is past the longest already.
    SHORTEST.saturating_mul(1 << deliveries.saturating_sub(1).min(6)).min(LONGEST)
}

/// `duration` after `time`.
pub(super) fn after(time: Micros, duration: Duration) -> Micros {
    time.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}

/// The time that the file means.
pub(super) fn timestamp(micros: Micros) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_from_ten_seconds_to_ten_minutes() {
        let seconds: Vec<u64> = (1..=9).map(|deliveries| backoff(deliveries).as_secs()).collect();
        assert_eq!(seconds, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
        assert_eq!(backoff(u32::MAX), LONGEST);
    }
}
