//! From what the bank wrote to what is compared: every booked movement, of every statement in the file.

use tollgate_gateway::reconcile::{Direction, StatementLine};
use tollgate_statements::{Side, Statement, Status};

/// The movements that are booked, and how many are not.
pub(super) fn of(statements: &[Statement]) -> (Vec<StatementLine>, u64) {
    let (mut lines, mut not_booked) = (Vec::new(), 0);
    for statement in statements {
        for entry in &statement.entries {
            if entry.status != Status::Booked {
                not_booked += entry.transactions.len() as u64;
                continue;
            }
            lines.extend(entry.transactions.iter().map(|one| StatementLine {
                line: one.line,
                end_to_end_id: one.end_to_end_id.clone(),
                amount: one.amount,
                currency: statement.currency,
                direction: match one.side {
                    Side::Credit => Direction::In,
                    Side::Debit => Direction::Out,
                },
                gives_back: entry.reversal || one.returned,
                booked_on: entry.booked_on,
            }));
        }
    }
    (lines, not_booked)
}
