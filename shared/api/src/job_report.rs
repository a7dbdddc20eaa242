//! What a job answers: what it saw, did and could not do.

use std::collections::BTreeMap;

use serde::Serialize;
use tollgate_gateway::JobReport;

/// The answer of `/jobs/*` and of the sandbox's jobs.
#[derive(Debug, Clone, Serialize)]
pub struct JobReportBody {
    /// Which job.
    pub job: &'static str,
    /// How much it looked at.
    pub saw: u64,
    /// What it did, by kind.
    pub did: BTreeMap<&'static str, u64>,
    /// What it could not do, by reason.
    pub could_not: BTreeMap<&'static str, u64>,
    /// Its time was over before it had looked at everything: the next run goes on.
    pub more: bool,
}

impl JobReportBody {
    /// The answer of `job`.
    pub fn of(job: &'static str, report: JobReport) -> Self {
        let JobReport { saw, did, could_not, more } = report;
        Self { job, saw, did, could_not, more }
    }
}
