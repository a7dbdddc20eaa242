//! Waiting with a bound: every call to the store or a provider ends in time.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use futures::future::{Either, select};
use tollgate_domain::{BootId, KeyHash, Operation, Payment, PaymentId};
use tracing::Instrument;

use crate::{
    Error, Gateway,
    ports::{
        Queue, StoreError, Time,
        queue::{DeliveryDue, Message, QueueError},
    },
    records::{ChangeSet, Committed, EventRecord, IdempotencyRecord},
    spans,
};

/// First wait before a commit whose answer was lost is sent again; doubled each time.
const RESEND_AFTER: Duration = Duration::from_millis(50);

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
    pub(crate) async fn commit(&self, set: &ChangeSet) -> Result<Committed, Error> {
        let commit = || self.ports.stores.payments.commit(set);
        let committed = self.until_answered(self.settings.store_timeout, commit).await?;
        if committed == Committed::Done {
            self.publish([set], usize::MAX);
        }
        Ok(committed)
    }

    /// Calls the store until it answers, for `limit` at most and each time no longer than anybody waits for it.
    pub(crate) async fn until_answered<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        limit: Duration,
        call: impl Fn() -> F,
    ) -> Result<T, StoreError> {
        let started = self.ports.time.monotonic();
        let mut wait = RESEND_AFTER;
        loop {
            let left = limit.saturating_sub(self.ports.time.monotonic().saturating_sub(started));
            match self.within_store_time(left.min(self.settings.store_timeout), call()).await {
                Err(StoreError::Unavailable(reason)) if left > wait => {
                    tracing::warn!(reason, "the store gave no answer; it is called again");
                    self.ports.time.sleep(wait).await;
                    wait *= 2;
                }
                answer => return answer,
            }
        }
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
        within(self.ports.time.as_ref(), limit, work)
            .await
            .unwrap_or_else(|| Err(StoreError::Unavailable("no answer in time".to_owned())))
    }
}
