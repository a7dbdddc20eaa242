//! What lines come to per currency, and whether the ledger says the same.

use std::collections::BTreeMap;

use super::{Line, LineKind};
use crate::{Currency, MoneyError};

/// What lines of one currency come to, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Of what the amounts are.
    pub currency: Currency,
    /// How many payments.
    pub payments: u64,
    /// What was captured.
    pub gross: i64,
    /// Our fees on it.
    pub fees: i64,
    /// Refunds taken off: above zero.
    pub refunds: i64,
    /// Refunds given back: above zero.
    pub refunds_returned: i64,
    /// What was owed to us after the settlement before: below zero, or zero.
    pub carried_over: i64,
    /// What the merchant gets: all of these. Below zero: it is owed to us, and carried over to the next settlement.
    pub net: i64,
}

impl Totals {
    /// Nothing, in `currency`.
    pub const fn none(currency: Currency) -> Self {
        Self { currency, payments: 0, gross: 0, fees: 0, refunds: 0, refunds_returned: 0, carried_over: 0, net: 0 }
    }

    /// These with `line`.
    pub fn with(self, line: &Line) -> Result<Self, MoneyError> {
        let mut one = Self::none(line.currency);
        match line.kind {
            LineKind::Payment => (one.payments, one.gross, one.fees) = (1, line.gross, line.fee),
            LineKind::Refund => one.refunds = line.gross.checked_neg().ok_or(MoneyError::OutOfRange)?,
            LineKind::RefundReturned => one.refunds_returned = line.gross,
            LineKind::CarriedOver => one.carried_over = line.gross,
        }
        one.net = line.net;
        self.plus(&one)
    }

    /// The sum; it never wraps.
    pub fn plus(self, other: &Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch);
        }
        let sum = |a: i64, b: i64| a.checked_add(b).ok_or(MoneyError::OutOfRange);
        Ok(Self {
            currency: self.currency,
            payments: self.payments.checked_add(other.payments).ok_or(MoneyError::OutOfRange)?,
            gross: sum(self.gross, other.gross)?,
            fees: sum(self.fees, other.fees)?,
            refunds: sum(self.refunds, other.refunds)?,
            refunds_returned: sum(self.refunds_returned, other.refunds_returned)?,
            carried_over: sum(self.carried_over, other.carried_over)?,
            net: sum(self.net, other.net)?,
        })
    }

    /// Whether the net is what the rest comes to.
    pub fn adds_up(&self) -> bool {
        let wide = i128::from;
        wide(self.net)
            == wide(self.gross) - wide(self.fees) - wide(self.refunds)
                + wide(self.refunds_returned)
                + wide(self.carried_over)
    }
}

/// Totals of several currencies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TotalsByCurrency(BTreeMap<Currency, Totals>);

impl TotalsByCurrency {
    /// Adds a line.
    pub fn add_line(&mut self, line: &Line) -> Result<(), MoneyError> {
        let totals = self.0.entry(line.currency).or_insert(Totals::none(line.currency));
        *totals = totals.with(line)?;
        Ok(())
    }

    /// Adds totals.
    pub fn add(&mut self, other: &Totals) -> Result<(), MoneyError> {
        let totals = self.0.entry(other.currency).or_insert(Totals::none(other.currency));
        *totals = totals.plus(other)?;
        Ok(())
    }

    /// One per currency, in the order of their codes.
    pub fn into_vec(self) -> Vec<Totals> {
        self.0.into_values().collect()
    }
}

/// What the ledger's postings of settled payments come to in one currency, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerSums {
    /// Of what the amounts are.
    pub currency: Currency,
    /// Debits of `pending`, each of the line's own merchant.
    pub gross: i64,
    /// Credits of `fee_income`.
    pub fees: i64,
    /// Credits of `available`, each of the line's own merchant, less its debits.
    pub net: i64,
    /// What these postings move on any other account, debits and credits added up: nothing, if all is well.
    pub elsewhere: i64,
}

impl LedgerSums {
    /// How these differ from what the lines say; `None`: they agree. `lines` and these are of one chunk, per currency.
    pub fn disagreement(ledger: &[Self], lines: &[Totals]) -> Option<String> {
        let mut said: BTreeMap<Currency, &Self> = ledger.iter().map(|sums| (sums.currency, sums)).collect();
        for totals in lines {
            let currency = totals.currency;
            if !totals.adds_up() {
                return Some(format!("{currency}: the lines do not add up to their own net"));
            }
            let (gross, fees, net, elsewhere) =
                said.remove(&currency).map_or((0, 0, 0, 0), |sums| (sums.gross, sums.fees, sums.net, sums.elsewhere));
            // Refunds and what is carried over were in the ledger before; only payments are posted by a settlement.
            let expected = totals.gross.checked_sub(totals.fees);
            if (gross, fees, Some(net), elsewhere) != (totals.gross, totals.fees, expected, 0) {
                return Some(format!(
                    "{currency}: the lines say gross {}, fees {}; the ledger says gross {gross}, fees {fees}, \
                     available {net}, elsewhere {elsewhere}",
                    totals.gross, totals.fees
                ));
            }
        }
        said.keys().next().map(|currency| format!("{currency}: the ledger has postings, and there are no lines"))
    }
}

#[cfg(test)]
mod tests;
