//! What is read of a statement before it is whole, and the checks that make it one.
//!
//! Must not know: XML.

use jiff::civil::Date;
use tollgate_domain::{Currency, Money};

use crate::{
    error::{Gap, Parts, Problem},
    statement::{Account, Balance, Entry, Side, Statement, Status, Transaction},
};

#[derive(Default)]
pub(crate) struct StatementDraft {
    pub(crate) id: Option<String>,
    pub(crate) account: Option<Account>,
    pub(crate) currency: Option<Currency>,
    pub(crate) opening: Option<Balance>,
    /// Closing of the day before: opens this one where nothing else is said.
    pub(crate) previous: Option<Balance>,
    pub(crate) closing: Option<Balance>,
    pub(crate) entries: Vec<Entry>,
}

#[derive(Default)]
pub(crate) struct BalanceDraft {
    pub(crate) code: Option<String>,
    pub(crate) minor: Option<i128>,
    pub(crate) side: Option<Side>,
}

#[derive(Default)]
pub(crate) struct EntryDraft {
    pub(crate) line: u64,
    pub(crate) amount: Option<Money>,
    pub(crate) side: Option<Side>,
    pub(crate) reversal: Option<bool>,
    pub(crate) status: Option<Status>,
    pub(crate) booked_on: Option<Date>,
    pub(crate) value_on: Option<Date>,
    pub(crate) servicer_reference: Option<String>,
    pub(crate) transactions: Vec<TransactionDraft>,
}

#[derive(Default)]
pub(crate) struct TransactionDraft {
    pub(crate) line: u64,
    pub(crate) end_to_end_id: Option<String>,
    pub(crate) transaction_id: Option<String>,
    pub(crate) servicer_reference: Option<String>,
    pub(crate) amount: Option<Money>,
    /// That of the underlying transaction: the older versions say only this.
    pub(crate) underlying: Option<Money>,
    pub(crate) side: Option<Side>,
    pub(crate) returned: bool,
}

/// Sets what can be said once.
pub(crate) fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Problem> {
    if slot.is_some() {
        return Err(Problem::Repeated);
    }
    *slot = Some(value);
    Ok(())
}

impl StatementDraft {
    /// The account's currency is said, first here or again.
    pub(crate) fn say_currency(&mut self, found: Currency) -> Result<Currency, Problem> {
        let account = *self.currency.get_or_insert(found);
        if account == found { Ok(account) } else { Err(Problem::Currency { account, found }) }
    }

    /// Takes a balance, if it is one that closes or opens.
    pub(crate) fn take_balance(&mut self, draft: &BalanceDraft) -> Result<(), Problem> {
        let minor = draft.minor.ok_or(Problem::Missing("Amt"))?;
        let side = draft.side.ok_or(Problem::Missing("CdtDbtInd"))?;
        let currency = self.currency.ok_or(Problem::Missing("Ccy"))?;
        let slot = match draft.code.as_deref() {
            Some("OPBD") => &mut self.opening,
            Some("PRCD") => &mut self.previous,
            Some("CLBD") => &mut self.closing,
            _ => return Ok(()),
        };
        once(slot, Balance { minor: minor * side.sign(), currency })
    }

    /// The statement, where it adds up.
    pub(crate) fn done(self) -> Result<Statement, Problem> {
        let statement = Statement {
            id: self.id.ok_or(Problem::Missing("Id"))?,
            account: self.account.ok_or(Problem::Missing("Acct/Id"))?,
            currency: self.currency.ok_or(Problem::Missing("Acct/Ccy"))?,
            opening: self.opening.or(self.previous).ok_or(Problem::Missing("the balance OPBD or PRCD"))?,
            closing: self.closing.ok_or(Problem::Missing("the balance CLBD"))?,
            entries: self.entries,
        };
        let booked = statement.entries.iter().filter(|entry| entry.status == Status::Booked);
        let moved: i128 = booked.map(|entry| i128::from(entry.amount.minor()) * entry.side.sign()).sum();
        let (opening, closing) = (statement.opening, statement.closing);
        let sum = Balance { minor: opening.minor + moved, ..opening };
        if sum == closing {
            return Ok(statement);
        }
        let by = Balance { minor: closing.minor - sum.minor, ..opening };
        Err(Problem::DoesNotClose(Box::new(Gap { opening, sum, closing, by })))
    }
}

impl EntryDraft {
    /// The entry, where its details are the whole of it.
    pub(crate) fn done(mut self) -> Result<Entry, Problem> {
        let amount = self.amount.ok_or(Problem::Missing("Amt"))?;
        let side = self.side.ok_or(Problem::Missing("CdtDbtInd"))?;
        let status = self.status.ok_or(Problem::Missing("Sts"))?;
        if self.transactions.is_empty() {
            self.transactions.push(TransactionDraft { line: self.line, ..TransactionDraft::default() });
        }
        let is_whole = self.transactions.len() == 1;
        let transactions: Vec<_> = self.transactions.into_iter().map(|draft| draft.done(side)).collect();
        check_sum(amount, side, &transactions)?;
        let whole = |one: Transaction| Transaction { amount: if is_whole { Some(amount) } else { one.amount }, ..one };
        Ok(Entry {
            line: self.line,
            amount,
            side,
            reversal: self.reversal.unwrap_or(false),
            status,
            booked_on: self.booked_on,
            value_on: self.value_on,
            servicer_reference: self.servicer_reference,
            transactions: transactions.into_iter().map(whole).collect(),
        })
    }
}

impl TransactionDraft {
    fn done(self, entry: Side) -> Transaction {
        Transaction {
            line: self.line,
            end_to_end_id: self.end_to_end_id,
            transaction_id: self.transaction_id,
            servicer_reference: self.servicer_reference,
            amount: self.amount.or(self.underlying),
            side: self.side.unwrap_or(entry),
            returned: self.returned,
        }
    }
}

/// Refuses details that say every amount and do not come to the entry.
fn check_sum(amount: Money, side: Side, transactions: &[Transaction]) -> Result<(), Problem> {
    let along = |one: &Transaction| one.amount.map(|money| i128::from(money.minor()) * one.side.sign() * side.sign());
    let Some(parts) = transactions.iter().map(along).collect::<Option<Vec<_>>>() else { return Ok(()) };
    let (whole, sum): (i128, i128) = (amount.minor().into(), parts.iter().sum());
    if whole == sum {
        return Ok(());
    }
    let balance = |minor| Balance { minor, currency: amount.currency() };
    Err(Problem::DetailsDoNotSum(Box::new(Parts {
        entry: balance(whole),
        sum: balance(sum),
        by: balance(whole - sum),
    })))
}
