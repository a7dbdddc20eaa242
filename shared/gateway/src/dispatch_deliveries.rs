//! The job `deliveries`: takes what is due and says so through the queue, whose push spreads the work (rule 18).

use std::time::Duration;

use tollgate_domain::MerchantId;

use crate::{
    Error, Gateway, JobReport, JobRun,
    bounded::publish,
    job::show_success,
    ports::queue::{DeliveryDue, Message},
};

/// How many are taken at once.
const CLAIM_AT_MOST: u32 = 500;
/// For how long what is taken is nobody else's: longer than a try with its commits, shorter than anybody would miss it.
const CLAIMED_FOR: Duration = Duration::from_secs(90);
/// Where nothing is due, the job looks again after this.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How many merchants for whom deliveries wait are looked at at once: perhaps nothing keeps them.
const MERCHANTS_AT_ONCE: u32 = 500;
/// A run takes so often at least, while there is more than is taken at once: also one that has no time of its own, so that
/// one merchant's thousands do not hold up what became due behind them.
const TAKES_AT_LEAST: u32 = 10;

impl Gateway {
    /// Says of every delivery that is due that it is, until the run's time is over.
    pub async fn dispatch_deliveries(&self, run: JobRun) -> Result<JobReport, Error> {
        let started = self.ports.time.monotonic();
        let mut report = JobReport::default();
        let mut waited_for = self.waited_for(&mut report).await;
        for taken in 1_u32.. {
            self.release_left_waiting(&mut waited_for, &mut report).await;
            let claimed = self.claim_due().await;
            let left = run.budget.saturating_sub(self.ports.time.monotonic().saturating_sub(started));
            let mut all = true;
            let may_go_on = match claimed {
                Ok(claimed) => {
                    report.saw += claimed.len() as u64;
                    all = claimed.len() < CLAIM_AT_MOST as usize && waited_for.is_empty();
                    // More of what the queue does not take would only be out of reach for as long as it is claimed.
                    self.say_due(&claimed, &mut report).await && !all
                }
                // The store may be back in a moment, and the next run is far.
                Err(error) if !left.is_zero() => {
                    tracing::warn!(%error, "due deliveries could not be taken; the job tries again");
                    report.could_not("take");
                    false
                }
                Err(error) => return Err(error),
            };
            if left.is_zero() && (!may_go_on || taken >= TAKES_AT_LEAST) {
                report.more = !all;
                break;
            }
            if !may_go_on {
                self.ports.time.sleep(LOOK_AGAIN_AFTER.min(left)).await;
            }
        }
        let now = self.now();
        #[allow(clippy::cast_precision_loss, reason = "merchants are far fewer than a double counts exactly")]
        metrics::gauge!("webhook_merchants_failing").set(self.health.failing(now) as f64);
        // Not in the store, as for the others: it runs all the while.
        show_success("deliveries", now);
        Ok(report)
    }

    async fn claim_due(&self) -> Result<Vec<DeliveryDue>, Error> {
        let now = self.now();
        let claim = self.ports.stores.deliveries.claim_due(now, now + CLAIMED_FOR, CLAIM_AT_MOST);
        Ok(self.within_store_time(self.settings.store_timeout, claim).await?)
    }

    /// Answers whether the queue takes messages.
    async fn say_due(&self, claimed: &[DeliveryDue], report: &mut JobReport) -> bool {
        if claimed.is_empty() {
            return true;
        }
        let messages: Vec<_> = claimed.iter().copied().map(Message::Deliver).collect();
        let published = publish(&*self.ports.queue, &messages).await;
        let refused = match &published {
            Ok(0) => 0,
            Ok(refused) => {
                tracing::debug!(refused, "of whom much waits already, more was not published; it becomes due again");
                *refused
            }
            Err(error) => {
                tracing::warn!(%error, "due deliveries were not published; they become due again");
                claimed.len()
            }
        };
        for (counts, what, count) in [
            (&mut report.did, "published", claimed.len().saturating_sub(refused)),
            (&mut report.could_not, "publish", refused),
        ] {
            if count > 0 {
                *counts.entry(what).or_default() += count as u64;
            }
        }
        published.is_ok()
    }

    /// A delivery that found no endpoint just before the merchant set one, or more of them than were released at once,
    /// would wait for ever: whose deliveries wait for an endpoint that is there.
    async fn waited_for(&self, report: &mut JobReport) -> Vec<MerchantId> {
        let (mut waited_for, mut after) = (Vec::new(), None);
        loop {
            let page = self.ports.stores.endpoints.waited_for(after, MERCHANTS_AT_ONCE);
            match self.within_store_time(self.settings.store_timeout, page).await {
                Ok(page) => {
                    waited_for.extend(page.waited_for);
                    after = page.next;
                }
                // The next run looks again. What is due must not wait for that.
                Err(error) => {
                    tracing::warn!(%error, "it could not be seen whose deliveries wait for an endpoint");
                    report.could_not("look");
                    after = None;
                }
            }
            if after.is_none() {
                return waited_for;
            }
        }
    }

    /// Makes due what these merchants' deliveries wait for in vain, no more of each than is taken at once: what others have
    /// due comes between. Leaves those in the list that have more.
    async fn release_left_waiting(&self, waited_for: &mut Vec<MerchantId>, report: &mut JobReport) {
        for merchant in std::mem::take(waited_for) {
            match self.release_waiting(merchant, CLAIM_AT_MOST).await {
                Ok(released) => {
                    *report.did.entry("released").or_default() += u64::from(released);
                    if released >= CLAIM_AT_MOST {
                        waited_for.push(merchant);
                    }
                }
                Err(error) => {
                    tracing::warn!(%merchant, %error, "what waits for an endpoint could not be made due");
                    report.could_not("release");
                }
            }
        }
    }
}
