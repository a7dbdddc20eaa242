//! The job `deliveries`: takes what is due and says so through the queue, whose push spreads the work (rule 18).

use std::time::Duration;

use tollgate_domain::MerchantId;

use crate::{
    Error, Gateway, JobReport, JobRun,
    ports::queue::{DeliveryDue, Message},
};

/// How many are taken at once.
const CLAIM_AT_MOST: u32 = 500;
/// For how long what is taken is nobody else's: longer than a try with its commits, shorter than anybody would miss it.
const CLAIMED_FOR: Duration = Duration::from_secs(90);
/// Where nothing is due, the job looks again after this.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How many merchants' endpoints are looked at for deliveries that wait though nothing keeps them.
const ENDPOINTS_AT_ONCE: u32 = 500;

impl Gateway {
    /// Says of every delivery that is due that it is, until the run's time is over.
    pub async fn dispatch_deliveries(&self, run: JobRun) -> Result<JobReport, Error> {
        let started = self.ports.time.monotonic();
        let mut report = JobReport::default();
        self.release_left_waiting(&mut report).await?;
        loop {
            let claimed = self.claim_due().await?;
            report.saw += claimed.len() as u64;
            self.say_due(&claimed, &mut report).await;
            let left = run.budget.saturating_sub(self.ports.time.monotonic().saturating_sub(started));
            let all = claimed.len() < CLAIM_AT_MOST as usize;
            if left.is_zero() {
                report.more = !all;
                break;
            }
            if all {
                self.ports.time.sleep(LOOK_AGAIN_AFTER.min(left)).await;
            }
        }
        let now = self.now();
        #[allow(clippy::cast_precision_loss, reason = "merchants are far fewer than a double counts exactly")]
        metrics::gauge!("webhook_merchants_failing").set(self.health.failing(now) as f64);
        // Not in the store, as for the others: it runs all the while.
        #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double")]
        metrics::gauge!("job_last_success_timestamp_seconds", "job" => "deliveries").set(now.as_second() as f64);
        Ok(report)
    }

    async fn claim_due(&self) -> Result<Vec<DeliveryDue>, Error> {
        let now = self.now();
        let claim = self.ports.stores.deliveries.claim_due(now, now + CLAIMED_FOR, CLAIM_AT_MOST);
        Ok(self.within_store_time(self.settings.store_timeout, claim).await?)
    }

    async fn say_due(&self, claimed: &[DeliveryDue], report: &mut JobReport) {
        if claimed.is_empty() {
            return;
        }
        let messages: Vec<_> = claimed.iter().copied().map(Message::Deliver).collect();
        let outcome = match self.ports.queue.publish(&messages).await {
            Ok(()) => report.did.entry("published"),
            Err(error) => {
                tracing::warn!(%error, "due deliveries were not published; they become due again");
                report.could_not.entry("publish")
            }
        };
        *outcome.or_default() += claimed.len() as u64;
    }

    /// A delivery that found no endpoint just before the merchant set one, or more of them than were released at once,
    /// would wait for ever: what waits for an endpoint that is there is made due.
    async fn release_left_waiting(&self, report: &mut JobReport) -> Result<(), Error> {
        let mut after: Option<MerchantId> = None;
        loop {
            let page = self.ports.stores.endpoints.waited_for(after, ENDPOINTS_AT_ONCE);
            let page = self.within_store_time(self.settings.store_timeout, page).await?;
            for merchant in page.waited_for {
                let released = self.release_waiting(merchant, CLAIM_AT_MOST).await?;
                *report.did.entry("released").or_default() += u64::from(released);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}
