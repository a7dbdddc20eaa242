//! What a record is about, by name: the key under which the first record of each movement of ours is kept.

use std::fmt;

use tollgate_domain::{Movement, PaymentId, ProviderRecord, RefundId};

/// A movement of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// What was taken for a payment.
    Capture(PaymentId),
    /// A refund.
    Refund(RefundId),
    /// A refund that came back.
    Returned(RefundId),
}

impl Subject {
    /// What `record` names; `None`: no movement of ours that has a name.
    pub(super) fn of(record: &ProviderRecord) -> Option<Self> {
        match record.movement {
            Movement::Capture => record.payment.map(Self::Capture),
            Movement::Refund => record.refund.map(Self::Refund),
            Movement::Returned => record.refund.map(Self::Returned),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(payment) => write!(f, "{payment}"),
            Self::Refund(refund) => write!(f, "{refund}"),
            Self::Returned(refund) => f.write_str(&refund.to_string().replacen(RefundId::PREFIX, "ret_", 1)),
        }
    }
}
