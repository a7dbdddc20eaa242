//! The sandbox's jobs: each with its times, run by the clock, by the mover of a simulated clock, or by hand.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tollgate_api::JobReportBody;
use tollgate_gateway::{Context, Gateway, JobReport, JobRun, SETTLEMENT_JOB, reconcile};
use tollgate_runtime::{Cadence, ScheduledJob};

/// A job that the sandbox runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Says what is due to be delivered.
    Deliveries,
    /// Finds out what became of payments that wait for something.
    StuckPayments,
    /// Compares payments with the providers' own truth.
    ProviderTruth,
    /// Compares providers' own records of what moved.
    ProviderRecords,
    /// The same, of whole days.
    ProviderRecordsDay,
    /// Settles what was captured.
    Settlement,
    /// Checks that the books add up.
    Invariants,
}

impl Job {
    /// Every job, in the order in which they run where several are due at the same time.
    pub(crate) const ALL: [Self; 7] = [
        Self::Deliveries,
        Self::StuckPayments,
        Self::ProviderTruth,
        Self::ProviderRecords,
        Self::ProviderRecordsDay,
        Self::Settlement,
        Self::Invariants,
    ];

    /// The name in `/sandbox/jobs/{name}` and `/jobs/{name}`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Deliveries => tollgate_webhook_delivery::JOB,
            Self::StuckPayments => reconcile::STUCK_PAYMENTS,
            Self::ProviderTruth => reconcile::PROVIDER_TRUTH,
            Self::ProviderRecords => reconcile::PROVIDER_RECORDS,
            Self::ProviderRecordsDay => reconcile::PROVIDER_RECORDS_DAY,
            Self::Settlement => SETTLEMENT_JOB,
            Self::Invariants => reconcile::INVARIANTS,
        }
    }

    /// When it runs (contract).
    pub(crate) const fn cadence(self) -> Cadence {
        match self {
            Self::Deliveries => Cadence::EverySeconds(60),
            Self::StuckPayments => tollgate_reconciliation::STUCK_PAYMENTS_CADENCE,
            Self::ProviderTruth | Self::ProviderRecords | Self::Invariants => tollgate_reconciliation::HOURLY,
            Self::ProviderRecordsDay => tollgate_reconciliation::RECORDS_DAY_CADENCE,
            Self::Settlement => tollgate_settlement::CADENCE,
        }
    }

    /// Runs it now. `by_hand`: it also looks at what is not due yet, where that makes sense.
    pub(crate) async fn run(self, gateway: &Gateway, by_hand: bool) -> anyhow::Result<Value> {
        let budget = match self {
            // It looks once: what becomes due later it is told of, or finds in its next run.
            Self::Deliveries => Duration::ZERO,
            Self::StuckPayments
            | Self::ProviderTruth
            | Self::ProviderRecords
            | Self::ProviderRecordsDay
            | Self::Invariants => tollgate_reconciliation::BUDGET,
            Self::Settlement => tollgate_settlement::BUDGET,
        };
        let run = JobRun { budget, everything: by_hand };
        let context = Context { correlation_id: format!("sandbox-job-{}", self.as_str()) };
        let report: JobReport = match self {
            Self::Deliveries => gateway.dispatch_deliveries(run).await?,
            Self::StuckPayments => gateway.stuck_payments(run, context).await?,
            Self::ProviderTruth => gateway.provider_truth(run, context).await?,
            Self::ProviderRecords => gateway.provider_records(run, context).await?,
            Self::ProviderRecordsDay => gateway.provider_records_day(run, context).await?,
            Self::Invariants => gateway.invariants(run, context).await?,
            Self::Settlement => gateway.run_settlement(run, context).await?.0,
        };
        serde_json::to_value(JobReportBody::of(self.as_str(), report)).context("a report is JSON")
    }

    /// The job by the real clock.
    pub(crate) fn scheduled(self, gateway: &Gateway) -> ScheduledJob {
        if self == Self::Deliveries {
            // Production's works for nearly all of its minute; here it looks once, every second.
            return tollgate_webhook_delivery::scheduled(gateway);
        }
        let gateway = gateway.clone();
        ScheduledJob::new(self.as_str(), self.cadence(), move || {
            let gateway = gateway.clone();
            async move {
                if let Err(error) = self.run(&gateway, false).await {
                    tracing::warn!(job = self.as_str(), error = format!("{error:#}"), "a job failed; it runs again");
                }
            }
        })
    }
}
