//! Waiting with a bound: every call to the store or a provider ends in time.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use futures::future::{Either, select};
use tollgate_domain::{BootId, KeyHash, Operation, Payment, PaymentId, Timestamp};
use tracing::Instrument;

use crate::{
    Error, Gateway,
    ports::{
        Queue, StoreError, Time,
        queue::{DeliveryDue, Message, QueueError},
    },
    records::{ChangeSet, Committed, EventRecord, IdempotencyRecord},
    spans,
    store_guard::{StoreCall, StoreStanding},
};

/// First wait before a commit whose answer was lost is sent again; doubled each time, up to the second.
const RESEND_AFTER: Duration = Duration::from_millis(50);
const RESEND_AT_LATEST: Duration = Duration::from_millis(500);
/// How often a job tries again while the store is away (finding S1: five times, 2 s to 32 s).
const JOB_RETRIES: u32 = 5;

/// The work's result, or `None` after `limit` of real time.
pub(crate) async fn within<T>(time: &dyn Time, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), time.sleep(limit)).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(_) => None,
    }
}

/// Publishes, in a span of its own. Answers how many the queue refused.
pub(crate) async fn publish(queue: &dyn Queue, messages: &[Message]) -> Result<usize, QueueError> {
    let span = spans::publish(messages);
    let published = queue.publish(messages).instrument(span.clone()).await;
    if published.is_err() {
        spans::failed(&span);
    }
    published
}

impl Gateway {
    /// Commits `set`, sending the very same set again while the answer is lost, for the interactive store time
    /// (rule 14). An error leaves open whether it happened.
    ///
    /// While the store is away, what merchants ask for fails at once; what a provider said is not let go of as easily.
    pub(crate) async fn commit(&self, set: &ChangeSet) -> Result<Committed, Error> {
        if !set.calls.is_empty() {
            return self.commit_what_is_known_once(set).await;
        }
        if self.store.standing_of(StoreCall::Commit) == StoreStanding::Open {
            return self.commit_once(set).await;
        }
        let (commit, at) = (|| self.ports.stores.payments.commit(set), self.now());
        let ask = |limit| self.store.call(StoreCall::Commit, limit, commit());
        let committed = self.until_answered(self.settings.store_timeout, ask).await?;
        self.committed(set, committed, at);
        Ok(committed)
    }

    /// Commits what nobody will say again: what a provider has answered, what a payer has brought. The store is asked for as long
    /// as anybody waits, away or not.
    pub(crate) async fn commit_what_is_known_once(&self, set: &ChangeSet) -> Result<Committed, Error> {
        let (commit, at) = (|| self.ports.stores.payments.commit(set), self.now());
        let ask = |limit| self.store.insist(StoreCall::Commit, limit, commit());
        let committed = self.until_answered(self.settings.store_timeout, ask).await?;
        self.committed(set, committed, at);
        Ok(committed)
    }

    /// The try that the breaker may let through: nothing is waited for behind it.
    async fn commit_once(&self, set: &ChangeSet) -> Result<Committed, Error> {
        let (commit, at) = (self.ports.stores.payments.commit(set), self.now());
        let committed = self.store.call(StoreCall::Commit, self.settings.store_timeout, commit).await?;
        self.committed(set, committed, at);
        Ok(committed)
    }

    /// What follows from a commit that began at `at`.
    fn committed(&self, set: &ChangeSet, committed: Committed, at: Timestamp) {
        if committed == Committed::Done {
            self.publish([set], usize::MAX);
            if let Some(change) = &set.payment {
                self.keep_status(&change.payment, at);
            }
        }
    }

    /// Asks the store until it answers, for `limit` in all; `ask` is told how long each time.
    pub(crate) async fn until_answered<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        limit: Duration,
        ask: impl Fn(Duration) -> F,
    ) -> Result<T, StoreError> {
        let started = self.ports.time.monotonic();
        let left = || limit.saturating_sub(self.ports.time.monotonic().saturating_sub(started));
        let mut wait = RESEND_AFTER;
        loop {
            match ask(left().min(self.settings.store_timeout)).await {
                Err(StoreError::Unavailable(reason)) if left() > wait => {
                    tracing::warn!(reason, "the store gave no answer; it is called again");
                    self.ports.time.sleep(wait).await;
                    wait = (wait * 2).min(RESEND_AT_LATEST);
                }
                answer => return answer,
            }
        }
    }

    /// Does a job's work again while the store is away: [`Settings::job_retry`](crate::Settings::job_retry) later, then twice
    /// as long each time, [`JOB_RETRIES`] times in all, and not where it would begin past `until`. No request waits for a job,
    /// and its next run may be a day away.
    pub(crate) async fn patiently<T, F: Future<Output = Result<T, Error>>>(
        &self,
        until: Duration,
        work: impl Fn() -> F,
    ) -> Result<T, Error> {
        let mut wait = self.settings.job_retry;
        for _ in 0..JOB_RETRIES {
            match work().await {
                Err(Error::Store(StoreError::Unavailable(reason))) if self.ports.time.monotonic() + wait < until => {
                    tracing::warn!(reason, wait_ms = wait.as_millis(), "a job found the store away; it waits");
                    self.ports.time.sleep(wait).await;
                    wait *= 2;
                }
                answer => return answer,
            }
        }
        work().await
    }

    /// [`Gateway::patiently`], of one call to the store.
    pub(crate) async fn asked_patiently<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        until: Duration,
        ask: impl Fn() -> F,
    ) -> Result<T, Error> {
        let ask = || async { Ok(self.within_store_time(self.settings.store_timeout, ask()).await?) };
        self.patiently(until, ask).await
    }

    /// Says that the events of `sets`, which are committed, are to be delivered, if they are at most so many. Nobody waits
    /// for it: what is not said becomes due by itself (rule 18).
    pub(crate) fn publish<'a>(&self, sets: impl IntoIterator<Item = &'a ChangeSet>, at_most: usize) {
        let due = |event: &EventRecord| {
            let (merchant, payment, sequence) = (event.merchant, event.payment, event.sequence);
            Message::Deliver(DeliveryDue { merchant, payment, sequence, attempt: 1 })
        };
        let events = sets.into_iter().filter_map(|set| set.payment.as_ref()).flat_map(|change| &change.events);
        let messages: Vec<_> = events.map(due).collect();
        if messages.len() <= at_most {
            self.say(messages);
        }
    }

    /// Publishes without waiting for it.
    pub(crate) fn say(&self, messages: Vec<Message>) {
        if messages.is_empty() {
            return;
        }
        let queue = Arc::clone(&self.ports.queue);
        self.ports.spawn.spawn(Box::pin(async move {
            if let Err(error) = publish(&*queue, &messages).await {
                tracing::warn!(%error, "what is due was not published; it becomes due by itself");
            }
        }));
    }

    pub(crate) async fn load(&self, id: PaymentId) -> Result<Option<Payment>, Error> {
        Ok(self.within_store_time(self.settings.store_timeout, self.ports.stores.payments.payment(id)).await?)
    }

    pub(crate) async fn load_operation(&self, id: PaymentId, number: u32) -> Result<Option<Operation>, Error> {
        Ok(self
            .within_store_time(self.settings.store_timeout, self.ports.stores.payments.operation(id, number))
            .await?)
    }

    pub(crate) async fn load_key(&self, key: KeyHash) -> Result<Option<IdempotencyRecord>, Error> {
        Ok(self.within_store_time(self.settings.store_timeout, self.ports.stores.payments.idempotency(key)).await?)
    }

    pub(crate) async fn owner_is_gone(&self, owner: BootId) -> Result<bool, Error> {
        Ok(self.within_store_time(self.settings.store_timeout, self.ports.stores.payments.owner_is_gone(owner)).await?)
    }

    pub(crate) async fn within_store_time<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.store.call(StoreCall::Other, limit, work).await
    }
}
