//! Which element says what: from the elements of a file to its statements. What is not looked for is passed over; what is
//! looked for and stands elsewhere is refused, so that nothing is lost silently.

use tollgate_domain::{Currency, Money};

use crate::{
    amounts, dates,
    drafts::{BalanceDraft, EntryDraft, StatementDraft, TransactionDraft, once},
    elements::Leaf,
    error::Problem,
    limits::Limits,
    statement::{Account, Side, Statement, Status},
};

/// Where a statement stands.
const STATEMENT: &str = "Document/BkToCstmrStmt/Stmt";
/// What may stand in one place only, by its name: the place, seen from the file or from the statement.
const PLACES: [(&str, &str); 6] = [
    ("BkToCstmrStmt", "Document/BkToCstmrStmt"),
    ("Stmt", STATEMENT),
    ("Bal", "Document/BkToCstmrStmt/Stmt/Bal"),
    ("Ntry", "Document/BkToCstmrStmt/Stmt/Ntry"),
    ("NtryDtls", "Document/BkToCstmrStmt/Stmt/Ntry/NtryDtls"),
    ("TxDtls", "Document/BkToCstmrStmt/Stmt/Ntry/NtryDtls/TxDtls"),
];
/// "Nobody has named it."
const NOT_PROVIDED: &str = "NOTPROVIDED";

/// Collects statements.
pub(crate) struct Collector {
    limits: Limits,
    kept: usize,
    statements: Vec<Statement>,
    statement: StatementDraft,
    balance: BalanceDraft,
    entry: EntryDraft,
    transaction: TransactionDraft,
}

impl Collector {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            kept: 0,
            statements: Vec::new(),
            statement: StatementDraft::default(),
            balance: BalanceDraft::default(),
            entry: EntryDraft::default(),
            transaction: TransactionDraft::default(),
        }
    }

    /// An element begins.
    pub(crate) fn opened(&mut self, path: &str, line: u64) -> Result<(), Problem> {
        let name = path.rsplit('/').next().unwrap_or_default();
        if PLACES.iter().any(|(known, place)| *known == name && *place != path) {
            return Err(Problem::Misplaced);
        }
        let Some(within) = path.strip_prefix(STATEMENT) else { return Ok(()) };
        match within {
            "" => {
                self.keep()?;
                self.statement = StatementDraft::default();
            }
            "/Bal" => self.balance = BalanceDraft::default(),
            "/Ntry" => {
                self.keep()?;
                self.entry = EntryDraft { line, ..EntryDraft::default() };
            }
            "/Ntry/NtryDtls/TxDtls" => {
                self.keep()?;
                self.transaction = TransactionDraft { line, ..TransactionDraft::default() };
            }
            "/Ntry/NtryDtls/TxDtls/RtrInf" => self.transaction.returned = true,
            _ => {}
        }
        Ok(())
    }

    /// An element ends.
    pub(crate) fn closed(&mut self, path: &str, leaf: &Leaf) -> Result<(), Problem> {
        let Some(within) = path.strip_prefix(STATEMENT) else { return Ok(()) };
        match within {
            "" => self.statements.push(std::mem::take(&mut self.statement).done()?),
            "/Bal" => self.statement.take_balance(&self.balance)?,
            "/Ntry" => {
                let entry = std::mem::take(&mut self.entry).done()?;
                self.statement.entries.push(entry);
            }
            "/Ntry/NtryDtls/TxDtls" => self.entry.transactions.push(std::mem::take(&mut self.transaction)),
            within => {
                if let Some(of_details) = within.strip_prefix("/Ntry/NtryDtls/TxDtls/") {
                    return self.say_transaction(of_details, leaf);
                }
                if let Some(of_entry) = within.strip_prefix("/Ntry/") {
                    return self.say_entry(of_entry, leaf);
                }
                return self.say_statement(within, leaf);
            }
        }
        Ok(())
    }

    /// All of them.
    pub(crate) fn finish(self) -> Result<Vec<Statement>, Problem> {
        if self.statements.is_empty() {
            return Err(Problem::NotAStatement("there is no Stmt".to_owned()));
        }
        Ok(self.statements)
    }

    /// Counts what stays in memory.
    fn keep(&mut self) -> Result<(), Problem> {
        self.kept += 1;
        if self.kept > self.limits.kept {
            return Err(Problem::TooMuch(format!("{} statements, entries and transactions", self.limits.kept)));
        }
        Ok(())
    }

    fn say_statement(&mut self, what: &str, leaf: &Leaf) -> Result<(), Problem> {
        let statement = &mut self.statement;
        match what {
            "/Id" => once(&mut statement.id, text(leaf)?),
            "/Acct/Id/IBAN" => once(&mut statement.account, Account::Iban(text(leaf)?)),
            "/Acct/Id/Othr/Id" => once(&mut statement.account, Account::Other(text(leaf)?)),
            "/Acct/Ccy" => statement.say_currency(currency(&text(leaf)?)?).map(|_| ()),
            "/Bal/Tp/CdOrPrtry/Cd" => once(&mut self.balance.code, text(leaf)?),
            "/Bal/Amt" => once(&mut self.balance.minor, minor(statement, leaf)?.0),
            "/Bal/CdtDbtInd" => once(&mut self.balance.side, side(leaf)?),
            _ => Ok(()),
        }
    }

    fn say_entry(&mut self, what: &str, leaf: &Leaf) -> Result<(), Problem> {
        let entry = &mut self.entry;
        match what {
            "Amt" => once(&mut entry.amount, money(&mut self.statement, leaf)?),
            "CdtDbtInd" => once(&mut entry.side, side(leaf)?),
            "RvslInd" => once(&mut entry.reversal, truth(leaf)?),
            // Up to version 07 the status is text, and a choice since.
            "Sts" if leaf.text.is_none() => Ok(()),
            "Sts" | "Sts/Cd" => once(&mut entry.status, status(leaf)?),
            "Sts/Prtry" => Err(Problem::wrong("a status that is known", &text(leaf)?)),
            "BookgDt/Dt" | "BookgDt/DtTm" => once(&mut entry.booked_on, dates::day(&text(leaf)?)?),
            "ValDt/Dt" | "ValDt/DtTm" => once(&mut entry.value_on, dates::day(&text(leaf)?)?),
            "AcctSvcrRef" => once(&mut entry.servicer_reference, text(leaf)?),
            _ => Ok(()),
        }
    }

    fn say_transaction(&mut self, what: &str, leaf: &Leaf) -> Result<(), Problem> {
        let transaction = &mut self.transaction;
        match what {
            "Refs/EndToEndId" => {
                let id = text(leaf)?;
                if id == NOT_PROVIDED { Ok(()) } else { once(&mut transaction.end_to_end_id, id) }
            }
            "Refs/TxId" => once(&mut transaction.transaction_id, text(leaf)?),
            "Refs/AcctSvcrRef" => once(&mut transaction.servicer_reference, text(leaf)?),
            "Amt" => once(&mut transaction.amount, money(&mut self.statement, leaf)?),
            // What was exchanged on the way is said in its own currency here, and is no amount of the account's.
            "AmtDtls/TxAmt/Amt" if leaf.currency.as_deref() == self.statement.currency.as_ref().map(Currency::code) => {
                once(&mut transaction.underlying, money(&mut self.statement, leaf)?)
            }
            "CdtDbtInd" => once(&mut transaction.side, side(leaf)?),
            _ => Ok(()),
        }
    }
}

fn text(leaf: &Leaf) -> Result<String, Problem> {
    leaf.text.clone().filter(|text| !text.is_empty()).ok_or(Problem::Missing("the text"))
}

fn currency(text: &str) -> Result<Currency, Problem> {
    text.parse().map_err(|_| Problem::wrong("a currency of ISO 4217", text))
}

fn minor(statement: &mut StatementDraft, leaf: &Leaf) -> Result<(i128, Currency), Problem> {
    let code = leaf.currency.as_deref().ok_or(Problem::Missing("the attribute Ccy"))?;
    let currency = statement.say_currency(currency(code)?)?;
    Ok((amounts::minor(&text(leaf)?, currency)?, currency))
}

fn money(statement: &mut StatementDraft, leaf: &Leaf) -> Result<Money, Problem> {
    let (minor, currency) = minor(statement, leaf)?;
    let money = i64::try_from(minor).ok().and_then(|minor| Money::new(minor, currency).ok());
    money.ok_or_else(|| Problem::TooMuch(format!("{} minor units", Money::MAX_MINOR)))
}

fn side(leaf: &Leaf) -> Result<Side, Problem> {
    match text(leaf)?.as_str() {
        "CRDT" => Ok(Side::Credit),
        "DBIT" => Ok(Side::Debit),
        other => Err(Problem::wrong("CRDT or DBIT", other)),
    }
}

fn truth(leaf: &Leaf) -> Result<bool, Problem> {
    match text(leaf)?.as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(Problem::wrong("true or false", other)),
    }
}

fn status(leaf: &Leaf) -> Result<Status, Problem> {
    match text(leaf)?.as_str() {
        "BOOK" => Ok(Status::Booked),
        "PDNG" => Ok(Status::Pending),
        "INFO" => Ok(Status::Information),
        "FUTR" => Ok(Status::Future),
        other => Err(Problem::wrong("a status that is known", other)),
    }
}
