//! The timeline: a payment's history, calls and received events in one order.

use rusqlite::{Connection, Result};
use tollgate_domain::PaymentId;
use tollgate_gateway::records::TimelineRow;

use super::{calls, history, received_events};

/// Everything that happened to `payment`, in order. All three tables are read in one transaction.
pub(super) fn of_payment(connection: &Connection, payment: PaymentId) -> Result<Vec<TimelineRow>> {
    let snapshot = connection.unchecked_transaction()?;
    let mut rows: Vec<TimelineRow> =
        calls::of_payment(&snapshot, payment)?.into_iter().map(TimelineRow::Call).collect();
    rows.extend(received_events::of_payment(&snapshot, payment)?.into_iter().map(TimelineRow::Event));
    rows.extend(history::of_payment(&snapshot, payment)?.into_iter().map(TimelineRow::Change));
    snapshot.commit()?;
    // Stable: what is equal stays in order of commit.
    rows.sort_by_key(TimelineRow::position);
    Ok(rows)
}
