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
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Amount,
        Self::NotHeld,
        Self::NotCaptured,
        Self::VoidedThere,
        Self::CapturedAmount,
        Self::RefundedThere,
        Self::RefundedLess,
        Self::RefundMissing,
        Self::NotOurs,
        Self::ReversalReturned,
    ];

    /// The kind that words of [`Discrepancy::told`] begin with.
    pub fn of_words(words: &str) -> Option<Self> {
        let kind = words.split(';').next().unwrap_or_default();
        Self::ALL.into_iter().find(|one| one.as_str() == kind)
    }

    /// What differs, in words: the same as long as both sides say the same. `view`: the transaction as the provider shows it.
    pub fn told(self, payment: &Payment, view: Option<&TransactionView>) -> String {
        let ours = format!(
            "here {} captured, {} given back, {} about to be",
            payment.captured, payment.refunded, payment.refund_reserved
        );
        match view {
            Some(view) => {
                format!("{}; the provider shows {} of {}; {ours}", self.as_str(), shown(&view.state), view.amount)
            }
            None => format!("{}; {ours}", self.as_str()),
        }
    }

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

fn shown(state: &TransactionState) -> String {
    match state {
        TransactionState::AwaitingPayer { .. } => "a payer who has to act".to_owned(),
        TransactionState::Approved { .. } => "an approval".to_owned(),
        TransactionState::Processing => "work".to_owned(),
        TransactionState::Authorized { .. } => "a hold".to_owned(),
        TransactionState::Captured { amount, refunded } => format!("{amount} captured, {refunded} given back,"),
        TransactionState::Voided => "a release".to_owned(),
        TransactionState::Declined(_) => "a refusal".to_owned(),
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
