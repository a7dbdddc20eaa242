//! The timeline: a payment's history, calls and received events in one order.

use tollgate_domain::PaymentId;
use tollgate_gateway::records::TimelineRow;

use crate::{
    calls,
    error::Result,
    history,
    reading::{Reader, Snapshot},
    received_events,
};

/// Everything that happened to `payment`, in order, as of one moment.
pub(crate) async fn of_payment(snapshot: &Snapshot<'_>, payment: PaymentId) -> Result<Vec<TimelineRow>> {
    let changes = snapshot.rows(history::of_payment(payment));
    let called = snapshot.rows(calls::of_payment(payment));
    let received = received_events::of_payment(snapshot, payment);
    let (changes, called, received) = futures::try_join!(changes, called, received)?;
    let mut rows: Vec<TimelineRow> = calls::read_all(&called)?.into_iter().map(TimelineRow::Call).collect();
    rows.extend(received.into_iter().map(TimelineRow::Event));
    for row in &changes {
        rows.push(TimelineRow::Change(history::read(row)?));
    }
    // Stable: what is equal stays in order of commit.
    rows.sort_by_key(TimelineRow::position);
    Ok(rows)
}
