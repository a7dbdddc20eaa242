//! The gateway's ports, each method on its table.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use rusqlite::Connection;
use tollgate_domain::{
    BootId, Delivery, EventId, KeyHash, MerchantId, Operation, Payment, PaymentId, Refund, RefundId, Timestamp,
    audit::{Books, Invariant},
};
use tollgate_gateway::{
    ports::{
        Agenda, Audit, Deliveries, Endpoints, Merchants, Store, StoreError, Timelines,
        agenda::{Agendum, NextDue, Standing},
        audit::JobState,
        deliveries::{DeliveryAttempt, Outgoing},
        merchants::{ApiKey, Merchant, WaitedFor, WebhookEndpoint},
        queue::DeliveryDue,
        store::Upkeep,
    },
    records::{ChangeSet, Committed, EVENTS_KEPT_FOR, EventRecord, IdempotencyRecord, ListQuery, Page, TimelineRow},
};
use tracing::Instrument;

use super::{
    SqliteStore, agenda, audit, change_set, deliveries, events, idempotency, jobs, measure, merchants, operations,
    payments, received_events, refunds, timeline,
    writer::{Outcome, Work, Writer},
};

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, set: &ChangeSet) -> Result<Committed, StoreError> {
        self.counters.commit();
        let started = self.time.monotonic();
        let outcome = match &self.writer {
            Writer::Inline(inline) => {
                let work: Work<'_> = Box::new(|transaction| apply(transaction, set));
                measure::span("commit").in_scope(|| inline.write(&work))
            }
            writer @ Writer::Thread(_) => {
                let set = set.clone();
                let write = writer.write(Box::new(move |transaction| apply(transaction, &set)));
                write.instrument(measure::span("commit")).await
            }
        };
        measure::operation("commit", self.time.monotonic().saturating_sub(started));
        let committed = outcome?.committed();
        measure::committed(committed);
        Ok(committed)
    }

    async fn payment(&self, id: PaymentId) -> Result<Option<Payment>, StoreError> {
        self.read("payment", id, move |connection| payments::find(connection, id)).await
    }

    async fn operation(&self, payment: PaymentId, number: u32) -> Result<Option<Operation>, StoreError> {
        self.read("operation", payment, move |connection| operations::find(connection, payment, number)).await
    }

    async fn idempotency(&self, key: KeyHash) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.read("idempotency", "idempotency", move |connection| idempotency::find(connection, key)).await
    }

    async fn owner_is_gone(&self, owner: BootId) -> Result<bool, StoreError> {
        if owner == self.options.boot {
            return Ok(false);
        }
        // On a reader's thread, for it asks the file system.
        let owners = self.owners.clone();
        let gone = self.read("owner_is_gone", owner, move |_| Ok(owners.is_gone(owner))).await?;
        gone.map_err(|error| StoreError::Unavailable(format!("{owner}: {error}")))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.read("ping", "ping", |connection| connection.query_row("SELECT 1", [], |_| Ok(()))).await?;
        // Who can be read but not written takes no payments: a transaction of nothing finds the writer at work.
        self.writer.write(Box::new(|_| Ok(Outcome::Done { rows: 0 }))).await.map(drop)
    }
}

fn apply(transaction: &Connection, set: &ChangeSet) -> rusqlite::Result<Outcome> {
    change_set::apply(transaction, set).map(|committed| match committed {
        Committed::Done => Outcome::Done { rows: 0 },
        Committed::Conflict(guard) => Outcome::Conflict(guard),
    })
}

#[async_trait]
impl Timelines for SqliteStore {
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let (merchant, query) = (query.merchant, query.clone());
        self.read("list", merchant, move |connection| payments::list(connection, &query)).await
    }

    async fn timeline(&self, payment: PaymentId) -> Result<Vec<TimelineRow>, StoreError> {
        self.read("timeline", payment, move |connection| timeline::of_payment(connection, payment)).await
    }

    async fn refund(&self, id: RefundId) -> Result<Option<Refund>, StoreError> {
        self.read("refund", id, move |connection| refunds::find(connection, id)).await
    }

    async fn refunds(&self, payment: PaymentId) -> Result<Vec<Refund>, StoreError> {
        self.read("refunds", payment, move |connection| refunds::of_payment(connection, payment)).await
    }

    async fn events(
        &self,
        merchant: MerchantId,
        after: Option<EventId>,
        limit: u32,
    ) -> Result<Option<Vec<EventRecord>>, StoreError> {
        self.read("events", merchant, move |connection| events::of_merchant(connection, merchant, after, limit)).await
    }
}

#[async_trait]
impl Upkeep for SqliteStore {
    async fn delete_expired(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let outcome = self.write("delete_expired", move |transaction| {
            let keys = idempotency::delete_expired(transaction, now, limit)?;
            let events = match now.checked_sub(EVENTS_KEPT_FOR) {
                Ok(before) => received_events::delete_before(transaction, before, limit.saturating_sub(keys))?,
                // Before the first time there is, nothing happened.
                Err(_) => 0,
            };
            Ok(Outcome::Done { rows: keys + events })
        });
        Ok(outcome.await?.rows())
    }
}

#[async_trait]
impl Merchants for SqliteStore {
    async fn by_key(&self, digest: KeyHash) -> Result<Option<(ApiKey, Merchant)>, StoreError> {
        self.read("merchant_by_key", "api key", move |connection| merchants::by_key(connection, digest)).await
    }

    async fn merchant(&self, id: MerchantId) -> Result<Option<Merchant>, StoreError> {
        self.read("merchant", id, move |connection| merchants::find(connection, id)).await
    }

    async fn put_merchant(&self, merchant: &Merchant) -> Result<(), StoreError> {
        let merchant = merchant.clone();
        self.put("put_merchant", move |transaction| merchants::put(transaction, &merchant)).await
    }

    async fn put_api_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let key = *key;
        self.put("put_api_key", move |transaction| merchants::put_key(transaction, &key)).await
    }

    async fn merchants(&self, after: Option<MerchantId>, limit: u32) -> Result<Vec<Merchant>, StoreError> {
        self.read("merchants", "merchants", move |connection| merchants::page(connection, after, limit)).await
    }

    async fn keys(&self, merchant: MerchantId) -> Result<Vec<ApiKey>, StoreError> {
        self.read("merchant_keys", merchant, move |connection| merchants::keys(connection, merchant)).await
    }
}

#[async_trait]
impl Endpoints for SqliteStore {
    async fn endpoint(&self, merchant: MerchantId) -> Result<Option<WebhookEndpoint>, StoreError> {
        self.read("endpoint", merchant, move |connection| merchants::endpoint(connection, merchant)).await
    }

    async fn put_endpoint(&self, endpoint: &WebhookEndpoint) -> Result<bool, StoreError> {
        let endpoint = endpoint.clone();
        self.decide("put_endpoint", move |transaction| merchants::put_endpoint(transaction, &endpoint)).await
    }

    async fn waited_for(&self, after: Option<MerchantId>, limit: u32) -> Result<WaitedFor, StoreError> {
        self.read("waited_for", "endpoints", move |connection| merchants::waited_for(connection, after, limit)).await
    }

    async fn release_waiting(&self, merchant: MerchantId, at: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let outcome = self.write("release_waiting", move |transaction| {
            deliveries::release(transaction, merchant, at, limit).map(|rows| Outcome::Done { rows })
        });
        Ok(outcome.await?.rows())
    }
}

#[async_trait]
impl Deliveries for SqliteStore {
    async fn outgoing(&self, payment: PaymentId, sequence: u32) -> Result<Option<Outgoing>, StoreError> {
        self.read("outgoing", payment, move |connection| deliveries::outgoing(connection, payment, sequence)).await
    }

    async fn record_attempt(
        &self,
        before: &Delivery,
        after: &Delivery,
        attempt: &DeliveryAttempt,
    ) -> Result<bool, StoreError> {
        let (before, after, attempt) = (before.clone(), after.clone(), attempt.clone());
        let write = move |transaction: &Connection| deliveries::record_attempt(transaction, &before, &after, &attempt);
        self.decide("record_attempt", write).await
    }

    async fn reschedule(&self, before: &Delivery, after: &Delivery) -> Result<bool, StoreError> {
        let (before, after) = (before.clone(), after.clone());
        self.decide("reschedule", move |transaction| deliveries::reschedule(transaction, &before, &after)).await
    }

    async fn claim_due(&self, now: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<DeliveryDue>, StoreError> {
        self.take("claim_due", move |transaction| deliveries::claim_due(transaction, now, until, limit)).await
    }

    async fn oldest_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.read("oldest_due", "due deliveries", move |connection| deliveries::oldest_due(connection, now)).await
    }

    async fn deliveries(&self, payment: PaymentId) -> Result<Vec<(Delivery, Vec<DeliveryAttempt>)>, StoreError> {
        self.read("deliveries", payment, move |connection| deliveries::of_payment(connection, payment)).await
    }
}

#[async_trait]
impl Agenda for SqliteStore {
    async fn due(
        &self,
        what: Agendum,
        now: Timestamp,
        after: Option<(Timestamp, PaymentId)>,
        limit: u32,
    ) -> Result<Vec<(Timestamp, PaymentId)>, StoreError> {
        self.read("due", "due payments", move |connection| agenda::due(connection, what, now, after, limit)).await
    }

    async fn postpone(
        &self,
        what: Agendum,
        payment: PaymentId,
        version: u64,
        at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.put("postpone", move |transaction| agenda::postpone(transaction, what, payment, version, at)).await
    }

    async fn next_due(&self) -> Result<NextDue, StoreError> {
        self.read("next_due", "next due", agenda::next_due).await
    }

    async fn standing(&self, now: Timestamp) -> Result<Standing, StoreError> {
        self.read("standing", "standing", move |connection| agenda::standing(connection, now)).await
    }
}

#[async_trait]
impl Audit for SqliteStore {
    async fn books(&self, after: Option<PaymentId>, limit: u32) -> Result<Vec<(PaymentId, Option<Books>)>, StoreError> {
        self.read("books", "books", move |connection| audit::books(connection, after, limit)).await
    }

    async fn keep_violations(
        &self,
        after: Option<PaymentId>,
        upto: PaymentId,
        found: &[(PaymentId, Invariant)],
    ) -> Result<(), StoreError> {
        let found = found.to_vec();
        self.put("keep_violations", move |transaction| audit::keep(transaction, after, upto, &found)).await
    }

    async fn violations(&self) -> Result<Vec<(Invariant, u64)>, StoreError> {
        self.read("violations", "violations", audit::violations).await
    }

    async fn violators(&self, among: &[PaymentId]) -> Result<BTreeSet<PaymentId>, StoreError> {
        let among = among.to_vec();
        self.read("violators", "violations", move |connection| audit::violators(connection, &among)).await
    }

    async fn job(&self, name: &'static str) -> Result<JobState, StoreError> {
        self.read("job", name, move |connection| jobs::find(connection, name)).await
    }

    async fn put_job(&self, name: &'static str, state: &JobState) -> Result<(), StoreError> {
        let state = state.clone();
        self.put("put_job", move |transaction| jobs::put(transaction, name, &state)).await
    }
}

impl SqliteStore {
    pub(super) async fn put<W>(&self, operation: &'static str, write: W) -> Result<(), StoreError>
    where
        W: Fn(&Connection) -> rusqlite::Result<()> + Send + 'static,
    {
        self.write(operation, move |transaction| write(transaction).map(|()| Outcome::Done { rows: 1 }))
            .await
            .map(|_| ())
    }

    /// Writes, or finds that somebody else was faster.
    pub(super) async fn decide<W>(&self, operation: &'static str, write: W) -> Result<bool, StoreError>
    where
        W: Fn(&Connection) -> rusqlite::Result<bool> + Send + 'static,
    {
        let write = move |transaction: &Connection| {
            write(transaction).map(|written| Outcome::Done { rows: u32::from(written) })
        };
        Ok(self.write(operation, write).await?.rows() == 1)
    }

    /// Writes, and answers what it took. Should the transaction be tried again, the last try's counts.
    pub(super) async fn take<T, W>(&self, operation: &'static str, write: W) -> Result<T, StoreError>
    where
        T: Default + Send + 'static,
        W: Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let taken = Arc::new(Mutex::new(T::default()));
        let place = Arc::clone(&taken);
        self.write(operation, move |transaction| {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = write(transaction)?;
            Ok(Outcome::Done { rows: 1 })
        })
        .await?;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut taken))
    }
}
