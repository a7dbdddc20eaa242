//! The bank's statements, camt.053. Input: a file.
//!
//! Holds: within any bounds it ends; what is taken adds up, by a second sum; written as camt.053 and read again, it is the same.

use std::fmt::Write as _;

use tollgate_domain::{Currency, Money};
use tollgate_statements::{Account, Balance, Entry, Limits, Side, Statement, Status, Transaction, read};

/// Small ones, so that they are met.
const LIMITS: Limits = Limits { bytes: 64 << 10, token: 4 << 10, text: 512, depth: 24, kept: 500 };

pub(crate) fn run(input: &[u8]) {
    let Ok(statements) = read(input, &LIMITS) else { return };
    assert!(!statements.is_empty());
    statements.iter().for_each(adds_up);
    let written = written(&statements);
    let again = read(written.as_bytes(), &Limits::default()).unwrap_or_else(|error| panic!("{error}: {written}"));
    assert_eq!(without_lines(again), without_lines(statements), "{written}");
}

fn adds_up(statement: &Statement) {
    let booked = statement.entries.iter().filter(|entry| entry.status == Status::Booked);
    let moved: i128 = booked.map(|entry| signed(entry.side, entry.amount)).sum();
    assert_eq!(statement.opening.minor + moved, statement.closing.minor, "{statement:?}");
    for entry in &statement.entries {
        assert!(!entry.transactions.is_empty());
        let all = entry.transactions.iter().map(|one| one.amount.map(|amount| signed(one.side, amount)));
        if let Some(sum) = all.sum::<Option<i128>>() {
            assert_eq!(sum, signed(entry.side, entry.amount), "{entry:?}");
        }
    }
}

fn signed(side: Side, amount: Money) -> i128 {
    let minor = i128::from(amount.minor());
    if side == Side::Credit { minor } else { -minor }
}

/// Where things begin in a file is not what they say.
fn without_lines(mut statements: Vec<Statement>) -> Vec<Statement> {
    for entry in statements.iter_mut().flat_map(|statement| &mut statement.entries) {
        entry.line = 0;
        entry.transactions.iter_mut().for_each(|one| one.line = 0);
    }
    statements
}

fn written(statements: &[Statement]) -> String {
    let mut text = String::from("<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt>");
    text += "<GrpHdr><MsgId>M</MsgId></GrpHdr>";
    for statement in statements {
        write_statement(&mut text, statement);
    }
    text + "</BkToCstmrStmt></Document>"
}

fn write_statement(text: &mut String, statement: &Statement) {
    let account = match &statement.account {
        Account::Iban(id) => element("IBAN", id),
        Account::Other(id) => format!("<Othr>{}</Othr>", element("Id", id)),
    };
    let currency = statement.currency;
    _ = write!(text, "<Stmt>{}<Acct><Id>{account}</Id><Ccy>{currency}</Ccy></Acct>", element("Id", &statement.id));
    write_balance(text, "OPBD", statement.opening);
    write_balance(text, "CLBD", statement.closing);
    for entry in &statement.entries {
        write_entry(text, entry);
    }
    *text += "</Stmt>";
}

fn write_balance(text: &mut String, code: &str, balance: Balance) {
    let side = if balance.minor < 0 { Side::Debit } else { Side::Credit };
    let amount = amount(balance.minor.unsigned_abs(), balance.currency);
    _ = write!(
        text,
        "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{amount}{}<Dt><Dt>2026-11-25</Dt></Dt></Bal>",
        indicator(side)
    );
}

fn write_entry(text: &mut String, entry: &Entry) {
    let status = match entry.status {
        Status::Booked => "BOOK",
        Status::Pending => "PDNG",
        Status::Information => "INFO",
        Status::Future => "FUTR",
    };
    _ = write!(text, "<Ntry>{}{}", money(entry.amount), indicator(entry.side));
    if entry.reversal {
        *text += "<RvslInd>true</RvslInd>";
    }
    _ = write!(text, "<Sts><Cd>{status}</Cd></Sts>");
    for (name, day) in [("BookgDt", entry.booked_on), ("ValDt", entry.value_on)] {
        if let Some(day) = day {
            _ = write!(text, "<{name}><Dt>{day}</Dt></{name}>");
        }
    }
    *text += &optional("AcctSvcrRef", entry.servicer_reference.as_deref());
    *text += "<NtryDtls>";
    for transaction in &entry.transactions {
        write_transaction(text, transaction);
    }
    *text += "</NtryDtls></Ntry>";
}

fn write_transaction(text: &mut String, transaction: &Transaction) {
    let references = [
        optional("AcctSvcrRef", transaction.servicer_reference.as_deref()),
        optional("EndToEndId", transaction.end_to_end_id.as_deref()),
        optional("TxId", transaction.transaction_id.as_deref()),
    ];
    _ = write!(text, "<TxDtls><Refs>{}</Refs>", references.concat());
    if let Some(amount) = transaction.amount {
        *text += &money(amount);
    }
    *text += &indicator(transaction.side);
    if transaction.returned {
        *text += "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>";
    }
    *text += "</TxDtls>";
}

fn indicator(side: Side) -> String {
    element("CdtDbtInd", if side == Side::Credit { "CRDT" } else { "DBIT" })
}

fn money(money: Money) -> String {
    amount(u128::from(money.minor().unsigned_abs()), money.currency())
}

fn amount(minor: u128, currency: Currency) -> String {
    let decimals = usize::from(currency.exponent());
    let digits = format!("{minor:0>width$}", width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let point = if decimals == 0 { "" } else { "." };
    format!("<Amt Ccy=\"{currency}\">{whole}{point}{part}</Amt>")
}

fn optional(name: &str, text: Option<&str>) -> String {
    text.map(|text| element(name, text)).unwrap_or_default()
}

fn element(name: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;");
    format!("<{name}>{text}</{name}>")
}
