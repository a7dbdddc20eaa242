//! Statements as banks write them, in our own words.

use crate::{Limits, Problem, Statement, StatementError, read};

/// A file of version `08` around `within` the statement.
pub(super) fn file(within: &str) -> String {
    of_version("08", &format!("<Stmt><Id>S-1</Id>{within}</Stmt>"))
}

/// A file of this version around these statements.
pub(super) fn of_version(version: &str, statements: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}\">\n\
         <BkToCstmrStmt><GrpHdr><MsgId>M-1</MsgId></GrpHdr>\n{statements}\n</BkToCstmrStmt>\n</Document>\n"
    )
}

/// The account, in euros.
pub(super) const ACCOUNT: &str = "<Acct><Id><IBAN>NL91ABNA0417164300</IBAN></Id><Ccy>EUR</Ccy></Acct>";

pub(super) fn balance(code: &str, amount: &str, side: &str) -> String {
    format!(
        "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">{amount}</Amt>\
         <CdtDbtInd>{side}</CdtDbtInd><Dt><Dt>2026-11-25</Dt></Dt></Bal>"
    )
}

/// An entry that is booked, with what is `within`.
pub(super) fn entry(amount: &str, side: &str, within: &str) -> String {
    format!(
        "<Ntry><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>\
         <BookgDt><Dt>2026-11-25</Dt></BookgDt><ValDt><Dt>2026-11-26</Dt></ValDt>{within}</Ntry>"
    )
}

/// The details of one movement.
pub(super) fn details(end_to_end_id: &str, amount: &str) -> String {
    let amount = if amount.is_empty() { String::new() } else { format!("<Amt Ccy=\"EUR\">{amount}</Amt>") };
    format!("<TxDtls><Refs><EndToEndId>{end_to_end_id}</EndToEndId></Refs>{amount}</TxDtls>")
}

/// An account that had 100.00, these entries, and then this.
pub(super) fn from_100(entries: &str, closing: &str) -> String {
    let (opening, closing) = (balance("OPBD", "100.00", "CRDT"), balance("CLBD", closing, "CRDT"));
    file(&format!("{ACCOUNT}{opening}{closing}\n{entries}"))
}

pub(super) fn read_text(text: &str) -> Result<Vec<Statement>, StatementError> {
    read(text.as_bytes(), &Limits::default())
}

/// The file's one statement.
#[track_caller]
pub(super) fn one(text: &str) -> Statement {
    let mut statements = read_text(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(statements.len(), 1);
    statements.remove(0)
}

#[track_caller]
pub(super) fn refused(text: &str) -> StatementError {
    read_text(text).expect_err(text)
}

#[track_caller]
pub(super) fn problem(text: &str) -> Problem {
    refused(text).problem
}
