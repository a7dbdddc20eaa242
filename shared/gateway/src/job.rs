//! What every job is told and what it tells: how long it may work, and what it saw, did and could not do.

use std::{collections::BTreeMap, time::Duration};

use tollgate_domain::Timestamp;

use crate::{Error, Gateway, ports::audit::JobState, reconcile, settle};

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

/// How long the end of a job may wait for the store.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// The jobs whose last success the store keeps. (Deliveries' runs all the while.)
const KEPT: [&str; 6] = [
    reconcile::STUCK_PAYMENTS,
    reconcile::PROVIDER_TRUTH,
    reconcile::PROVIDER_RECORDS,
    reconcile::PROVIDER_RECORDS_DAY,
    reconcile::INVARIANTS,
    settle::JOB,
];

impl Gateway {
    /// Says that a job ran to its end, and where its next run goes on.
    pub(crate) async fn job_succeeded(&self, job: &'static str, cursor: Option<String>) -> Result<(), Error> {
        let now = self.now();
        let state = JobState { cursor, last_success_at: Some(now) };
        // Whoever called the job does not wait for much longer.
        let until = self.ports.time.monotonic() + ENDS_WITHIN;
        self.asked_patiently(until, || self.ports.stores.audit.put_job(job, &state)).await?;
        show_success(job, now);
        Ok(())
    }

    /// Shows what jobs of earlier processes left: when each last ran to its end, and what they found. To be called at start,
    /// so that an alert neither fires nor falls silent because a process is new.
    pub async fn show_earlier_runs(&self) -> Result<(), Error> {
        for job in KEPT {
            let kept = self.ports.stores.audit.job(job);
            let kept = self.within_store_time(self.settings.store_timeout, kept).await?;
            if let Some(at) = kept.last_success_at {
                show_success(job, at);
            }
        }
        self.show_reviews().await?;
        self.show_exceptions().await?;
        self.show_violations().await
    }
}

/// Shows when a job last ran to its end: what its alert counts from.
pub(crate) fn show_success(job: &'static str, at: Timestamp) {
    #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 are far below what a double holds exactly")]
    metrics::gauge!("job_last_success_timestamp_seconds", "job" => job).set(at.as_second() as f64);
}
