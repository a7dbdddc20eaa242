//! Fresh ids and attempts, from the entropy and time that the gateway is given.

use tollgate_domain::{Attempt, ChangeId, EventId, Lease, PaymentId, ProviderRequestId, RefundId, SettlementId};

use crate::Gateway;

impl Gateway {
    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.ports.entropy.fill(&mut bytes);
        bytes
    }

    pub(crate) fn payment_id(&self) -> PaymentId {
        PaymentId::from_random(self.random())
    }

    pub(crate) fn refund_id(&self) -> RefundId {
        RefundId::from_random(self.random())
    }

    /// A random number from 0 to 1.
    pub(crate) fn jitter(&self) -> f64 {
        let mut bytes = [0; 4];
        self.ports.entropy.fill(&mut bytes);
        f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
    }

    pub(crate) fn event_id(&self) -> EventId {
        EventId::from_random(self.random())
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
