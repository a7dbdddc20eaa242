//! The hourly job that compares our books with the providers': what follows from theirs is adopted, what contradicts is
//! counted and shown to a person. Nobody but the providers told us otherwise, and their events can be lost.

use std::time::Duration;

use tollgate_domain::{
    Answer, Discrepancy, Observation, Payment, PaymentId, ReviewReason, Timestamp, TransactionView, What,
};

use super::{
    by_hand::last_difference,
    outcome::{came_to, count},
    round::{Hours, Looked},
};
use crate::{
    Context, Error, Gateway, JobReport, JobRun, Resolution,
    ports::{agenda::Agendum, provider::LookUp},
    records::{Cause, Committed, ProviderCall},
};

/// The job's name.
pub const PROVIDER_TRUTH: &str = "provider-truth";
/// A payment whose provider could not be asked is due again at the next run.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(55 * 60);

impl Gateway {
    /// Runs the job once.
    pub async fn provider_truth(&self, run: JobRun, context: Context) -> Result<JobReport, Error> {
        let gateway = self.clone();
        self.run(async move {
            let round = gateway.round(Agendum::Truth, run, &context).await?;
            gateway.show_reviews().await?;
            // Above what a provider's quota lets it ask (docs/capacity.md) the job still succeeds, and only this says that it lags.
            metrics::gauge!("provider_truth_lag_seconds").set(round.lag(gateway.now()).as_secs_f64());
            gateway.job_succeeded(PROVIDER_TRUTH, None).await?;
            Ok(round.report)
        })
        .await
    }

    pub(super) async fn look_at_truth(&self, id: PaymentId, hours: Hours, context: &Context) -> Result<Looked, Error> {
        let mut looked = Looked::default();
        let Some(before) = self.load(id).await? else { return Ok(looked) };
        let cause = Cause::Job(PROVIDER_TRUTH.to_owned());
        let compared = Box::pin(self.compare(before.clone(), &cause, &mut looked.report, context)).await;
        let compared = match compared {
            Err(Error::ProviderUnavailable { .. }) => Resolution::Unreachable,
            other => other?,
        };
        count(&compared, &mut looked.report);
        let Some(after) = self.load(id).await? else { return Ok(looked) };
        if let Some(kind) = came_to(&before, &after) {
            looked.report.did(kind);
        }
        let again = match compared {
            Resolution::Unreachable => Some(hours.started.checked_add(ASK_AGAIN_AFTER).unwrap_or(Timestamp::MAX)),
            _ => after.truth_again_at(hours.started),
        };
        self.postpone(Agendum::Truth, &after, again).await?;
        Ok(looked)
    }

    async fn compare(
        &self,
        payment: Payment,
        cause: &Cause,
        report: &mut JobReport,
        context: &Context,
    ) -> Result<Resolution, Error> {
        if payment.open.is_some() {
            return self.resolve(payment, cause, context).await;
        }
        let asked = self.ask_refunds(payment, true, cause, context).await?;
        if asked.resolution != Resolution::NothingOpen {
            return Ok(asked.resolution);
        }
        let payment = asked.payment;
        match Box::pin(self.compare_left_behind(&payment, cause, report, context)).await? {
            Resolution::NothingOpen => {}
            other => return Ok(other),
        }
        if asked.missing {
            return self.differs(payment, (Discrepancy::RefundMissing, None), None, cause, report, context).await;
        }
        let (found, row) = self.look_up_the_money(&payment, context).await?;
        match found {
            LookUp::Found(Answer::Shows(view)) => self.compare_with(payment, &view, row, cause, report, context).await,
            LookUp::NotFound => self.agrees(payment, row, cause, report, context).await,
            LookUp::NotOurs { .. } => {
                self.differs(payment, (Discrepancy::NotOurs, None), Some(row), cause, report, context).await
            }
            LookUp::Found(_) | LookUp::Failed { .. } => {
                self.commit_row(row).await?;
                Ok(Resolution::Unreachable)
            }
        }
    }

    /// How the payment's transaction stands; where none is known, whether its authorization made one after all.
    async fn look_up_the_money(&self, payment: &Payment, context: &Context) -> Result<(LookUp, ProviderCall), Error> {
        if let Some(transaction) = &payment.provider_transaction_id {
            return self.look_up_transaction(payment, payment.provider, transaction, context).await;
        }
        // The first one that the payment was not moved away from.
        let number = u32::try_from(self.left_behind(payment).await?.len()).unwrap_or(u32::MAX).saturating_add(1);
        let authorization = self.operation_of(payment, number).await?;
        self.look_up(payment, &authorization, context).await
    }

    async fn compare_with(
        &self,
        payment: Payment,
        view: &TransactionView,
        row: ProviderCall,
        cause: &Cause,
        report: &mut JobReport,
        context: &Context,
    ) -> Result<Resolution, Error> {
        let contradicts = match payment.observed(view, true, self.attempt(), self.now()) {
            Observation::Change(change) => {
                let late = change.what == What::LateSuccess;
                let adopted = self.adopt(&payment, *change, row, cause, context).await?;
                if let (true, Resolution::Resolved(after)) = (late, &adopted) {
                    report.did("late_success");
                    if after.open.is_none() {
                        report.did("reversed");
                    }
                }
                return Ok(adopted);
            }
            Observation::Nothing { contradiction } => contradiction,
            Observation::AskProvider | Observation::Later => false,
        };
        match payment.differs_from(view).or(contradicts.then_some(Discrepancy::Amount)) {
            Some(discrepancy) => {
                self.differs(payment, (discrepancy, Some(view)), Some(row), cause, report, context).await
            }
            None => self.agrees(payment, row, cause, report, context).await,
        }
    }

    /// Counts a discrepancy, and asks a person to look, once. One that was only a payment in motion counts for nothing, and so does one
    /// that a person left as it is.
    async fn differs(
        &self,
        payment: Payment,
        (discrepancy, view): (Discrepancy, Option<&TransactionView>),
        row: Option<ProviderCall>,
        cause: &Cause,
        report: &mut JobReport,
        context: &Context,
    ) -> Result<Resolution, Error> {
        let kind = discrepancy.as_str();
        let words = discrepancy.told(&payment, view);
        if let Some(change) = payment.differs(&words, self.now()) {
            if self.was_left_as_it_is(&payment, &words).await? {
                if let Some(row) = row {
                    self.commit_row(row).await?;
                }
                report.did("left_as_it_is");
                return Ok(Resolution::NothingOpen);
            }
            let mut set = self.change_set(Some(&payment), change, cause.clone(), context);
            set.calls.extend(row);
            if self.commit(&set).await? != Committed::Done {
                return Ok(Resolution::Raced);
            }
            report.did("needs_review");
        } else {
            if let Some(row) = row {
                self.commit_row(row).await?;
            }
            if self.load(payment.id).await?.is_none_or(|now| now.version != payment.version) {
                return Ok(Resolution::Raced);
            }
        }
        tracing::error!(payment = %payment.id, event = "reconciliation_discrepancy", kind,
            "the provider's books differ from ours; a person has to look");
        metrics::counter!("reconciliation_discrepancies", "kind" => kind).increment(1);
        report.could_not(kind);
        Ok(Resolution::NothingOpen)
    }

    /// Whether a person was last asked to look because of the same difference, and left it as it is.
    async fn was_left_as_it_is(&self, payment: &Payment, words: &str) -> Result<bool, Error> {
        let timeline = self.ports.stores.timelines.timeline(payment.id);
        let timeline = self.within_store_time(self.settings.store_timeout, timeline).await?;
        Ok(last_difference(&timeline).is_some_and(|last| last.left_as_it_is && last.words == Some(words)))
    }

    /// They agree: what a person had to look at is over.
    async fn agrees(
        &self,
        payment: Payment,
        row: ProviderCall,
        cause: &Cause,
        report: &mut JobReport,
        context: &Context,
    ) -> Result<Resolution, Error> {
        let Some(change) = payment.review_over(ReviewReason::ProviderDiffers, self.now()) else {
            self.commit_row(row).await?;
            report.did("agreed");
            return Ok(Resolution::NothingOpen);
        };
        let mut set = self.change_set(Some(&payment), change, cause.clone(), context);
        set.calls.push(row);
        if self.commit(&set).await? != Committed::Done {
            return Ok(Resolution::Raced);
        }
        report.did("agreed");
        report.did("review_over");
        Ok(Resolution::NothingOpen)
    }
}
