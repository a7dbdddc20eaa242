//! Where the provider's books and ours disagree in a way from which nothing follows by itself: to be counted, and looked at
//! by a person.

use crate::{Payment, PaymentStatus, TransactionState, TransactionView};

/// How the provider's books differ from ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Discrepancy {
    /// The transaction is of another amount or currency.
    Amount,
    /// We hold the money, and the provider shows it as not held.
    NotHeld,
    /// We took the money, and the provider shows it as not taken.
    NotCaptured,
    /// We took the money, and the provider shows the hold as released.
    VoidedThere,
    /// The provider took another amount than we think.
    CapturedAmount,
    /// More went back than we gave back: somebody else refunded, at the provider.
    RefundedThere,
    /// Less went back than we think.
    RefundedLess,
    /// The provider has no such refund.
    RefundMissing,
    /// Under its id the provider shows something that is not this payment's.
    NotOurs,
    /// The payment is over, and the provider has the money all the same: it was given back, and came back.
    ReversalReturned,
}

impl Discrepancy {
    /// The name in metrics, reports and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Amount => "amount",
            Self::NotHeld => "not_held",
            Self::NotCaptured => "not_captured",
            Self::VoidedThere => "voided_there",
            Self::CapturedAmount => "captured_amount",
            Self::RefundedThere => "refunded_there",
            Self::RefundedLess => "refunded_less",
            Self::RefundMissing => "refund_missing",
            Self::NotOurs => "not_ours",
            Self::ReversalReturned => "reversal_returned",
        }
    }
}

impl Payment {
    /// How `view`, the present one at the provider, differs from this payment, which has nothing open and to which nothing
    /// follows from `view`. `None`: they agree.
    pub fn differs_from(&self, view: &TransactionView) -> Option<Discrepancy> {
        use TransactionState::{Authorized, Captured, Voided};
        if view.amount != self.amount {
            return Some(Discrepancy::Amount);
        }
        match (self.status, &view.state) {
            (PaymentStatus::Failed | PaymentStatus::Voided, Captured { amount, refunded }) if amount != refunded => {
                Some(Discrepancy::ReversalReturned)
            }
            // What follows for these is an operation or nothing.
            (PaymentStatus::Pending | PaymentStatus::Failed | PaymentStatus::Voided, _)
            | (PaymentStatus::Authorized, Authorized { .. }) => None,
            (PaymentStatus::Authorized, _) => Some(Discrepancy::NotHeld),
            (_, Voided) => Some(Discrepancy::VoidedThere),
            (_, Captured { amount, .. }) if *amount != self.captured => Some(Discrepancy::CapturedAmount),
            (_, Captured { refunded, .. }) => {
                // A refund on its way counts there as gone, or does not yet.
                let (least, most) = (self.refunded.minor(), self.refunded.minor() + self.refund_reserved.minor());
                match refunded.minor() {
                    there if there > most => Some(Discrepancy::RefundedThere),
                    there if there < least => Some(Discrepancy::RefundedLess),
                    _ => None,
                }
            }
            _ => Some(Discrepancy::NotCaptured),
        }
    }
}
