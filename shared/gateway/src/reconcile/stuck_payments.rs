//! The job for stuck payments, every ten minutes: what waits for an outcome, for a payer or for its end is looked at,
//! and the provider's word adopted (finding C3).

use std::time::Duration;

use tollgate_domain::{Discrepancy, Payment, PaymentId, PaymentStatus, ReviewReason, Timestamp};

use super::{
    outcome::{came_to, count},
    round::{Looked, Round},
};
use crate::{
    Context, Error, Gateway, JobReport, JobRun, Resolution,
    ports::agenda::{Agendum, Standing},
    records::{Cause, Committed},
};

/// The job's name.
pub const STUCK_PAYMENTS: &str = "stuck-payments";
/// What is still stuck is looked at again by the next run, after what this one had no time for.
const AGAIN_AFTER: Duration = Duration::from_secs(9 * 60);
/// What a person looks at for hours is asked about by every sixth run only.
const AGAIN_AT_LEAST_AFTER: Duration = Duration::from_secs(59 * 60);
/// A twelfth of its age: for the first hours that is the next run.
const AGE_PER_PAUSE: u32 = 12;

/// How long a payment that did not move is left alone.
fn pause(payment: &Payment, now: Timestamp) -> Duration {
    if payment.open.as_ref().is_some_and(|open| open.payer.is_some()) {
        return AGAIN_AFTER;
    }
    let since = payment.open.as_ref().map_or(payment.updated_at, |open| open.opened_at);
    let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    (age / AGE_PER_PAUSE).clamp(AGAIN_AFTER, AGAIN_AT_LEAST_AFTER)
}

impl Gateway {
    /// Runs the job once.
    pub async fn stuck_payments(&self, run: JobRun, context: Context) -> Result<JobReport, Error> {
        let gateway = self.clone();
        self.run(async move {
            let round = gateway.round(Agendum::Stuck, run, &context).await?;
            gateway.show_standing(&round).await?;
            gateway.job_succeeded(STUCK_PAYMENTS, None).await?;
            Ok(round.report)
        })
        .await
    }

    pub(super) async fn look_at_stuck(&self, id: PaymentId, context: &Context) -> Result<Looked, Error> {
        let mut looked = Looked::default();
        let Some(before) = self.load(id).await? else { return Ok(looked) };
        let cause = Cause::Job(STUCK_PAYMENTS.to_owned());
        let moved = Box::pin(self.move_on(before.clone(), &cause, &mut looked.report, context)).await;
        let resolution = match moved {
            Err(Error::ProviderUnavailable { .. }) => Resolution::Unreachable,
            other => other?,
        };
        count(&resolution, &mut looked.report);
        let Some(after) = self.load(id).await? else { return Ok(looked) };
        if let Some(kind) = came_to(&before, &after) {
            looked.report.did(kind);
        }
        let after = self.review_overdue(after, &cause, &mut looked.report, context).await?;
        let now = self.now();
        if after.due_at().is_some_and(|at| at <= now) {
            looked.stuck = (resolution != Resolution::AwaitingPayer).then_some(after.status);
            let again = now.checked_add(pause(&after, now)).unwrap_or(now);
            self.postpone(Agendum::Stuck, &after, Some(again)).await?;
        }
        Ok(looked)
    }

    /// Does what the payment waits for.
    async fn move_on(
        &self,
        payment: Payment,
        cause: &Cause,
        report: &mut JobReport,
        context: &Context,
    ) -> Result<Resolution, Error> {
        let Some(open) = payment.open.clone() else {
            if payment.status == PaymentStatus::Authorized {
                return Box::pin(self.expire_authorization(payment, cause, context)).await;
            }
            let asked = self.ask_refunds(payment, false, cause, context).await?;
            if asked.missing {
                // Comparing with the provider's truth asks a person to look.
                report.could_not(Discrepancy::RefundMissing.as_str());
            }
            return Ok(asked.resolution);
        };
        let sends = self.a_job_sends_again(&open)?;
        let resolution = self.resolve(payment, cause, context).await?;
        if sends && !matches!(resolution, Resolution::InFlight | Resolution::Raced) {
            report.did("sent_again");
        }
        Ok(resolution)
    }

    /// Asks a person to look at what is unresolved for too long, once.
    async fn review_overdue(
        &self,
        payment: Payment,
        cause: &Cause,
        report: &mut JobReport,
        context: &Context,
    ) -> Result<Payment, Error> {
        if !payment.open.as_ref().is_some_and(|open| open.is_overdue(self.now())) {
            return Ok(payment);
        }
        let Some(change) = payment.needs_review(ReviewReason::Unresolved, self.now()) else { return Ok(payment) };
        let next = change.payment.clone();
        match self.commit(&self.change_set(Some(&payment), change, cause.clone(), context)).await? {
            Committed::Done => {
                tracing::error!(payment = %next.id, event = "payment_needs_review", reason = "unresolved",
                    "an operation has no outcome for too long; a person has to look");
                report.did("needs_review");
                Ok(next)
            }
            // Somebody moves it: it is looked at again.
            Committed::Conflict(_) => Ok(payment),
        }
    }

    /// Shows what is stuck: what was not looked at, and what was and did not move.
    async fn show_standing(&self, round: &Round) -> Result<(), Error> {
        let standing = self.standing().await?;
        for status in PaymentStatus::ALL {
            let overdue = standing.stuck.iter().filter(|(of, _)| *of == status).map(|(_, count)| count).sum::<u64>();
            let count = overdue + round.stuck.get(&status).copied().unwrap_or_default();
            metrics::gauge!("payments_stuck", "status" => status.as_str()).set(gauge(count));
        }
        metrics::gauge!("payments_need_review").set(gauge(standing.need_review));
        Ok(())
    }

    /// Shows how many payments need review.
    pub(crate) async fn show_reviews(&self) -> Result<(), Error> {
        metrics::gauge!("payments_need_review").set(gauge(self.standing().await?.need_review));
        Ok(())
    }

    async fn standing(&self) -> Result<Standing, Error> {
        let standing = self.ports.stores.agenda.standing(self.now());
        Ok(self.within_store_time(self.settings.store_timeout, standing).await?)
    }
}

/// A count as a gauge takes it.
#[allow(clippy::cast_precision_loss, reason = "no store holds so many payments that a double could not count them")]
pub(super) const fn gauge(count: u64) -> f64 {
    count as f64
}
