//! One delivery of one event to its merchant: how it stands, and when the next try comes (contract: one try and six
//! retries, after 1 min, 5 min, 30 min, 2 h, 6 h and 24 h).

use std::time::Duration;

use crate::{EventId, EventKind, MerchantId, PaymentId, Timestamp};

/// After a failed try the next comes after this, give or take a tenth.
const RETRY_AFTER: [Duration; 6] = [
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(6 * 3600),
    Duration::from_secs(24 * 3600),
];
/// A delivery is published when it is born; what a crash left behind becomes due by itself after this (rule 18).
const BORN_DUE_AFTER: Duration = Duration::from_secs(60);
/// The longest that an endpoint's `Retry-After` puts a try off.
const RETRY_AFTER_AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryStatus {
    /// Not tried yet.
    Pending,
    /// The endpoint answered 2xx.
    Delivered,
    /// Tried and failed; the next try has its time.
    Retrying,
    /// The seventh try failed: only a redelivery by hand tries again.
    DeadLettered,
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Retrying, Self::DeadLettered];

    /// The name in bodies and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Delivered => "DELIVERED",
            Self::Retrying => "RETRYING",
            Self::DeadLettered => "DEAD_LETTERED",
        }
    }
}

/// The delivery of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The payment.
    pub payment: PaymentId,
    /// The event's number within the payment.
    pub sequence: u32,
    /// Whom it tells.
    pub merchant: MerchantId,
    /// The event.
    pub event: EventId,
    /// What it tells of.
    pub kind: EventKind,
    /// How it stands.
    pub status: DeliveryStatus,
    /// How many tries were made in all; the next has this number and one.
    pub attempts: u32,
    /// How many of them belong to the present schedule: a redelivery by hand begins anew.
    pub tries: u32,
    /// When the next try is due; `None`: there is none, or it waits for the endpoint.
    pub next_attempt_at: Option<Timestamp>,
    /// It waits until the merchant sets the endpoint: there is none, or it is paused.
    pub waits_for_endpoint: bool,
    /// When the event was made.
    pub created_at: Timestamp,
}

/// What became of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// The endpoint took it.
    Taken,
    /// It did not; `retry_after` is how long it asks to wait.
    Failed {
        /// The endpoint's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// 410: the endpoint wants nothing more. What is not delivered waits until the merchant sets it again.
    Gone,
}

impl Delivery {
    /// When a new delivery is due by itself.
    pub fn born_due(event_at: Timestamp) -> Timestamp {
        event_at.checked_add(BORN_DUE_AFTER).unwrap_or(Timestamp::MAX)
    }

    /// Whether there is anything left to try.
    pub const fn is_over(&self) -> bool {
        matches!(self.status, DeliveryStatus::Delivered | DeliveryStatus::DeadLettered)
    }

    /// The delivery after one more try. `jitter` is a random number from 0 to 1: where within the tenth.
    #[must_use]
    pub fn after(&self, tried: Tried, jitter: f64, now: Timestamp) -> Self {
        let mut next = Self { attempts: self.attempts + 1, tries: self.tries + 1, ..self.clone() };
        // It was tried, so it found an endpoint: perhaps before whoever set that could say so.
        (next.next_attempt_at, next.waits_for_endpoint) = (None, false);
        match tried {
            Tried::Taken => next.status = DeliveryStatus::Delivered,
            Tried::Gone => {
                // The endpoint's word about itself, not about this event: it costs no try.
                next.tries = self.tries;
                next.status = DeliveryStatus::Retrying;
                next.waits_for_endpoint = true;
            }
            Tried::Failed { retry_after } => match RETRY_AFTER.get(self.tries as usize) {
                Some(after) => {
                    let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_AT_MOST);
                    next.status = DeliveryStatus::Retrying;
                    next.next_attempt_at = Some(now + jittered(*after, jitter).max(asked));
                }
                None => next.status = DeliveryStatus::DeadLettered,
            },
        }
        next
    }

    /// The delivery put off without a try: its endpoint does not answer, or is too busy (rule 20).
    #[must_use]
    pub fn put_off(&self, until: Timestamp) -> Self {
        Self { next_attempt_at: Some(until), waits_for_endpoint: false, ..self.clone() }
    }

    /// The delivery without an endpoint to go to.
    #[must_use]
    pub fn without_endpoint(&self) -> Self {
        Self { next_attempt_at: None, waits_for_endpoint: true, ..self.clone() }
    }

    /// The delivery due again, with its schedule begun anew: redelivered by hand.
    #[must_use]
    pub fn anew(&self, now: Timestamp) -> Self {
        Self {
            status: DeliveryStatus::Pending,
            tries: 0,
            next_attempt_at: Some(now + BORN_DUE_AFTER),
            waits_for_endpoint: false,
            ..self.clone()
        }
    }
}

/// `after`, give or take a tenth: so that what failed together does not come back together.
fn jittered(after: Duration, jitter: f64) -> Duration {
    after.mul_f64(0.9 + 0.2 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);
    const FAILED: Tried = Tried::Failed { retry_after: None };

    fn delivery() -> Delivery {
        Delivery {
            payment: PaymentId::from_random([1; 16]),
            sequence: 1,
            merchant: MerchantId::from_random([2; 16]),
            event: EventId::from_random([3; 16]),
            kind: EventKind::PaymentAuthorized,
            status: DeliveryStatus::Pending,
            attempts: 0,
            tries: 0,
            next_attempt_at: Some(Delivery::born_due(NOW)),
            waits_for_endpoint: false,
            created_at: NOW,
        }
    }

    fn waits(mut delivery: Delivery, jitter: f64) -> (Vec<i64>, Delivery) {
        let mut waits = Vec::new();
        while delivery.status != DeliveryStatus::DeadLettered {
            delivery = delivery.after(FAILED, jitter, NOW);
            waits.extend(delivery.next_attempt_at.map(|at| at.duration_since(NOW).as_secs()));
        }
        (waits, delivery)
    }

    #[test]
    fn one_try_and_six_retries_then_it_is_given_up() {
        let (waits, dead) = waits(delivery(), 0.5);
        assert_eq!(waits, [60, 300, 1800, 7200, 21_600, 86_400]);
        assert_eq!((dead.attempts, dead.next_attempt_at), (7, None));
    }

    #[test]
    fn every_wait_is_within_a_tenth_of_the_schedule() {
        assert_eq!(waits(delivery(), 0.0).0, [54, 270, 1620, 6480, 19_440, 77_760]);
        assert_eq!(waits(delivery(), 1.0).0, [66, 330, 1980, 7920, 23_760, 95_040]);
    }

    #[test]
    fn retry_after_puts_a_try_off_and_never_brings_it_forward() {
        let wait = |seconds| {
            let tried = Tried::Failed { retry_after: Some(Duration::from_secs(seconds)) };
            let next = delivery().after(tried, 0.5, NOW).next_attempt_at.unwrap();
            next.duration_since(NOW).as_secs()
        };
        assert_eq!((wait(1), wait(600), wait(u64::MAX / 2)), (60, 600, 86_400));
    }

    #[test]
    fn an_endpoint_that_is_gone_costs_no_try() {
        let waiting = delivery().after(FAILED, 0.5, NOW).after(Tried::Gone, 0.5, NOW);
        assert_eq!((waiting.attempts, waiting.tries, waiting.next_attempt_at), (2, 1, None));
        assert!(waiting.waits_for_endpoint && !waiting.is_over());
    }

    #[test]
    fn what_is_tried_or_put_off_waits_for_no_endpoint_any_more() {
        let waiting = delivery().without_endpoint();
        for next in [waiting.after(Tried::Taken, 0.5, NOW), waiting.after(FAILED, 0.5, NOW), waiting.put_off(NOW)] {
            assert!(!next.waits_for_endpoint, "{next:?}");
        }
        assert!(waiting.after(Tried::Gone, 0.5, NOW).waits_for_endpoint);
    }

    #[test]
    fn a_redelivery_begins_the_schedule_anew_and_goes_on_counting_attempts() {
        let (_, dead) = waits(delivery(), 0.5);
        let again = dead.anew(NOW);
        assert_eq!((again.status, again.attempts, again.tries), (DeliveryStatus::Pending, 7, 0));
        assert_eq!(waits(again, 0.5).1.attempts, 14);
    }

    #[test]
    fn what_waits_for_an_endpoint_is_due_at_no_time_and_what_is_put_off_or_redelivered_is_due_again() {
        let waiting = delivery().without_endpoint();
        assert_eq!((waiting.next_attempt_at, waiting.waits_for_endpoint), (None, true));
        let until = Delivery::born_due(Delivery::born_due(NOW));
        assert_eq!(waiting.put_off(until).next_attempt_at, Some(until));
        let again = waiting.anew(NOW);
        assert_eq!((again.next_attempt_at, again.waits_for_endpoint), (Some(Delivery::born_due(NOW)), false));
    }
}
