//! Fresh ids and attempts, from the entropy and time that the gateway is given.

use tollgate_domain::{Attempt, ChangeId, EventId, Lease, PaymentId, ProviderRequestId, RefundId, SettlementId};

use crate::{Gateway, Keys};

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
            // 48 bits of milliseconds last until the year 10889; before 1970 there are no payments.
            let millis = u64::try_from(self.now().as_millisecond()).unwrap_or_default();
            bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
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
