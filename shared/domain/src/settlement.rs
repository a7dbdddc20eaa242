//! A settlement: all that was captured before one cut-off, 02:00 in Tokyo, less our fee and the refunds.
//!
//! It is a ledger of its own beside the postings: lines per merchant, which the postings of the same changes must agree with
//! (rule 22). Must not know: chunks, or how a run goes on after a crash.

use crate::{Currency, SettlementId, Timestamp};

mod day;
mod fee;
mod line;
mod totals;

pub use day::SettlementDay;
pub use fee::fee;
pub use line::{Line, LineKind};
pub use totals::{LedgerSums, Totals, TotalsByCurrency};

/// How a settlement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SettlementStatus {
    /// Being made, or cut off and waiting for the next run to go on.
    Running,
    /// Everything is in it, and the ledger agrees.
    Completed,
    /// Everything is in it, and the ledger does not agree: a person has to look.
    Failed,
}

impl SettlementStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Running, Self::Completed, Self::Failed];

    /// The name in bodies and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

/// One settlement: there is one per date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Its id.
    pub id: SettlementId,
    /// Its date in Tokyo, and what was captured before when.
    pub day: SettlementDay,
    /// The one before it: whoever owed us after that one still does. `None`: it is the first.
    pub previous: Option<SettlementId>,
    /// Into how many shards it is split, each settled by itself; 0: into none. Said once, when it begins.
    pub shards: u32,
    /// How it stands.
    pub status: SettlementStatus,
    /// When its first run began.
    pub started_at: Timestamp,
    /// When it was completed or failed.
    pub ended_at: Option<Timestamp>,
    /// How often a run found it unfinished and went on.
    pub resumed: u32,
    /// What is in it; known when it has ended.
    pub counts: SettlementCounts,
    /// What it comes to, per currency; known when it has ended.
    pub totals: Vec<Totals>,
    /// Why it failed.
    pub failure: Option<String>,
    /// One more with every change of this record: of two changes at once, one happens.
    pub revision: u64,
}

impl Settlement {
    /// Begins the settlement of `day`.
    pub fn open(id: SettlementId, day: SettlementDay, previous: Option<SettlementId>, now: Timestamp) -> Self {
        Self {
            id,
            day,
            previous,
            shards: 0,
            status: SettlementStatus::Running,
            started_at: now,
            ended_at: None,
            resumed: 0,
            counts: SettlementCounts::default(),
            totals: Vec::new(),
            failure: None,
            revision: 1,
        }
    }

    /// The same, split into so many shards.
    #[must_use]
    pub fn in_shards(self, shards: u32) -> Self {
        Self { shards, ..self }
    }

    /// A run found it unfinished, and goes on.
    #[must_use]
    pub fn resumed(&self) -> Self {
        Self { resumed: self.resumed.saturating_add(1), revision: self.revision + 1, ..self.clone() }
    }

    /// Everything is in it. `failure`: the ledger does not agree, and how.
    #[must_use]
    pub fn ended(
        &self,
        counts: SettlementCounts,
        totals: Vec<Totals>,
        failure: Option<String>,
        now: Timestamp,
    ) -> Self {
        let status = if failure.is_none() { SettlementStatus::Completed } else { SettlementStatus::Failed };
        let (ended_at, revision) = (Some(now), self.revision + 1);
        Self { status, ended_at, counts, totals, failure, revision, ..self.clone() }
    }
}

/// How much of what is in a settlement, or in one chunk of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SettlementCounts {
    /// Payments.
    pub payments: u64,
    /// Refunds taken off.
    pub refunds: u64,
    /// Refunds given back, because they came back after they had been taken off.
    pub refunds_returned: u64,
    /// What merchants owed us after the settlement before.
    pub carried_over: u64,
    /// Payments that could not be settled, and say why.
    pub set_aside: u64,
    /// Payments and refunds that changed while they were settled: they join the next settlement.
    pub dropped: u64,
}

impl SettlementCounts {
    /// Counts a line.
    pub fn count(&mut self, kind: LineKind) {
        *match kind {
            LineKind::Payment => &mut self.payments,
            LineKind::Refund => &mut self.refunds,
            LineKind::RefundReturned => &mut self.refunds_returned,
            LineKind::CarriedOver => &mut self.carried_over,
        } += 1;
    }

    /// Adds another chunk's.
    pub fn add(&mut self, other: &Self) {
        self.payments += other.payments;
        self.refunds += other.refunds;
        self.refunds_returned += other.refunds_returned;
        self.carried_over += other.carried_over;
        self.set_aside += other.set_aside;
        self.dropped += other.dropped;
    }
}

/// An amount that may be owed either way, in minor units: above zero to the merchant, below zero to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Minor units.
    pub minor: i64,
    /// Of what.
    pub currency: Currency,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

    fn opened() -> Settlement {
        Settlement::open(SettlementId::from_random([1; 16]), SettlementDay::of(NOW), None, NOW)
    }

    #[test]
    fn each_kind_of_line_is_counted_as_itself_and_kept_by_its_name() {
        let mut counts = SettlementCounts::default();
        let kinds = [LineKind::Payment, LineKind::Refund, LineKind::RefundReturned, LineKind::CarriedOver];
        assert_eq!(kinds.map(LineKind::as_str), ["payment", "refund", "refund_returned", "carried_over"]);
        for (times, kind) in (1..).zip(kinds) {
            (0..times).for_each(|_| counts.count(kind));
        }
        let expected =
            SettlementCounts { payments: 1, refunds: 2, refunds_returned: 3, carried_over: 4, ..Default::default() };
        assert_eq!(counts, expected);
    }

    #[test]
    fn the_counts_of_chunks_add_up_each_with_its_own() {
        let one = |base: u64| SettlementCounts {
            payments: base + 1,
            refunds: base + 2,
            refunds_returned: base + 3,
            carried_over: base + 4,
            set_aside: base + 5,
            dropped: base + 6,
        };
        let mut sum = one(10);
        sum.add(&one(100));
        let expected = SettlementCounts {
            payments: 112,
            refunds: 114,
            refunds_returned: 116,
            carried_over: 118,
            set_aside: 120,
            dropped: 122,
        };
        assert_eq!(sum, expected);
    }

    #[test]
    fn a_settlement_is_taken_up_and_ended_revision_by_revision() {
        let first = opened();
        assert_eq!((first.revision, first.resumed, first.status, first.shards), (1, 0, SettlementStatus::Running, 0));
        assert_eq!(first.clone().in_shards(64), Settlement { shards: 64, ..first.clone() });
        let resumed = first.resumed();
        assert_eq!((resumed.revision, resumed.resumed), (2, 1));
        assert_eq!(Settlement { revision: 1, resumed: 0, ..resumed.clone() }, first, "and nothing else changes");
        let (counts, later) = (SettlementCounts { payments: 3, ..Default::default() }, NOW + Duration::from_secs(60));
        let totals = vec![Totals::none("JPY".parse().unwrap())];
        let completed = resumed.ended(counts, totals.clone(), None, later);
        assert_eq!(completed.totals, totals);
        assert_eq!((completed.status, completed.ended_at), (SettlementStatus::Completed, Some(later)));
        assert_eq!((completed.revision, completed.counts, completed.started_at), (3, counts, NOW));
        let failed = resumed.ended(counts, Vec::new(), Some("chunk 3".to_owned()), later);
        assert_eq!((failed.status, failed.failure.as_deref()), (SettlementStatus::Failed, Some("chunk 3")));
    }
}
