//! The hourly job that checks the books: every payment with all that is kept with it, by id, a page at a time, going on
//! where the last run stopped. What it finds stays found until that payment is looked at again.

use std::time::Duration;

use tollgate_domain::{
    PaymentId,
    audit::{Books, Invariant},
};

use super::stuck_payments::gauge;
use crate::{Context, Error, Gateway, JobReport, JobRun};

/// The job's name.
pub const INVARIANTS: &str = "invariants";
/// Payments that one read brings: what is held in memory, and how long one snapshot is kept open.
const PAGE: u32 = 100;
/// Expired rows that one commit deletes: no payment waits long behind it.
const DELETED_AT_ONCE: u32 = 500;
/// How long it deletes after the books are checked: within what a run's deadline has beside its budget.
const TIDIES_FOR: Duration = Duration::from_secs(10);

impl Gateway {
    /// Runs the job once. `everything`: from the first payment on.
    pub async fn invariants(&self, run: JobRun, context: Context) -> Result<JobReport, Error> {
        let gateway = self.clone();
        tracing::debug!(correlation_id = context.correlation_id, "the books are checked");
        self.run(async move {
            let mut report = gateway.check_books(run).await?;
            gateway.tidy_up(&mut report).await?;
            gateway.show_violations().await?;
            Ok(report)
        })
        .await
    }

    async fn check_books(&self, run: JobRun) -> Result<JobReport, Error> {
        let audit = &self.ports.stores.audit;
        let until = self.ports.time.monotonic().saturating_add(run.budget);
        let state = self.asked_patiently(until, || audit.job(INVARIANTS)).await?;
        let cursor = state.cursor.filter(|_| !run.everything);
        let mut after: Option<PaymentId> = cursor.and_then(|cursor| cursor.parse().ok());
        let mut report = JobReport::default();
        loop {
            let page = self.asked_patiently(until, || audit.books(after, PAGE)).await?;
            let is_last = page.len() < PAGE as usize;
            if let Some((upto, _)) = page.last() {
                let upto = *upto;
                let found = check(&page, &mut report);
                self.asked_patiently(until, || audit.keep_violations(after, upto, &found)).await?;
                after = Some(upto);
            }
            if is_last {
                after = None;
                break;
            }
            if self.ports.time.monotonic() >= until {
                report.more = true;
                break;
            }
        }
        self.job_succeeded(INVARIANTS, after.map(|id| id.to_string())).await?;
        Ok(report)
    }

    /// Deletes what has expired. What it has no time for is left to the next run.
    async fn tidy_up(&self, report: &mut JobReport) -> Result<(), Error> {
        let until = self.ports.time.monotonic().saturating_add(TIDIES_FOR);
        loop {
            let delete = self.ports.stores.upkeep.delete_expired(self.now(), DELETED_AT_ONCE);
            let deleted = self.within_store_time(self.settings.store_timeout, delete).await?;
            if deleted > 0 {
                *report.did.entry("expired_deleted").or_default() += u64::from(deleted);
            }
            if deleted < DELETED_AT_ONCE || self.ports.time.monotonic() >= until {
                return Ok(());
            }
        }
    }

    /// Shows how many payments violate each invariant, those of earlier runs included.
    pub(crate) async fn show_violations(&self) -> Result<(), Error> {
        let violations = self.ports.stores.audit.violations();
        let violations = self.within_store_time(self.settings.store_timeout, violations).await?;
        for invariant in Invariant::ALL {
            let found = violations.iter().find(|(of, _)| *of == invariant);
            let count = found.map_or(0, |(_, count)| *count);
            metrics::gauge!("money_invariant_violations", "invariant" => invariant.as_str()).set(gauge(count));
        }
        Ok(())
    }
}

/// What does not hold, each said to on-call.
fn check(page: &[(PaymentId, Option<Books>)], report: &mut JobReport) -> Vec<(PaymentId, Invariant)> {
    let mut found = Vec::new();
    for (payment, books) in page {
        report.saw += 1;
        let violated = violated(books.as_ref());
        if violated.is_empty() {
            report.did("in_order");
        }
        for invariant in violated {
            tracing::error!(%payment, event = "money_invariant_violated", invariant = invariant.as_str(),
                "the books do not add up; a person has to look");
            report.could_not(invariant.as_str());
            found.push((*payment, invariant));
        }
    }
    found
}

/// What does not hold of a payment; `None`: its rows cannot be read.
pub fn violated(books: Option<&Books>) -> Vec<Invariant> {
    books.map_or_else(|| vec![Invariant::Readable], Books::violations)
}
