//! The store's metrics, and the counts that tests read.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tollgate_gateway::{SPAN_TARGET, records::Committed};
use tracing::Span;

/// How often a store was used since it was made. What it sent again because an answer was lost is counted again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commits of one round trip, without a read before them.
    pub commits: u64,
    /// Transactions that read before they commit: two round trips each.
    pub transactions: u64,
    /// Reads outside of transactions.
    pub reads: u64,
}

/// The counts as they grow.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    commits: AtomicU64,
    transactions: AtomicU64,
    reads: AtomicU64,
}

impl Counters {
    pub(crate) fn commit(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn transaction(&self) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Counts {
        Counts {
            commits: self.commits.load(Ordering::Relaxed),
            transactions: self.transactions.load(Ordering::Relaxed),
            reads: self.reads.load(Ordering::Relaxed),
        }
    }
}

/// How long a caller waited for `operation`.
pub(crate) fn operation(operation: &'static str, took: Duration) {
    metrics::histogram!("store_operation_duration_seconds", "operation" => operation).record(took);
}

/// The span that a caller waits in for `operation`.
pub(crate) fn span(operation: &'static str) -> Span {
    tracing::info_span!(
        target: SPAN_TARGET,
        "store",
        otel.kind = "client",
        otel.name = format_args!("store {operation}"),
        system = "spanner",
        operation,
    )
}

/// Counts a lost race.
pub(crate) fn committed(committed: Committed) {
    if matches!(committed, Committed::Conflict(_)) {
        metrics::counter!("store_conflicts_total").increment(1);
    }
}

/// How many sessions are taken right now.
pub(crate) fn sessions(in_use: usize) {
    // Far below what a double holds exactly.
    #[allow(clippy::cast_precision_loss, reason = "a pool has dozens of sessions at most")]
    metrics::gauge!("store_sessions_in_use").set(in_use as f64);
}
