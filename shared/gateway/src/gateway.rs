//! The gateway: the ports and settings that every use-case works with.

use std::{future::Future, ops::Deref, sync::Arc, time::Duration};

use futures::channel::oneshot;
use tollgate_domain::{BootId, Change, Payment, ProviderName, Timestamp};

use crate::{
    Error,
    endpoint_health::EndpointHealth,
    flags::KnownFlags,
    fresh::LastKey,
    kept_errors::KeptErrors,
    kept_statuses::KeepingNow,
    ports::{
        Agenda, Audit, Deliveries, DeliveryLists, Endpoints, Entropy, EventBacklog, EventFormat, Exceptions,
        FailPoints, Flags, Merchants, OperatorActs, Provider, Queue, RecordBooks, SettlementChunks, SettlementShards,
        Settlements, ShardQueue, Spawn, Store, Time, Timelines, WebhookSender, settlements::CHUNK_AT_MOST,
        statuses::StatusCache, store::Upkeep,
    },
    recent_returns::RecentReturns,
    records::{Cause, ChangeSet, EventRecord, ProviderReference},
    return_link::ReturnLinks,
    secrets::SecretsKey,
    store_guard::StoreGuard,
};

/// Everything that the use-cases need from outside.
#[derive(Clone)]
pub struct Ports {
    /// What is kept.
    pub stores: Stores,
    /// The providers that are on.
    pub providers: Vec<Arc<dyn Provider>>,
    /// Renders events to merchants.
    pub events: Arc<dyn EventFormat>,
    /// Keeps payments as merchants see them, for while the store is away; `None`: nothing is kept.
    pub statuses: Option<StatusCache>,
    /// Says between functions what is due.
    pub queue: Arc<dyn Queue>,
    /// Says which parts of a settlement are to be settled.
    pub shards: Arc<dyn ShardQueue>,
    /// Keeps providers' events while the store is away.
    pub backlog: Arc<dyn EventBacklog>,
    /// Sends webhooks to merchants.
    pub webhooks: Arc<dyn WebhookSender>,
    /// Seals and opens what signs them.
    pub secrets: SecretsKey,
    /// The clock.
    pub time: Arc<dyn Time>,
    /// Starts tasks.
    pub spawn: Arc<dyn Spawn>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where tests crash it.
    pub fail_points: Arc<dyn FailPoints>,
}

/// What is kept, by what it is kept for. One store usually is all of it.
#[derive(Clone)]
pub struct Stores {
    /// Payments: commits, and the reads that decisions need.
    pub payments: Arc<dyn Store>,
    /// Lists, timelines, refunds and the feed.
    pub timelines: Arc<dyn Timelines>,
    /// Deliveries to merchants.
    pub deliveries: Arc<dyn Deliveries>,
    /// All of them, by time.
    pub delivery_lists: Arc<dyn DeliveryLists>,
    /// Where merchants' webhooks go.
    pub endpoints: Arc<dyn Endpoints>,
    /// Merchants.
    pub merchants: Arc<dyn Merchants>,
    /// What operators switch.
    pub flags: Arc<dyn Flags>,
    /// What jobs have to look at.
    pub agenda: Arc<dyn Agenda>,
    /// Settlements.
    pub settlements: Arc<dyn Settlements>,
    /// The making of settlements.
    pub settlement_chunks: Arc<dyn SettlementChunks>,
    /// What is known of their shards.
    pub settlement_shards: Arc<dyn SettlementShards>,
    /// The books, for checking, and how far jobs came.
    pub audit: Arc<dyn Audit>,
    /// What of providers' own records was seen, and what should be among them.
    pub record_books: Arc<dyn RecordBooks>,
    /// What does not agree with them.
    pub exceptions: Arc<dyn Exceptions>,
    /// What operators did.
    pub operator_acts: Arc<dyn OperatorActs>,
    /// House-keeping.
    pub upkeep: Arc<dyn Upkeep>,
}

impl Stores {
    /// One store for everything.
    pub fn of<S>(store: &Arc<S>) -> Self
    where
        S: Store
            + Timelines
            + Deliveries
            + DeliveryLists
            + Endpoints
            + Merchants
            + Flags
            + Agenda
            + Settlements
            + SettlementChunks
            + SettlementShards
            + Audit
            + RecordBooks
            + Exceptions
            + OperatorActs
            + Upkeep,
    {
        Self {
            payments: Arc::clone(store) as _,
            timelines: Arc::clone(store) as _,
            deliveries: Arc::clone(store) as _,
            delivery_lists: Arc::clone(store) as _,
            endpoints: Arc::clone(store) as _,
            merchants: Arc::clone(store) as _,
            flags: Arc::clone(store) as _,
            agenda: Arc::clone(store) as _,
            settlements: Arc::clone(store) as _,
            settlement_chunks: Arc::clone(store) as _,
            settlement_shards: Arc::clone(store) as _,
            audit: Arc::clone(store) as _,
            record_books: Arc::clone(store) as _,
            exceptions: Arc::clone(store) as _,
            operator_acts: Arc::clone(store) as _,
            upkeep: Arc::clone(store) as _,
        }
    }
}

/// The numbers that the use-cases keep to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This start of this process.
    pub boot: BootId,
    /// One call to a provider, whole (contract: 10 s).
    pub provider_timeout: Duration,
    /// One store operation, interactive (contract: 5 s).
    pub store_timeout: Duration,
    /// How much goes into one chunk of a settlement.
    pub settlement_chunk: u32,
    /// How long a settlement pauses after a chunk, real time: what merchants ask for meanwhile goes first.
    pub settlement_pause: Duration,
    /// How often a run looks whether its shards are settled, real time.
    pub settlement_look: Duration,
    /// A shard that has not moved for so long is published again, real time: its message is lost, or whoever had it is.
    pub settlement_again: Duration,
    /// How long one holds the right to send: a provider call and what comes around it. Nothing is sent after it.
    pub lease: Duration,
    /// Makes and checks the links that payers come back by.
    pub return_links: ReturnLinks,
    /// How the ids that the store keeps rows by are made.
    pub keys: Keys,
    /// How long a job waits before it asks a store again that is away; twice as long each time, real time.
    pub job_retry: Duration,
}

/// How ids are made: what is right for one store is wrong for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// 128 random bits: rows spread over all servers of a distributed store, and no server is hot.
    Random,
    /// 48 bits of time, 16 that count within it, and 64 random ones: what is made together lies together in a file, and a commit touches few pages.
    ByTime,
}

impl Settings {
    /// The contract's numbers.
    pub fn new(boot: BootId, return_links: ReturnLinks) -> Self {
        Self {
            boot,
            provider_timeout: Duration::from_secs(10),
            store_timeout: Duration::from_secs(5),
            settlement_chunk: CHUNK_AT_MOST,
            settlement_pause: Duration::from_millis(20),
            settlement_look: Duration::from_secs(2),
            settlement_again: Duration::from_secs(90),
            lease: Duration::from_secs(20),
            return_links,
            keys: Keys::Random,
            job_retry: Duration::from_secs(2),
        }
    }
}

/// The use-cases. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

/// What a [`Gateway`] shares between its clones.
pub struct Inner {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) store: Arc<StoreGuard>,
    pub(crate) health: EndpointHealth,
    pub(crate) flags: KnownFlags,
    pub(crate) returns: RecentReturns,
    pub(crate) kept_errors: KeptErrors,
    pub(crate) keeping: KeepingNow,
    pub(crate) last_key: LastKey,
}

impl Deref for Gateway {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// What a request brings along for the records.
#[derive(Debug, Clone)]
pub struct Context {
    /// On every log line, history row and audit row that the request leads to.
    pub correlation_id: String,
}

impl Gateway {
    /// A gateway on these ports, with a guard of its own before the store.
    pub fn new(ports: Ports, settings: Settings) -> Self {
        let guard = Arc::new(StoreGuard::new(Arc::clone(&ports.time)));
        Self::guarded(ports, settings, guard)
    }

    /// A gateway on these ports that shares the guard before the store with whoever else asks it.
    pub fn guarded(ports: Ports, settings: Settings, store: Arc<StoreGuard>) -> Self {
        Self(Arc::new(Inner {
            store,
            ports,
            settings,
            health: EndpointHealth::default(),
            flags: KnownFlags::default(),
            returns: RecentReturns::default(),
            kept_errors: KeptErrors::default(),
            keeping: KeepingNow::default(),
            last_key: LastKey::default(),
        }))
    }

    /// The present, cut to what the stores keep: what is answered now reads the same later.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.ports.time.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// The provider, if it is on.
    pub(crate) fn provider(&self, name: ProviderName) -> Option<&Arc<dyn Provider>> {
        self.ports.providers.iter().find(|provider| provider.name() == name)
    }

    /// Runs `work` to its end even if the caller goes away: a merchant who hangs up must not cut a payment off between
    /// the provider's answer and its commit.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = oneshot::channel();
        let task = async move {
            // A receiver that is gone has no use for the result; the work is done all the same.
            let _ = sender.send(work.await);
        };
        self.ports.spawn.spawn(Box::pin(task));
        receiver.await.unwrap_or(Err(Error::Internal))
    }

    /// The change set that commits `change` of `before`.
    pub(crate) fn change_set(
        &self,
        before: Option<&Payment>,
        change: Change,
        cause: Cause,
        context: &Context,
    ) -> ChangeSet {
        let payment = &change.payment;
        let events = change
            .events
            .iter()
            .map(|event| {
                let id = self.event_id();
                EventRecord {
                    id,
                    payment: payment.id,
                    merchant: payment.merchant,
                    sequence: event.sequence,
                    kind: event.kind,
                    body: self.ports.events.body(id, event),
                    at: event.at,
                }
            })
            .collect();
        let known_before = before.and_then(|before| before.provider_transaction_id.as_deref());
        let reference =
            payment.provider_transaction_id.as_deref().filter(|reference| known_before != Some(reference)).map(
                |reference| ProviderReference {
                    provider: payment.provider,
                    reference: reference.to_owned(),
                    payment: payment.id,
                },
            );
        let mut set = ChangeSet::of(self.change_id(), change, cause, &context.correlation_id, events);
        set.reference = reference;
        set
    }
}
