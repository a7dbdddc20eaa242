//! When a call is sent again, by this layer alone: three times at most, after a random wait, and never so often that an outage
//! is multiplied.
//!
//! Must not know: the wire, or who waits.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tollgate_domain::Answer;
use tollgate_gateway::ports::provider::Reply;

/// The first try, and two more.
pub(crate) const ATTEMPTS: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Calls that earn a retry.
const CALLS_PER_RETRY: u32 = 10;
/// Retries that can be saved up: the first troubles of a quiet hour are retried, an outage is not.
const SAVED_AT_MOST: u32 = 3;

/// How long to wait after the `attempt`th try, by a random number from 0 to 1: full jitter, so that whoever failed together
/// does not come back together.
pub(crate) fn wait(attempt: u32, random: f64) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST_WAIT);
    longest.mul_f64(random.clamp(0.0, 1.0))
}

/// Whether the same request may be sent again, with the same id, without asking first (the table of provider facts): it did
/// not arrive, it was turned away for coming too soon, or its twin is still being worked on.
pub(crate) fn may_be_sent_again(reply: &Reply<Answer>) -> bool {
    matches!(
        (&reply.answer, reply.http_status),
        (Answer::NotReached { .. }, None | Some(429)) | (Answer::Unknown { .. }, Some(409))
    )
}

/// Retries cost what calls earn: a tenth of them, at most.
pub(crate) struct Budget(Mutex<u32>);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(SAVED_AT_MOST * CALLS_PER_RETRY))
    }

    /// A call was made that is no retry.
    pub(crate) fn earn(&self) {
        let mut saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *saved = (*saved + 1).min(SAVED_AT_MOST * CALLS_PER_RETRY);
    }

    /// Takes a retry, if there is one.
    pub(crate) fn spend(&self) -> bool {
        let mut saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = saved.checked_sub(CALLS_PER_RETRY);
        *saved = left.unwrap_or(*saved);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(answer: Answer, http_status: Option<u16>) -> Reply<Answer> {
        Reply { answer, http_status, reference: None, provider_code: None, repeated: false }
    }

    #[test]
    fn only_what_did_not_happen_or_is_under_way_is_sent_again() {
        let not_reached = || Answer::NotReached { reason: String::new(), retry_after: None };
        let unknown = || Answer::Unknown { reason: String::new() };
        for (answer, status, again) in [
            (not_reached(), None, true),
            (not_reached(), Some(429), true),
            // Our credentials: the next try would be refused, too.
            (not_reached(), Some(401), false),
            (unknown(), Some(409), true),
            // It may have happened: asked for first.
            (unknown(), None, false),
            (unknown(), Some(500), false),
        ] {
            assert_eq!(may_be_sent_again(&reply(answer.clone(), status)), again, "{answer:?} {status:?}");
        }
    }

    #[test]
    fn waits_double_up_to_ten_seconds_and_are_anything_below() {
        let longest: Vec<u64> = (1..=6).map(|attempt| wait(attempt, 1.0).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 10, 10]);
        assert_eq!(wait(3, 0.0), Duration::ZERO);
        assert_eq!(wait(1, 0.5), Duration::from_millis(500));
    }

    #[test]
    fn retries_are_a_tenth_of_the_calls_once_what_was_saved_is_spent() {
        let budget = Budget::new();
        let saved = (0..100).filter(|_| budget.spend()).count();
        assert_eq!(saved, 3);
        let mut spent = 0;
        for _ in 0..1000 {
            budget.earn();
            spent += usize::from(budget.spend());
        }
        assert_eq!(spent, 100);
    }
}
