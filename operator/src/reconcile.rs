//! `tollgate reconcile bank-statement`: a statement of the bank held against the store. It only reads, unless its exceptions are to
//! be kept.
//!
//! Must not know: how a statement is written, what agrees with what.

mod body;
mod lines;
mod words;

use std::{
    fs::File,
    io::{BufReader, stdin},
    path::Path,
    process::ExitCode,
};

use anyhow::Context;
use tollgate_gateway::reconcile::{Noted, StatementReport, note_exception};
use tollgate_statements::{Limits, Statement, read};

use crate::{
    audit::{Who, audited},
    open::Operator,
    output::{answer, note},
    progress::Progress,
};

/// The file's name for what is typed in.
const STDIN: &str = "-";
/// There are exceptions.
const EXCEPTIONS: u8 = 1;

/// A file, and what it came to.
struct Reconciled {
    statements: Vec<Statement>,
    /// Movements that were held against us.
    booked: u64,
    /// Movements that are not booked, and were left out.
    not_booked: u64,
    report: StatementReport,
}

/// Holds the file against the store, and tells by its code whether everything agrees.
///
/// `keeper`: who has its exceptions kept, if anybody has.
pub(crate) async fn bank_statement(
    operator: &Operator,
    file: &Path,
    keeper: Option<String>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let statements = statements(file)?;
    let (lines, not_booked) = lines::of(&statements);
    let progress = Progress::of_steps(json);
    progress.doing("holds the statement against our payments");
    let report = operator.statement_check().check(&lines).await.context("the statement could not be compared")?;
    drop(progress);
    if let Some(by) = keeper {
        let who = Who { by, why: None };
        let subject = format!("{} exceptions", report.exceptions.len());
        let kept = keep(operator, &report, &who.by);
        audited(operator, &who, "reconcile bank-statement --record", subject, kept).await?;
    }
    let code = if report.exceptions.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXCEPTIONS) };
    let reconciled = Reconciled { statements, booked: lines.len() as u64, not_booked, report };
    answer(json, &body::ReconciledBody::from(&reconciled), || words::of(&reconciled))?;
    Ok(code)
}

/// Keeps the exceptions of a statement as those of a provider's records are kept.
async fn keep(operator: &Operator, report: &StatementReport, by: &str) -> anyhow::Result<()> {
    let mut opened = 0;
    for exception in &report.exceptions {
        let found = exception.found(operator.now());
        let noted = note_exception(operator.stores.exceptions.as_ref(), &found, by, operator.now());
        opened += u32::from(matches!(operator.ask(noted).await?, Noted::Opened(_)));
    }
    note(&format!("{opened} exceptions were opened"));
    Ok(())
}

fn statements(file: &Path) -> anyhow::Result<Vec<Statement>> {
    let limits = Limits::default();
    if file.as_os_str() == STDIN {
        return read(stdin().lock(), &limits).context("standard input");
    }
    let opened = File::open(file).with_context(|| format!("{} cannot be opened", file.display()))?;
    read(BufReader::new(opened), &limits).with_context(|| file.display().to_string())
}
