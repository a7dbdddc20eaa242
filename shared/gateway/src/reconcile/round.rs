//! One round over an agenda: page by page, several payments at once, each payment once, within the run's time. What was
//! not looked at stays due and comes first the next time.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture, stream};
use tollgate_domain::{Payment, PaymentId, PaymentStatus, Timestamp};

use crate::{Context, Error, Gateway, JobReport, JobRun, ports::agenda::Agendum};

/// Payments that are looked at at once: enough to fill a provider's latency, below what it rations.
const AT_ONCE: usize = 8;
/// Payments that one read brings.
const PAGE: u32 = 100;

/// What a round came to.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) report: JobReport,
    /// Looked at and still stuck, by status.
    pub(super) stuck: HashMap<PaymentStatus, u64>,
    /// Since when the first that nobody got to has been due.
    left: Option<Timestamp>,
}

/// What looking at one payment came to.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) report: JobReport,
    /// It is still stuck, in this status.
    pub(super) stuck: Option<PaymentStatus>,
}

/// When a round began and must end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hours {
    /// The business time at its start: what was due then is looked at.
    pub(super) started: Timestamp,
    /// Past this, real time, nothing is begun any more.
    until: Duration,
}

impl Gateway {
    /// Looks at everything that is due.
    pub(super) async fn round(&self, what: Agendum, run: JobRun, context: &Context) -> Result<Round, Error> {
        let hours = Hours { started: self.now(), until: self.ports.time.monotonic().saturating_add(run.budget) };
        let due_by = if run.everything { Timestamp::MAX } else { hours.started };
        let (mut round, mut seen, mut after) = (Round::default(), HashSet::new(), None);
        while !round.report.more {
            let page = self.patiently(hours.until, || self.due(what, due_by, after)).await?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            // What was put off within this round turns up again where everything is looked at.
            let new: Vec<_> = page.into_iter().filter(|(_, id)| seen.insert(*id)).collect();
            let looks = new.into_iter().map(async |(due, id)| (due, self.look(what, id, hours, context).await));
            let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
            while let Some((due, looked)) = looks.next().await {
                round.take(due, looked);
            }
        }
        Ok(round)
    }

    async fn due(
        &self,
        what: Agendum,
        by: Timestamp,
        after: Option<(Timestamp, PaymentId)>,
    ) -> Result<Vec<(Timestamp, PaymentId)>, Error> {
        let due = self.ports.stores.agenda.due(what, by, after, PAGE);
        Ok(self.within_store_time(self.settings.store_timeout, due).await?)
    }

    /// Looks at one payment; `None` where the time is over.
    fn look<'a>(
        &'a self,
        what: Agendum,
        id: PaymentId,
        hours: Hours,
        context: &'a Context,
    ) -> BoxFuture<'a, Option<Looked>> {
        Box::pin(async move {
            if self.ports.time.monotonic() >= hours.until {
                return None;
            }
            let look = || async {
                match what {
                    Agendum::Stuck => self.look_at_stuck(id, context).await,
                    Agendum::Truth => self.look_at_truth(id, hours, context).await,
                }
            };
            let looked = self.patiently(hours.until, look).await;
            Some(looked.unwrap_or_else(|error| failed(id, &error)))
        })
    }

    /// Puts `payment` off, where nobody changes it meanwhile.
    pub(super) async fn postpone(&self, what: Agendum, payment: &Payment, at: Option<Timestamp>) -> Result<(), Error> {
        let postpone = self.ports.stores.agenda.postpone(what, payment.id, payment.version, at);
        Ok(self.within_store_time(self.settings.store_timeout, postpone).await?)
    }
}

impl Round {
    /// By how much the work lags behind what is due, at `now`.
    pub(super) fn lag(&self, now: Timestamp) -> Duration {
        self.left.and_then(|due| Duration::try_from(now.duration_since(due)).ok()).unwrap_or_default()
    }

    fn take(&mut self, due: Timestamp, looked: Option<Looked>) {
        let Some(looked) = looked else {
            self.report.more = true;
            self.left = Some(self.left.map_or(due, |first| first.min(due)));
            return;
        };
        self.report.saw += 1;
        self.report.add(looked.report);
        if let Some(status) = looked.stuck {
            *self.stuck.entry(status).or_default() += 1;
        }
    }
}

/// One payment that could not be looked at hinders no other.
fn failed(id: PaymentId, error: &Error) -> Looked {
    tracing::warn!(payment = %id, %error, event = "reconciliation_failed", "a job could not look at a payment");
    let mut looked = Looked::default();
    looked.report.could_not(match error {
        Error::ProviderUnavailable { .. } => "provider_unreachable",
        Error::Store(_) => "store_unavailable",
        _ => "defect",
    });
    looked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_lags_by_what_was_due_first_and_was_not_looked_at() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut round = Round::default();
        round.take(at(100), Some(Looked::default()));
        assert_eq!((round.report.saw, round.lag(at(10_000))), (1, Duration::ZERO), "all was looked at");
        for due in [300, 200, 400] {
            round.take(at(due), None);
        }
        assert_eq!((round.report.more, round.lag(at(10_000))), (true, Duration::from_secs(9_800)));
        assert_eq!(round.lag(at(150)), Duration::ZERO, "what is looked at before it is due does not lag");
    }
}
