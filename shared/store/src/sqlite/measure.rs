//! The store's metrics, and the counts that tests read.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tollgate_gateway::{SPAN_TARGET, records::Committed};
use tracing::Span;

/// How often a store was used since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Change sets that were to be committed, whatever came of them.
    pub commits: u64,
    /// Reads.
    pub reads: u64,
    /// Transactions: fewer than commits where several were committed together.
    pub transactions: u64,
}

/// The counts as they grow.
#[derive(Debug, Default)]
pub(super) struct Counters {
    commits: AtomicU64,
    reads: AtomicU64,
}

impl Counters {
    pub(super) fn commit(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn now(&self, transactions: u64) -> Counts {
        Counts {
            commits: self.commits.load(Ordering::Relaxed),
            reads: self.reads.load(Ordering::Relaxed),
            transactions,
        }
    }
}

/// How long a caller waited for `operation`.
pub(super) fn operation(operation: &'static str, took: Duration) {
    metrics::histogram!("store_operation_duration_seconds", "operation" => operation).record(took);
}

/// The span that a caller waits in for `operation`.
pub(super) fn span(operation: &'static str) -> Span {
    tracing::info_span!(
        target: SPAN_TARGET,
        "store",
        otel.kind = "client",
        otel.name = format_args!("store {operation}"),
        system = "sqlite",
        operation,
    )
}

/// How long the writer spent on one transaction of `works` works.
pub(super) fn transaction(took: Duration, works: usize) {
    operation("transaction", took);
    // A batch is far below what a double holds exactly.
    #[allow(clippy::cast_precision_loss, reason = "a batch has hundreds of works at most")]
    metrics::histogram!("store_transaction_size").record(works as f64);
}

/// Counts a lost race.
pub(super) fn committed(committed: Committed) {
    if matches!(committed, Committed::Conflict(_)) {
        metrics::counter!("store_conflicts_total").increment(1);
    }
}
