//! What a statement says, typed.

use std::fmt;

use jiff::civil::Date;
use tollgate_domain::{Currency, Money};

/// One account's statement. Opening and booked entries come to closing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The bank's id of it.
    pub id: String,
    /// Whose it is.
    pub account: Account,
    /// The account's currency; that of every amount here.
    pub currency: Currency,
    /// What was there before (`OPBD`, or `PRCD`).
    pub opening: Balance,
    /// What is there after (`CLBD`).
    pub closing: Balance,
    /// What moved, or will.
    pub entries: Vec<Entry>,
}

/// How the bank names the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// An IBAN.
    Iban(String),
    /// Another id of the bank's (`Othr/Id`).
    Other(String),
}

/// What is on an account: negative where it is overdrawn, and without the bound that a payment's amount has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// In minor units.
    pub minor: i128,
    /// Of this currency.
    pub currency: Currency,
}

/// Which way money goes, seen from the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Onto the account.
    Credit,
    /// Off it.
    Debit,
}

/// How far an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// In the balances.
    Booked,
    /// Not yet.
    Pending,
    /// For information only.
    Information,
    /// On a later day.
    Future,
}

/// One line of the statement: one movement, or many that were booked as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins in the file.
    pub line: u64,
    /// How much.
    pub amount: Money,
    /// Which way.
    pub side: Side,
    /// It undoes an earlier entry.
    pub reversal: bool,
    /// How far it is.
    pub status: Status,
    /// When it was booked.
    pub booked_on: Option<Date>,
    /// From when on it counts.
    pub value_on: Option<Date>,
    /// The bank's reference of it.
    pub servicer_reference: Option<String>,
    /// What it consists of; never none.
    pub transactions: Vec<Transaction>,
}

/// One movement of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Where it begins in the file.
    pub line: u64,
    /// What the payer's side named it; `None`: not named, or `NOTPROVIDED`.
    pub end_to_end_id: Option<String>,
    /// The first bank's id of it.
    pub transaction_id: Option<String>,
    /// The bank's reference of it.
    pub servicer_reference: Option<String>,
    /// How much; `None` where the bank says that of the whole entry only.
    pub amount: Option<Money>,
    /// Which way.
    pub side: Side,
    /// It came back: the bank gives a reason for a return.
    pub returned: bool,
}

impl Statement {
    /// The first and the last day on which something was booked.
    pub fn booked_days(&self) -> Option<(Date, Date)> {
        let days =
            || self.entries.iter().filter(|entry| entry.status == Status::Booked).filter_map(|entry| entry.booked_on);
        Some((days().min()?, days().max()?))
    }
}

impl Side {
    /// Its sign on a balance.
    pub(crate) const fn sign(self) -> i128 {
        match self {
            Self::Credit => 1,
            Self::Debit => -1,
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Iban(id) | Self::Other(id)) = self;
        f.write_str(id)
    }
}

/// With the decimals of its currency: `-10.00 EUR`.
impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = u32::from(self.currency.exponent());
        let (unit, minor) = (10_u128.pow(exponent), self.minor.unsigned_abs());
        let sign = if self.minor < 0 { "-" } else { "" };
        write!(f, "{sign}{}", minor / unit)?;
        if exponent > 0 {
            write!(f, ".{:0width$}", minor % unit, width = exponent as usize)?;
        }
        write!(f, " {}", self.currency)
    }
}

impl fmt::Debug for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
