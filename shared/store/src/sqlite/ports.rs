//! The gateway's ports, each method on its table.

use async_trait::async_trait;
use rusqlite::Connection;
use tollgate_domain::{BootId, KeyHash, MerchantId, Operation, Payment, PaymentId, Timestamp};
use tollgate_gateway::{
    ports::{
        Merchants, Store, StoreError, Timelines,
        merchants::{ApiKey, Merchant, WebhookEndpoint},
        store::Upkeep,
    },
    records::{ChangeSet, Committed, EVENTS_KEPT_FOR, IdempotencyRecord, ListQuery, Page, TimelineRow},
};

use super::{
    SqliteStore, change_set, idempotency, measure, merchants, operations, payments, received_events, timeline,
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
                inline.write(&work)
            }
            writer @ Writer::Thread(_) => {
                let set = set.clone();
                writer.write(Box::new(move |transaction| apply(transaction, &set))).await
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
        self.writer.is_alive()?;
        self.read("ping", "ping", |connection| connection.query_row("SELECT 1", [], |_| Ok(()))).await
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
        let limit = query.limit as usize;
        let (merchant, query) = (query.merchant, query.clone());
        let mut payments = self.read("list", merchant, move |connection| payments::list(connection, &query)).await?;
        let more = payments.len() > limit;
        payments.truncate(limit);
        Ok(Page { payments, more })
    }

    async fn timeline(&self, payment: PaymentId) -> Result<Vec<TimelineRow>, StoreError> {
        self.read("timeline", payment, move |connection| timeline::of_payment(connection, payment)).await
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

    async fn endpoint(&self, merchant: MerchantId) -> Result<Option<WebhookEndpoint>, StoreError> {
        self.read("endpoint", merchant, move |connection| merchants::endpoint(connection, merchant)).await
    }

    async fn put_endpoint(&self, endpoint: &WebhookEndpoint) -> Result<(), StoreError> {
        let endpoint = endpoint.clone();
        self.put("put_endpoint", move |transaction| merchants::put_endpoint(transaction, &endpoint)).await
    }
}

impl SqliteStore {
    async fn put<W>(&self, operation: &'static str, write: W) -> Result<(), StoreError>
    where
        W: Fn(&Connection) -> rusqlite::Result<()> + Send + 'static,
    {
        self.write(operation, move |transaction| write(transaction).map(|()| Outcome::Done { rows: 1 }))
            .await
            .map(|_| ())
    }
}
