//! Settlement: our own batch takes what was captured (contract: `SETTLED` needs no evidence from the provider).

use crate::{
    Account, Change, EventKind, Money, Payment, PaymentStatus, Refund, SettlementId, Timestamp, What, change::Draft,
};

/// Why a payment is set aside from a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotSettled {
    /// It is not captured, or not any more: another run, or a change meanwhile.
    #[error("not captured")]
    NotCaptured,
    /// An operation's outcome is not known.
    #[error("an operation is open")]
    OperationOpen,
    /// A person has to look first.
    #[error("needs review")]
    NeedsReview,
    /// The fee is of another currency, or more than what was captured.
    #[error("the fee does not fit")]
    Fee,
    /// Nobody knows its merchant, so nobody knows the fee.
    #[error("the merchant is not known")]
    UnknownMerchant,
    /// Its books do not add up, by the job `invariants`: nobody may be paid out by them.
    #[error("its books do not add up")]
    Violates,
    /// Its record does not read as what was written.
    #[error("unreadable")]
    Unreadable,
}

impl NotSettled {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::NotCaptured,
        Self::OperationOpen,
        Self::NeedsReview,
        Self::Fee,
        Self::UnknownMerchant,
        Self::Violates,
        Self::Unreadable,
    ];

    /// The name in metrics and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotCaptured => "not_captured",
            Self::OperationOpen => "operation_open",
            Self::NeedsReview => "needs_review",
            Self::Fee => "fee",
            Self::UnknownMerchant => "unknown_merchant",
            Self::Violates => "invariant_violated",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Payment {
    /// CAPTURED → SETTLED: what was captured, less `fee`, is the merchant's.
    pub fn settle(&self, settlement: SettlementId, fee: Money, now: Timestamp) -> Result<Change, NotSettled> {
        if self.status != PaymentStatus::Captured {
            return Err(NotSettled::NotCaptured);
        }
        if self.open.is_some() {
            return Err(NotSettled::OperationOpen);
        }
        if self.review.is_some() {
            return Err(NotSettled::NeedsReview);
        }
        if fee.exceeds(self.captured).unwrap_or(true) {
            return Err(NotSettled::Fee);
        }
        let mut draft = Draft::of(self, What::Settled, self.operations, now);
        draft.payment().settlement = Some(settlement);
        draft.move_to(PaymentStatus::Settled);
        let available = Account::Available(self.merchant);
        draft.postings().transfer(Account::Pending(self.merchant), available, self.captured);
        draft.postings().transfer(available, Account::FeeIncome, fee);
        draft.tell(EventKind::PaymentSettled);
        Ok(draft.done())
    }

    /// `refund` (the row as it now is) is taken off what the merchant gets, or given back where it came back (rule 22).
    /// The ledger knew it when it happened. `None`: it does not wait for a settlement.
    pub fn settle_refund(&self, refund: &Refund, settlement: SettlementId, now: Timestamp) -> Option<Change> {
        refund.to_settle_at?;
        let mut draft = Draft::of(self, What::RefundSettled, self.operations, now);
        draft.refund(Refund { to_settle_at: None, settlement: Some(settlement), updated_at: now, ..refund.clone() });
        Some(draft.done())
    }
}
