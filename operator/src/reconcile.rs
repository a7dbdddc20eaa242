//! `tollgate reconcile bank-statement`: a statement of the bank held against the store. It only reads.
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
use tollgate_gateway::reconcile::StatementReport;
use tollgate_statements::{Limits, Statement, read};

use crate::{open::Operator, output::answer};

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
pub(crate) async fn bank_statement(operator: &Operator, file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let statements = statements(file)?;
    let (lines, not_booked) = lines::of(&statements);
    let report = operator.statement_check().check(&lines).await.context("the statement could not be compared")?;
    let code = if report.exceptions.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXCEPTIONS) };
    let reconciled = Reconciled { statements, booked: lines.len() as u64, not_booked, report };
    answer(json, &body::ReconciledBody::from(&reconciled), || words::of(&reconciled))?;
    Ok(code)
}

fn statements(file: &Path) -> anyhow::Result<Vec<Statement>> {
    let limits = Limits::default();
    if file.as_os_str() == STDIN {
        return read(stdin().lock(), &limits).context("standard input");
    }
    let opened = File::open(file).with_context(|| format!("{} cannot be opened", file.display()))?;
    read(BufReader::new(opened), &limits).with_context(|| file.display().to_string())
}
