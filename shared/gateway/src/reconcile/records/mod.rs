//! The jobs that hold providers' own records of what moved against the ledger and the store, both ways: every record is matched, and
//! every movement of ours is looked for among them. What does not agree is an exception, which somebody owns or which resolves itself.
//!
//! Nothing here moves money or changes a payment. What follows from a provider's word is adopted by the other jobs.
//!
//! Must not know: a provider's wire format.

mod acts;
mod compare;
mod missing;
mod noted;
mod ours;
mod place;
mod subject;
mod walk;

use std::{sync::Arc, time::Duration};

use tollgate_domain::{ExceptionKind, ProviderName, Timestamp};

use super::stuck_payments::gauge;
use crate::{Context, Error, Gateway, JobReport, JobRun, ports::Provider};
pub use acts::{ExceptionAct, Noted, act_on_exception, note_exception};
pub use noted::exception_id;
use place::Spell;

/// The name of the hourly job: on from where it was, up to what providers can be relied on to show.
pub const PROVIDER_RECORDS: &str = "provider-records";
/// The name of the daily one: a whole day (UTC) again, with what came late.
pub const PROVIDER_RECORDS_DAY: &str = "provider-records-day";

/// One run, as all of its parts see it.
#[derive(Debug, Clone, Copy)]
struct Round {
    provider: ProviderName,
    spell: Spell,
    /// The business time at its start.
    now: Timestamp,
    /// Past this, real time, nothing is begun any more.
    until: Duration,
    /// By hand: it does not wait for what may still come.
    everything: bool,
}

impl Round {
    fn job(&self) -> &'static str {
        self.spell.job()
    }
}

impl Gateway {
    /// Runs the hourly job once. `everything`: up to now, whatever may still be on its way.
    pub async fn provider_records(&self, run: JobRun, context: Context) -> Result<JobReport, Error> {
        self.run_records(Spell::Hours, run, context).await
    }

    /// Runs the daily job once.
    pub async fn provider_records_day(&self, run: JobRun, context: Context) -> Result<JobReport, Error> {
        self.run_records(Spell::Day, run, context).await
    }

    async fn run_records(&self, spell: Spell, run: JobRun, context: Context) -> Result<JobReport, Error> {
        let gateway = self.clone();
        tracing::debug!(correlation_id = context.correlation_id, job = spell.job(), "providers' records are compared");
        self.run(async move {
            let (now, until) = (gateway.now(), gateway.ports.time.monotonic().saturating_add(run.budget));
            let (mut report, mut failed) = (JobReport::default(), false);
            for provider in gateway.ports.providers.clone() {
                if provider.records().is_none() {
                    continue;
                }
                let round = Round { provider: provider.name(), spell, now, until, everything: run.everything };
                failed |= !gateway.walk_records(provider, round, &mut report).await?;
                gateway.look_again(round, &mut report).await?;
            }
            gateway.show_exceptions().await?;
            // Whoever could not be asked for hours is what `job-late` is for.
            if !failed {
                gateway.job_succeeded(spell.job(), None).await?;
            }
            Ok(report)
        })
        .await
    }

    /// Walks on from where the run before came to. `false`: the provider's records could not be read to where they should.
    async fn walk_records(
        &self,
        provider: Arc<dyn Provider>,
        round: Round,
        report: &mut JobReport,
    ) -> Result<bool, Error> {
        let walked = Box::pin(self.walk(provider, round, report)).await;
        match walked {
            Ok(()) => Ok(true),
            Err(walk::Stopped::Store(error)) => Err(error),
            Err(walk::Stopped::Provider { why, reason }) => {
                tracing::warn!(provider = %round.provider, job = round.job(), reason, event = "reconciliation_failed",
                    "a provider's own records could not be read");
                report.could_not(why);
                Ok(false)
            }
        }
    }

    /// Shows how many exceptions of each kind are open, and how old the oldest is.
    pub(crate) async fn show_exceptions(&self) -> Result<(), Error> {
        let open = self.ports.stores.exceptions.open_exceptions();
        let open = self.within_store_time(self.settings.store_timeout, open).await?;
        let now = self.now();
        for kind in ExceptionKind::ALL {
            let of_kind = open.iter().find(|open| open.kind == kind);
            let age = of_kind
                .map_or(Duration::ZERO, |open| Duration::try_from(now.duration_since(open.oldest)).unwrap_or_default());
            let kind = kind.as_str();
            metrics::gauge!("reconciliation_exceptions_open", "kind" => kind)
                .set(gauge(of_kind.map_or(0, |open| open.count)));
            metrics::gauge!("reconciliation_exceptions_oldest_age_seconds", "kind" => kind).set(age.as_secs_f64());
        }
        Ok(())
    }
}
