//! The real store, far away: calls take time, fail before or after they were done, or arrive after whoever made them has given
//! up. The store itself is the real one on SQLite, in memory.
//!
//! Must not know: what is kept, and why; only what a planted bug makes of it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tollgate_domain::{
    BootId, Currency, Date, Delivery, EventId, KeyHash, MerchantId, Operation, Payment, PaymentId, Refund, RefundId,
    Settlement, SettlementId, Timestamp,
    audit::{Books, Invariant},
    settlement::{Balance, Totals},
};
use tollgate_gateway::{
    ports::{
        Agenda, Audit, Deliveries, Endpoints, SettlementChunks, SettlementShards, Settlements, Store, StoreError,
        Timelines,
        agenda::{Agendum, NextDue, Standing},
        audit::JobState,
        deliveries::{DeliveryAttempt, Outgoing},
        merchants::{WaitedFor, WebhookEndpoint},
        queue::DeliveryDue,
        settlements::{Checkpoint, Chunk, ChunkCommitted, ChunkSums, Lane, PlacedLine, ShardBooks, Waiting},
    },
    records::{ChangeSet, Committed, EventRecord, IdempotencyRecord, ListQuery, Page, TimelineRow},
};
use tollgate_store::SqliteStore;

use crate::{
    executor::{Owner, locked},
    planted::Bug,
    planted_store,
    stage::Stage,
};

/// Longer than anybody waits for the store.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// The way of one instance to the store.
pub(crate) struct FarStore {
    pub(crate) stage: Arc<Stage>,
    pub(crate) owner: Owner,
    /// The store that everybody shares.
    pub(crate) shared: Arc<SqliteStore>,
    /// This instance's sign of life in it.
    pub(crate) presence: SqliteStore,
    /// Whether the store knows of who is gone, as SQLite does and Spanner does not.
    pub(crate) knows_the_dead: bool,
    /// What a planted bug remembers.
    pub(crate) memory: Mutex<Memory>,
}

/// What a planted bug remembers: lost with the instance.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) intents: HashMap<PaymentId, Vec<ChangeSet>>,
    pub(crate) fingerprints: HashMap<KeyHash, KeyHash>,
}

fn away(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}

impl FarStore {
    /// The way there.
    pub(crate) async fn there(&self) -> Result<(), StoreError> {
        let stage = &self.stage;
        if stage.weather.store_is_away(stage.executor.now()) {
            stage.pause(if stage.dice.chance(100) { FOR_EVER } else { stage.dice.ms(1, 100) }).await;
            return Err(away("away"));
        }
        stage.a_moment().await;
        if stage.dice.rarely(stage.weather.rates().store_fails) {
            return Err(away("it failed"));
        }
        Ok(())
    }

    /// The way back of a read.
    pub(crate) async fn back<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if self.stage.dice.chance(100) {
            self.stage.a_moment().await;
        }
        answer
    }

    /// The way back of what has changed something.
    pub(crate) async fn changed<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        self.stage.a_moment().await;
        if self.stage.dice.rarely(self.stage.weather.rates().store_answer_lost) {
            return Err(away("the answer was lost"));
        }
        answer
    }

    /// Commits, now.
    pub(crate) async fn commit_now(&self, set: &ChangeSet) -> Result<Committed, StoreError> {
        commit_now(&self.stage, &self.shared, self.owner, set).await
    }
}

/// Commits, now; everybody who watches sees it.
async fn commit_now(
    stage: &Stage,
    store: &SqliteStore,
    owner: Owner,
    set: &ChangeSet,
) -> Result<Committed, StoreError> {
    let committed = store.commit(set).await?;
    if let Some(change) = &set.payment {
        if committed == Committed::Done {
            stage.watch.committed(change, &stage.story);
        }
        stage.story.tell(owner, Some(change.payment.id), "commits", || {
            let (payment, what) = (&change.payment, change.history.what);
            format!("{what:?} as version {} ({}): {committed:?}", payment.version, payment.status.as_str())
        });
    }
    Ok(committed)
}

#[async_trait]
impl Store for FarStore {
    async fn commit(&self, set: &ChangeSet) -> Result<Committed, StoreError> {
        if let Err(error) = self.there().await {
            return if self.stage.has(Bug::FailedCommitIsDone) { Ok(Committed::Done) } else { Err(error) };
        }
        if self.stage.dice.rarely(self.stage.weather.rates().commit_late) {
            let (stage, store, owner, set) =
                (Arc::clone(&self.stage), Arc::clone(&self.shared), self.owner, set.clone());
            self.stage.executor.spawn(Owner::WORLD, async move {
                stage.pause(stage.dice.secs(3, 90)).await;
                _ = commit_now(&stage, &store, owner, &set).await;
            });
            self.stage.pause(FOR_EVER).await;
            return Err(away("no answer"));
        }
        let committed = match self.stage.bug {
            None => self.commit_now(set).await,
            Some(bug) => planted_store::commit(self, bug, set).await,
        };
        self.changed(committed).await
    }

    async fn payment(&self, id: PaymentId) -> Result<Option<Payment>, StoreError> {
        self.there().await?;
        let mut found = self.shared.payment(id).await;
        if let (Some(bug), Ok(Some(payment))) = (self.stage.bug, &mut found) {
            planted_store::read(bug, payment);
        }
        self.back(found).await
    }

    async fn operation(&self, payment: PaymentId, number: u32) -> Result<Option<Operation>, StoreError> {
        self.there().await?;
        self.back(self.shared.operation(payment, number).await).await
    }

    async fn idempotency(&self, key: KeyHash) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.there().await?;
        let mut found = self.shared.idempotency(key).await;
        if let (Ok(Some(record)), Some(seen)) = (&mut found, locked(&self.memory).fingerprints.get(&key)) {
            record.fingerprint = *seen;
        }
        self.back(found).await
    }

    async fn owner_is_gone(&self, owner: BootId) -> Result<bool, StoreError> {
        self.there().await?;
        let gone = if self.knows_the_dead { self.presence.owner_is_gone(owner).await } else { Ok(false) };
        self.back(gone).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.there().await
    }
}

#[async_trait]
impl Timelines for FarStore {
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.there().await?;
        self.back(self.shared.list(query).await).await
    }

    async fn timeline(&self, payment: PaymentId) -> Result<Vec<TimelineRow>, StoreError> {
        self.there().await?;
        self.back(self.shared.timeline(payment).await).await
    }

    async fn refund(&self, id: RefundId) -> Result<Option<Refund>, StoreError> {
        self.there().await?;
        self.back(self.shared.refund(id).await).await
    }

    async fn refunds(&self, payment: PaymentId) -> Result<Vec<Refund>, StoreError> {
        self.there().await?;
        self.back(self.shared.refunds(payment).await).await
    }

    async fn events(
        &self,
        merchant: MerchantId,
        after: Option<EventId>,
        limit: u32,
    ) -> Result<Option<Vec<EventRecord>>, StoreError> {
        self.there().await?;
        self.back(self.shared.events(merchant, after, limit).await).await
    }
}

#[async_trait]
impl Deliveries for FarStore {
    async fn outgoing(&self, payment: PaymentId, sequence: u32) -> Result<Option<Outgoing>, StoreError> {
        self.there().await?;
        self.back(self.shared.outgoing(payment, sequence).await).await
    }

    async fn record_attempt(
        &self,
        before: &Delivery,
        after: &Delivery,
        attempt: &DeliveryAttempt,
    ) -> Result<bool, StoreError> {
        self.there().await?;
        let mut after = after.clone();
        if self.stage.has(Bug::DeliveryNotRetried) {
            planted_store::dead_at_once(&mut after);
        }
        self.changed(self.shared.record_attempt(before, &after, attempt).await).await
    }

    async fn reschedule(&self, before: &Delivery, after: &Delivery) -> Result<bool, StoreError> {
        self.there().await?;
        self.changed(self.shared.reschedule(before, after).await).await
    }

    async fn claim_due(&self, now: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<DeliveryDue>, StoreError> {
        self.there().await?;
        self.changed(self.shared.claim_due(now, until, limit).await).await
    }

    async fn oldest_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.there().await?;
        self.back(self.shared.oldest_due(now).await).await
    }

    async fn deliveries(&self, payment: PaymentId) -> Result<Vec<(Delivery, Vec<DeliveryAttempt>)>, StoreError> {
        self.there().await?;
        self.back(self.shared.deliveries(payment).await).await
    }
}

#[async_trait]
impl Endpoints for FarStore {
    async fn endpoint(&self, merchant: MerchantId) -> Result<Option<WebhookEndpoint>, StoreError> {
        self.there().await?;
        self.back(self.shared.endpoint(merchant).await).await
    }

    async fn put_endpoint(&self, endpoint: &WebhookEndpoint) -> Result<bool, StoreError> {
        self.there().await?;
        self.changed(self.shared.put_endpoint(endpoint).await).await
    }

    async fn waited_for(&self, after: Option<MerchantId>, limit: u32) -> Result<WaitedFor, StoreError> {
        self.there().await?;
        self.back(self.shared.waited_for(after, limit).await).await
    }

    async fn release_waiting(&self, merchant: MerchantId, at: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.there().await?;
        self.changed(self.shared.release_waiting(merchant, at, limit).await).await
    }
}

#[async_trait]
impl Agenda for FarStore {
    async fn due(
        &self,
        what: Agendum,
        now: Timestamp,
        after: Option<(Timestamp, PaymentId)>,
        limit: u32,
    ) -> Result<Vec<(Timestamp, PaymentId)>, StoreError> {
        self.there().await?;
        self.back(self.shared.due(what, now, after, limit).await).await
    }

    async fn postpone(
        &self,
        what: Agendum,
        payment: PaymentId,
        version: u64,
        at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.there().await?;
        self.changed(self.shared.postpone(what, payment, version, at).await).await
    }

    async fn next_due(&self) -> Result<NextDue, StoreError> {
        self.there().await?;
        self.back(self.shared.next_due().await).await
    }

    async fn standing(&self, now: Timestamp) -> Result<Standing, StoreError> {
        self.there().await?;
        self.back(self.shared.standing(now).await).await
    }
}

#[async_trait]
impl Audit for FarStore {
    async fn books(&self, after: Option<PaymentId>, limit: u32) -> Result<Vec<(PaymentId, Option<Books>)>, StoreError> {
        self.there().await?;
        self.back(self.shared.books(after, limit).await).await
    }

    async fn keep_violations(
        &self,
        after: Option<PaymentId>,
        upto: PaymentId,
        found: &[(PaymentId, Invariant)],
    ) -> Result<(), StoreError> {
        self.there().await?;
        self.changed(self.shared.keep_violations(after, upto, found).await).await
    }

    async fn violations(&self) -> Result<Vec<(Invariant, u64)>, StoreError> {
        self.there().await?;
        self.back(self.shared.violations().await).await
    }

    async fn violators(&self, among: &[PaymentId]) -> Result<BTreeSet<PaymentId>, StoreError> {
        self.there().await?;
        self.back(self.shared.violators(among).await).await
    }

    async fn job(&self, name: &'static str) -> Result<JobState, StoreError> {
        self.there().await?;
        self.back(self.shared.job(name).await).await
    }

    async fn put_job(&self, name: &'static str, state: &JobState) -> Result<(), StoreError> {
        self.there().await?;
        self.changed(self.shared.put_job(name, state).await).await
    }
}

#[async_trait]
impl Settlements for FarStore {
    async fn settlement(&self, id: SettlementId) -> Result<Option<Settlement>, StoreError> {
        self.there().await?;
        self.back(self.shared.settlement(id).await).await
    }

    async fn latest_settlement(&self, date: Date) -> Result<Option<Settlement>, StoreError> {
        self.there().await?;
        self.back(self.shared.latest_settlement(date).await).await
    }

    async fn unfinished_settlement(&self) -> Result<Option<Settlement>, StoreError> {
        self.there().await?;
        self.back(self.shared.unfinished_settlement().await).await
    }

    async fn put_settlement(&self, settlement: &Settlement) -> Result<bool, StoreError> {
        self.there().await?;
        self.changed(self.shared.put_settlement(settlement).await).await
    }

    async fn merchant_totals(&self, id: SettlementId, merchant: MerchantId) -> Result<Vec<Totals>, StoreError> {
        self.there().await?;
        self.back(self.shared.merchant_totals(id, merchant).await).await
    }

    async fn settlement_lines(
        &self,
        id: SettlementId,
        merchant: MerchantId,
        after: Option<(u32, u32)>,
        limit: u32,
    ) -> Result<Vec<PlacedLine>, StoreError> {
        self.there().await?;
        self.back(self.shared.settlement_lines(id, merchant, after, limit).await).await
    }
}

#[async_trait]
impl SettlementChunks for FarStore {
    async fn last_chunk(&self, id: SettlementId, lane: Lane) -> Result<Option<(u32, Checkpoint)>, StoreError> {
        self.there().await?;
        let last = self.shared.last_chunk(id, lane).await;
        if self.stage.has(Bug::ShardTakenForDone) && lane.shard().is_some_and(|shard| shard % 16 == 5) {
            return Ok(Some((lane.before(), Checkpoint::Closed)));
        }
        self.back(last).await
    }

    async fn negative_balances(
        &self,
        id: SettlementId,
        after: Option<(MerchantId, Currency)>,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Balance)>, StoreError> {
        self.there().await?;
        self.back(self.shared.negative_balances(id, after, limit).await).await
    }

    async fn payments_to_settle(
        &self,
        shard: Option<u32>,
        cutoff: Timestamp,
        after: Option<(Timestamp, PaymentId)>,
        limit: u32,
    ) -> Result<Vec<Waiting<PaymentId, Payment>>, StoreError> {
        self.there().await?;
        let cutoff = if self.stage.has(Bug::CutOffIgnored) { Timestamp::MAX } else { cutoff };
        self.back(self.shared.payments_to_settle(shard, cutoff, after, limit).await).await
    }

    async fn refunds_to_settle(
        &self,
        shard: Option<u32>,
        cutoff: Timestamp,
        after: Option<(Timestamp, RefundId)>,
        limit: u32,
    ) -> Result<Vec<Waiting<RefundId, (Refund, Payment)>>, StoreError> {
        self.there().await?;
        self.back(self.shared.refunds_to_settle(shard, cutoff, after, limit).await).await
    }

    async fn commit_chunk(&self, chunk: &Chunk) -> Result<ChunkCommitted, StoreError> {
        self.there().await?;
        let mut chunk = chunk.clone();
        if self.stage.has(Bug::CheckpointBeforeWork) && self.stage.dice.chance(300) {
            chunk.sets.clear();
        }
        let committed = self.shared.commit_chunk(&chunk).await;
        if matches!(committed, Ok(ChunkCommitted::Done)) {
            for change in chunk.sets.iter().filter_map(|set| set.payment.as_ref()) {
                self.stage.watch.committed(change, &self.stage.story);
                self.stage.story.tell(self.owner, Some(change.payment.id), "settles", || {
                    format!("in chunk {} of {}", chunk.number, chunk.settlement)
                });
            }
        }
        self.changed(committed).await
    }

    async fn chunk_sums(&self, id: SettlementId, number: u32) -> Result<Option<ChunkSums>, StoreError> {
        self.there().await?;
        self.back(self.shared.chunk_sums(id, number).await).await
    }
}

#[async_trait]
impl SettlementShards for FarStore {
    async fn shard_books(&self, id: SettlementId) -> Result<Vec<ShardBooks>, StoreError> {
        self.there().await?;
        self.back(self.shared.shard_books(id).await).await
    }

    async fn put_shard_books(&self, books: &ShardBooks) -> Result<(), StoreError> {
        self.there().await?;
        self.changed(self.shared.put_shard_books(books).await).await
    }
}
