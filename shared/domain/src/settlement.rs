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
