//! What every job is told and what it tells: how long it may work, and what it saw, did and could not do.

use std::{collections::BTreeMap, time::Duration};

use tollgate_domain::Timestamp;

/// One run of a job.
#[derive(Debug, Clone, Copy)]
pub struct JobRun {
    /// How long it may work, real time; what is left then is left to the next run.
    pub budget: Duration,
    /// Whether also to look at what is not due yet: for a run by hand.
    pub everything: bool,
}

impl JobRun {
    /// A run that looks at what is due.
    pub const fn scheduled(budget: Duration) -> Self {
        Self { budget, everything: false }
    }
}

/// What a run came to. Counts by kind; the kinds are few, fixed, and labels of metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobReport {
    /// How much it looked at.
    pub saw: u64,
    /// What it did.
    pub did: BTreeMap<&'static str, u64>,
    /// What it could not do, and why.
    pub could_not: BTreeMap<&'static str, u64>,
    /// Its time was over before it had looked at everything.
    pub more: bool,
}

impl JobReport {
    /// Adds what another part of the run came to.
    pub(crate) fn add(&mut self, part: Self) {
        self.saw += part.saw;
        self.more |= part.more;
        for (all, part) in [(&mut self.did, part.did), (&mut self.could_not, part.could_not)] {
            for (kind, count) in part {
                *all.entry(kind).or_default() += count;
            }
        }
    }

    /// Counts something that was done.
    pub fn did(&mut self, what: &'static str) {
        *self.did.entry(what).or_default() += 1;
    }

    /// Counts something that could not be done.
    pub fn could_not(&mut self, why: &'static str) {
        *self.could_not.entry(why).or_default() += 1;
    }
}

/// Shows when a job last ran to its end: what its alert counts from.
pub(crate) fn show_success(job: &'static str, at: Timestamp) {
    #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 are far below what a double holds exactly")]
    metrics::gauge!("job_last_success_timestamp_seconds", "job" => job).set(at.as_second() as f64);
}
