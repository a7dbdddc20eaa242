//! Fresh ids and attempts, from the entropy and time that the gateway is given.

use std::sync::atomic::{AtomicU64, Ordering};

use tollgate_domain::{Attempt, ChangeId, EventId, Lease, PaymentId, ProviderRequestId, RefundId, SettlementId};

use crate::{Gateway, Keys};

/// What the last id that was made by time begins with: those of one millisecond count on, so that lists keep the order in which things
/// were made, also where a clock stands.
#[derive(Default)]
pub(crate) struct LastKey(AtomicU64);

impl LastKey {
    /// 48 bits of milliseconds, which last until the year 10889, and 16 that count.
    fn after(&self, millis: u64) -> [u8; 8] {
        let first = millis << 16;
        let next = |last: u64| first.max(last.saturating_add(1));
        let last = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        next(last.unwrap_or_default()).to_be_bytes()
    }
}

impl Gateway {
    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.ports.entropy.fill(&mut bytes);
        bytes
    }

    /// 16 bytes for an id that rows are kept by.
    fn key(&self) -> [u8; 16] {
        let mut bytes = self.random();
        if self.settings.keys == Keys::ByTime {
            // Before 1970 there are no payments.
            let millis = u64::try_from(self.now().as_millisecond()).unwrap_or_default();
            bytes[..8].copy_from_slice(&self.last_key.after(millis));
        }
        bytes
    }

    pub(crate) fn payment_id(&self) -> PaymentId {
        PaymentId::from_random(self.key())
    }

    pub(crate) fn refund_id(&self) -> RefundId {
        RefundId::from_random(self.key())
    }

    /// A random number from 0 to 1.
    pub(crate) fn jitter(&self) -> f64 {
        let mut bytes = [0; 4];
        self.ports.entropy.fill(&mut bytes);
        f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
    }

    pub(crate) fn event_id(&self) -> EventId {
        EventId::from_random(self.key())
    }

    pub(crate) fn settlement_id(&self) -> SettlementId {
        SettlementId::from_random(self.random())
    }

    pub(crate) fn change_id(&self) -> ChangeId {
        ChangeId::from_random(self.random())
    }

    /// A fresh request id with the right to send it for one lease from now.
    pub(crate) fn attempt(&self) -> Attempt {
        Attempt { request_id: ProviderRequestId::from_random(self.random()), lease: self.lease() }
    }

    /// The right to send, from now for as long as one call may take.
    pub(crate) fn lease(&self) -> Lease {
        Lease { owner: self.settings.boot, call_until: self.now() + self.settings.lease }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_moment_are_in_the_order_in_which_they_were_made() {
        let last = LastKey::default();
        let mut made: Vec<_> = [5, 5, 5, 6, 6, 9].map(|millis| last.after(millis)).into();
        assert_eq!(made[3], (6_u64 << 16).to_be_bytes(), "each moment counts from the beginning");
        made.extend((0..70_000).map(|_| last.after(9)));
        made.push(last.after(11));
        assert!(made.is_sorted_by(|before, after| before < after), "more than a moment holds, too");
    }
}
