//! What a statement came to, for people: one line for each exception, and the totals.
//!
//! Must not know: how it is compared.

use std::fmt::Write;

use tollgate_domain::Money;
use tollgate_gateway::reconcile::{Direction, Ours, StatementException, StatementLine};
use tollgate_statements::Statement;

use super::Reconciled;
use crate::table::Table;

/// All of it.
pub(super) fn of(reconciled: &Reconciled) -> String {
    let mut text = statements(&reconciled.statements);
    let report = &reconciled.report;
    if !report.exceptions.is_empty() {
        // Writing to a string does not fail.
        _ = write!(text, "\n{}", exceptions(&report.exceptions));
    }
    let wrong = reconciled.booked - report.matched - report.not_ours;
    _ = writeln!(
        text,
        "\n{} booked: {} matched, {} not ours, {wrong} with exceptions; {} not booked, left out",
        reconciled.booked, report.matched, report.not_ours, reconciled.not_booked
    );
    text
}

fn statements(statements: &[Statement]) -> String {
    let mut table = Table::new(["STATEMENT", "ACCOUNT", "BOOKED", "ENTRIES", "OPENING", "CLOSING"]);
    for statement in statements {
        let days = match statement.booked_days() {
            None => "-".to_owned(),
            Some((first, last)) if first == last => first.to_string(),
            Some((first, last)) => format!("{first} to {last}"),
        };
        table.row(&[
            statement.id.clone(),
            statement.account.to_string(),
            days,
            statement.entries.len().to_string(),
            statement.opening.to_string(),
            statement.closing.to_string(),
        ]);
    }
    table.to_string()
}

fn exceptions(exceptions: &[StatementException]) -> Table {
    let mut table = Table::new(["PAYMENT", "KIND", "THE BANK SAYS", "WE SAY"]);
    for exception in exceptions {
        let payment = exception.payment.map_or_else(|| "-".to_owned(), |id| id.to_string());
        table.row(&[payment, exception.kind.as_str().to_owned(), bank(&exception.bank), ours(&exception.ours)]);
    }
    table
}

fn bank(line: &StatementLine) -> String {
    let amount = line.amount.map_or_else(|| "of an amount that is not said".to_owned(), |amount| amount.to_string());
    let way = match line.direction {
        Direction::In => "credit",
        Direction::Out => "debit",
    };
    let back = if line.gives_back { ", undoing another" } else { "" };
    let day = line.booked_on.map_or_else(String::new, |day| format!(" on {day}"));
    let id = line.end_to_end_id.as_deref().unwrap_or_default();
    format!("line {}: {way} {amount}{day}{back}, {id}", line.line)
}

fn ours(ours: &Ours) -> String {
    match ours {
        Ours::Nothing => "there is none".to_owned(),
        Ours::Elsewhere(provider) => format!("a payment of {}", provider.as_str()),
        Ours::Payment { status, amount, open, is_undone } => {
            let open = open.map_or_else(String::new, |kind| format!(", {} under way", kind.as_str()));
            let undone = if *is_undone { ", a late success was given back" } else { "" };
            format!("payment {} {amount}{open}{undone}", status.as_str())
        }
        Ours::Refund { status, amount } => format!("refund {} {amount}", status.as_str()),
        Ours::Reversal { is_done, amounts } => {
            let state = if *is_done { "done" } else { "not done" };
            let amounts: Vec<_> = amounts.iter().map(Money::to_string).collect();
            format!("reversal {state} {}", amounts.join(", "))
        }
    }
}
