//! What a change set writes: its guards are inserts that fail where somebody was first (rule 13). And what that counts for:
//! a commit may carry so many mutations and no more.

use std::collections::BTreeSet;

use tollgate_domain::{ChangeId, KeyHash};
use tollgate_gateway::records::{ChangeSet, PaymentChange};

use crate::{
    calls, deliveries, events, history, idempotency, operations, payments, postings, received_events, references,
    refunds,
    rows::{Counted, Kind},
};

/// The most that one commit may carry, by our count (contract: 40,000; Spanner itself allows more).
pub const MUTATIONS_AT_MOST: usize = 40_000;

/// How many change sets a settlement's chunk may carry here: with their lines and totals they stay below that.
pub const SETTLEMENT_CHUNK: u32 = 200;

/// What of a set is there already, as its own earlier self or another set left it: it is not written again.
#[derive(Debug, Default)]
pub(crate) struct Omitted {
    /// The reference belongs to this payment already.
    pub(crate) reference: bool,
    /// These audit rows are written.
    pub(crate) calls: BTreeSet<ChangeId>,
    /// These keys are forgotten by now: nothing to release.
    pub(crate) released_keys: BTreeSet<KeyHash>,
}

/// The mutations of `set`. A payment comes before what is interleaved in it.
pub(crate) fn writes(set: &ChangeSet, omitted: &Omitted) -> Vec<Counted> {
    let mut writes = Vec::new();
    if let Some(change) = &set.payment {
        writes.push(payments::write(&change.payment));
        writes.push(history::insert(change.payment.id, set.change_id, &change.history));
        write_change(&mut writes, change);
    }
    writes.extend(set.new_key.as_ref().map(idempotency::insert));
    let released = set.released_keys.iter().filter(|(key, _)| !omitted.released_keys.contains(key));
    writes.extend(released.map(|(key, until)| idempotency::release(*key, *until)));
    writes.extend(set.received.as_ref().map(|event| received_events::insert(set.change_id, event)));
    writes.extend(set.reference.as_ref().filter(|_| !omitted.reference).map(references::insert));
    let mut seen = omitted.calls.clone();
    let new_calls = (1..).zip(&set.calls).filter(|(_, call)| seen.insert(call.id));
    writes.extend(new_calls.map(|(place, call)| calls::insert(place, call)));
    writes
}

fn write_change(writes: &mut Vec<Counted>, change: &PaymentChange) {
    let payment = change.payment.id;
    writes.extend(change.operations.iter().map(|operation| operations::upsert(payment, operation)));
    writes.extend(change.refund.as_ref().map(refunds::upsert));
    for event in &change.events {
        writes.push(events::insert(event));
        writes.push(deliveries::insert(event));
    }
    writes.extend(postings::insert(payment, change.history.version, &change.postings));
}

/// How many mutations `set` counts for.
pub fn mutations_of(set: &ChangeSet) -> usize {
    weight(&writes(set, &Omitted::default()))
}

/// How many mutations these count for.
pub(crate) fn weight(writes: &[Counted]) -> usize {
    writes.iter().map(|write| write.weight).sum()
}

/// An index, with what writes to it.
#[derive(Debug, Clone, Copy)]
pub struct Index {
    /// The table.
    pub table: &'static str,
    /// The index.
    pub name: &'static str,
    /// How many columns it states: those of its key and those stored with it.
    pub cells: usize,
    /// Writing one of these columns writes an entry.
    pub follows: &'static [&'static str],
}

/// All indexes of the schema: a test holds them against the database.
pub const INDEXES: &[Index] = &[
    index("payments", "payments_by_merchant", 4, &["merchant_id", "shard", "created_at"]),
    index("payments", "payments_by_reference", 3, &["reference_hash", "created_at"]),
    index("payments", "payments_due", 4, &["shard", "due_at", "status"]),
    index("payments", "payments_truth", 3, &["shard", "truth_at"]),
    index("payments", "payments_to_settle", 3, &["shard", "status", "captured_at"]),
    index("payments", "payments_in_review", 2, &["shard", "review_since"]),
    index("payments", "payments_by_capture", 4, &["shard", "provider", "captured_at"]),
    index("refunds", "refunds_by_id", 1, &["refund_id"]),
    index("refunds", "refunds_to_settle", 3, &["shard", "to_settle_at", "refund_id"]),
    index("refunds", "refunds_by_time", 3, &["shard", "created_at", "refund_id"]),
    index("events", "events_by_id", 1, &["event_id"]),
    index("events", "events_by_merchant", 5, &["merchant_id", "feed_shard", "committed_at"]),
    index("deliveries", "deliveries_due", 2, &["shard", "next_attempt_at"]),
    index("deliveries", "deliveries_by_time", 6, &["shard", "created_at", "merchant_id", "status"]),
    index("deliveries", "deliveries_waiting", 1, &["merchant_id", "waits_for_endpoint"]),
    index("provider_events", "provider_events_by_payment", 1, &["payment_id"]),
    index("api_keys", "api_keys_by_merchant", 1, &["merchant_id"]),
    index("settlements", "settlements_by_date", 1, &["date"]),
    index("settlements", "settlements_by_previous", 1, &["previous_id"]),
    index("settlements", "settlements_by_status", 2, &["status", "date"]),
    index("settlement_totals", "settlement_totals_by_chunk", 2, &["settlement_id", "chunk"]),
    index("invariant_violations", "invariant_violations_by_invariant", 1, &["invariant"]),
    index("operator_acts", "operator_acts_by_time", 2, &["acted_at"]),
    index("reconciliation_exceptions", "reconciliation_exceptions_by_time", 2, &["first_seen"]),
    index("reconciliation_exceptions", "reconciliation_exceptions_open", 3, &["first_seen", "resolved_at"]),
];

const fn index(table: &'static str, name: &'static str, cells: usize, follows: &'static [&'static str]) -> Index {
    Index { table, name, cells, follows }
}

/// What the indexes add to a mutation of these columns: the new entry, and where there may be one, the old one.
pub(crate) fn index_entries(table: &str, kind: Kind, columns: &[&str]) -> usize {
    let written = INDEXES.iter().filter(|index| index.table == table);
    let written = written.filter(|index| index.follows.iter().any(|column| columns.contains(column)));
    let entries: usize = written.map(|index| index.cells).sum();
    if kind == Kind::Insert { entries } else { 2 * entries }
}
