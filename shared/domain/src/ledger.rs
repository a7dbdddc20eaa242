//! The ledger: double entry per currency, insert-only, written with the transition that it tells of (rule 25).
//!
//! There are no balance rows: a balance is the sum of its postings. Every set sums to zero, by construction.

use std::fmt;

use crate::{MerchantId, Money, ProviderName};

/// Where money stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account {
    /// Memo: authorized at a provider, not taken.
    MemoHeld(ProviderName),
    /// Memo: what a merchant would get if it were taken.
    MemoDue(MerchantId),
    /// Taken by a provider, owed to us.
    Receivable(ProviderName),
    /// Captured for a merchant, not settled.
    Pending(MerchantId),
    /// Settled, the merchant's.
    Available(MerchantId),
    /// Reserved for refunds on their way.
    Refunding(MerchantId),
    /// Our fee.
    FeeIncome,
    /// Taken though the payment was over: on its way back to the payer (rule 8).
    Suspense,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemoHeld(provider) => write!(f, "memo.held:{provider}"),
            Self::MemoDue(merchant) => write!(f, "memo.due:{merchant}"),
            Self::Receivable(provider) => write!(f, "receivable:{provider}"),
            Self::Pending(merchant) => write!(f, "pending:{merchant}"),
            Self::Available(merchant) => write!(f, "available:{merchant}"),
            Self::Refunding(merchant) => write!(f, "refunding:{merchant}"),
            Self::FeeIncome => f.write_str("fee_income"),
            Self::Suspense => f.write_str("suspense"),
        }
    }
}

/// Debit or credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// To the account.
    Debit,
    /// From the account.
    Credit,
}

/// One line of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// The account.
    pub account: Account,
    /// Debit or credit.
    pub side: Side,
    /// How much; never zero.
    pub amount: Money,
}

impl Posting {
    /// The amount as it counts in the sum that must be zero: debits up, credits down.
    pub const fn signed_minor(self) -> i64 {
        match self.side {
            Side::Debit => self.amount.minor(),
            Side::Credit => -self.amount.minor(),
        }
    }
}

/// The postings of one change. Grows by whole transfers only, so it always sums to zero per currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostingSet(Vec<Posting>);

impl PostingSet {
    /// Books `amount` from `credit` to `debit`; nothing for a zero amount.
    pub fn transfer(&mut self, debit: Account, credit: Account, amount: Money) {
        if amount.is_zero() {
            return;
        }
        self.0.push(Posting { account: debit, side: Side::Debit, amount });
        self.0.push(Posting { account: credit, side: Side::Credit, amount });
    }

    /// The lines.
    pub fn lines(&self) -> &[Posting] {
        &self.0
    }
}
