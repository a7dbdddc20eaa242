//! When a job has to look at a payment next, told by the payment alone. The store keeps the answers in indexes, so that
//! jobs read what is due and nothing else.

use std::time::Duration;

use crate::{Payment, PaymentStatus, Timestamp};

/// How long a payer's silence, or a refund's, lasts before the provider is asked.
const ASK_AFTER: Duration = Duration::from_secs(10 * 60);
/// A payment that is pending is none of provider truth's before this: the merchant's request may still be under way.
const PENDING_FOR: Duration = Duration::from_secs(10 * 60);
/// Provider truth looks again after as long as nothing has changed, within these.
const TRUTH_AT_LEAST: Duration = Duration::from_secs(3600);
const TRUTH_AT_MOST: Duration = Duration::from_secs(24 * 3600);
/// What is over is looked at for this long: a refund or a late success can still turn up.
const TRUTH_ENDS: Duration = Duration::from_secs(30 * 24 * 3600);

impl Payment {
    /// When the job for stuck payments has to look at it; `None`: nothing is waited for.
    pub fn due_at(&self) -> Option<Timestamp> {
        if let Some(open) = &self.open {
            return Some(match &open.payer {
                // The event may be lost: the provider is asked meanwhile, too.
                Some(turn) => turn.until.min(later(self.updated_at, ASK_AFTER)),
                // However often it is sent again, a job looks: nobody else would see that it never ends.
                None => open.last_call_until.unwrap_or(open.opened_at).min(later(open.opened_at, ASK_AFTER)),
            });
        }
        match self.status {
            PaymentStatus::Authorized => self.expires_at,
            _ => (!self.refund_reserved.is_zero()).then(|| later(self.updated_at, ASK_AFTER)),
        }
    }

    /// From when on the provider's truth is compared with it after a change.
    pub fn truth_at(&self) -> Timestamp {
        match self.status {
            PaymentStatus::Pending => later(self.created_at, PENDING_FOR),
            _ => self.updated_at,
        }
    }

    /// When to compare again, the provider having agreed at `now`; `None`: never, it is over for long.
    pub fn truth_again_at(&self, now: Timestamp) -> Option<Timestamp> {
        let age = Duration::try_from(now.duration_since(self.updated_at)).unwrap_or_default();
        let over = matches!(self.status, PaymentStatus::Failed | PaymentStatus::Voided | PaymentStatus::Refunded);
        let ended = age > TRUTH_ENDS && (over || self.status == PaymentStatus::Settled);
        (!ended).then(|| later(now, age.clamp(TRUTH_AT_LEAST, TRUTH_AT_MOST)))
    }

    /// Since when it waits to be settled; `None`: it does not.
    pub fn to_settle_at(&self) -> Option<Timestamp> {
        self.captured_at.filter(|_| self.status == PaymentStatus::Captured)
    }
}

/// Never past the end of time: what is stored with an extreme time must still be readable.
fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::{APPROVAL_LASTS, AUTHORIZATION_LASTS};

    #[test]
    fn times_are_those_that_merchants_and_operators_are_told() {
        const MINUTE: u64 = 60;
        const DAY: u64 = 86_400;
        let seconds = [AUTHORIZATION_LASTS, APPROVAL_LASTS, ASK_AFTER, PENDING_FOR].map(|time| time.as_secs());
        assert_eq!(seconds, [7 * DAY, 30 * MINUTE, 10 * MINUTE, 10 * MINUTE]);
        assert_eq!([TRUTH_AT_LEAST, TRUTH_AT_MOST, TRUTH_ENDS].map(|time| time.as_secs()), [DAY / 24, DAY, 30 * DAY]);
    }
}
