//! The parts of a function, built from its configuration.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::Context;
use tollgate_api::{events::JsonEvents, statuses::JsonStatuses};
use tollgate_counters::EmbeddedCounters;
use tollgate_domain::{BootId, ProviderName};
use tollgate_gateway::{
    Authenticator, Gateway, Ports, RateLimits, ReturnLinks, Settings, StoreGuard, Stores,
    ports::{
        Counters, EventReader, FailPoints, HttpClient, Time, WebhookSender, fail_points::NoFailPoints,
        statuses::StatusCache,
    },
    secrets::SecretsKey,
};
use tollgate_messaging::{EmbeddedQueue, events::EventFile};
use tollgate_providers::{Breakers, HttpSettings, ReqwestClient};
use tollgate_runtime::{
    Admission, Background, System, TrustedProxies,
    health::{Check, Fact},
};
use tollgate_webhooks::{AddressPolicy, HttpWebhookSender};

use crate::{Configuration, FrontConfiguration, opened, providers::Providers};

/// How long readiness waits for the store.
const STORE_ANSWERS_WITHIN: Duration = Duration::from_millis(2500);

/// What a sandbox replaces.
#[derive(Clone)]
pub struct Outside {
    /// How providers are called.
    pub http: Arc<dyn HttpClient>,
    /// How merchants' endpoints are called.
    pub webhooks: Arc<dyn WebhookSender>,
    /// Where a test crashes it.
    pub fail_points: Arc<dyn FailPoints>,
    /// Nothing that is written needs to survive.
    pub ephemeral: bool,
}

impl Outside {
    /// Production.
    pub fn real(configuration: &Configuration, system: &System) -> anyhow::Result<Self> {
        let settings =
            HttpSettings { connect_timeout: configuration.provider_connect_timeout, ..HttpSettings::default() };
        let http = ReqwestClient::new(settings).context("no HTTP client can be made")?;
        let webhooks = HttpWebhookSender::new(AddressPolicy::production(), Arc::clone(&system.time));
        let (http, webhooks, fail_points) = (Arc::new(http), Arc::new(webhooks), Arc::new(NoFailPoints));
        Ok(Self { http, webhooks, fail_points, ephemeral: false })
    }
}

/// The parts that functions are made of.
#[derive(Clone)]
pub struct Parts {
    /// The use-cases.
    pub gateway: Gateway,
    /// Who calls.
    pub authenticator: Arc<Authenticator>,
    /// Who reads the events of the providers that are on.
    pub readers: HashMap<ProviderName, Arc<dyn EventReader>>,
    /// The store, for what no use-case covers: making merchants, readiness.
    pub stores: Stores,
    /// The embedded queue, for whoever takes its messages. `None`: Pub/Sub pushes them, and Cloud Scheduler calls the
    /// jobs.
    pub embedded_queue: Option<EmbeddedQueue>,
    /// Where providers' events wait while the store is away, for whoever applies them. `None`: Pub/Sub pushes them, or they
    /// are kept nowhere.
    pub event_file: Option<EventFile>,
    /// Rate limits and other shared counters.
    pub counters: Arc<dyn Counters>,
    /// How the breakers before each provider stand.
    pub breakers: Vec<Breakers>,
    /// What stands before the store.
    pub store_guard: Arc<StoreGuard>,
    /// How much is worked on at a time.
    pub admission: Admission,
    /// Our own proxies before us.
    pub trusted_proxies: TrustedProxies,
    front: FrontConfiguration,
    time: Arc<dyn Time>,
    /// Seals merchants' secrets.
    pub secrets_key: SecretsKey,
}

impl Parts {
    /// Opens the store and builds what works on it.
    pub async fn build(configuration: &Configuration, system: &System, outside: Outside) -> anyhow::Result<Self> {
        let mut boot = [0; 16];
        system.entropy.fill(&mut boot);
        let boot = BootId::from_random(boot);
        let store = opened::store(&configuration.store, boot, &system.time, outside.ephemeral)?;
        let queue = opened::queue(&configuration.queue, store.file.as_deref(), &system.time, outside.ephemeral).await?;
        let (counters, statuses) = opened::counters(&configuration.counters, &system.time).await?;
        let secrets_key = SecretsKey::new(&configuration.secrets_key);
        let providers = Providers::build(configuration, &counters, &secrets_key, system, &outside)?;
        let ports = Ports {
            stores: store.stores.clone(),
            providers: providers.all,
            events: Arc::new(JsonEvents),
            statuses: Some(StatusCache { statuses, format: Arc::new(JsonStatuses) }),
            queue: queue.queue,
            shards: queue.shards,
            backlog: queue.backlog,
            webhooks: outside.webhooks,
            secrets: secrets_key.clone(),
            time: Arc::clone(&system.time),
            spawn: Arc::new(system.tasks.clone()),
            entropy: Arc::clone(&system.entropy),
            fail_points: outside.fail_points,
        };
        let links = ReturnLinks::new(&configuration.public_url, &configuration.secrets_key);
        let mut settings = Settings::new(boot, links);
        settings.keys = store.keys;
        settings.provider_timeout = configuration.provider_timeout;
        settings.store_timeout = configuration.store_timeout;
        settings.settlement_chunk = store.settlement_chunk.unwrap_or(settings.settlement_chunk);
        let admission = Admission::new(configuration.front.admission, Arc::clone(&system.time));
        let store_guard = Arc::new(StoreGuard::new(Arc::clone(&system.time)).telling({
            let admission = admission.clone();
            move |took| admission.store_answered(took)
        }));
        let merchants = Arc::clone(&store.stores.merchants);
        let authenticator = Authenticator::new(merchants, Arc::clone(&store_guard), Arc::clone(&system.time));
        Ok(Self {
            gateway: Gateway::guarded(ports, settings, Arc::clone(&store_guard)),
            authenticator: Arc::new(authenticator),
            readers: providers.readers,
            stores: store.stores,
            embedded_queue: queue.embedded,
            event_file: queue.event_file,
            counters,
            breakers: providers.breakers,
            store_guard,
            admission,
            trusted_proxies: configuration.front.trusted_proxies,
            front: configuration.front,
            time: Arc::clone(&system.time),
            secrets_key,
        })
    }

    /// How often anybody may call. Strangers are counted anew for each function.
    pub fn rate_limits(&self) -> Arc<RateLimits> {
        let strangers = Arc::new(EmbeddedCounters::new(Arc::clone(&self.time)));
        let per_minute = self.front.merchant_requests_per_minute;
        Arc::new(RateLimits::new(Arc::clone(&self.counters), strangers, per_minute))
    }

    /// Ready when the store answers.
    pub fn store_check(&self) -> Check {
        let store = Arc::clone(&self.stores.payments);
        let check = Check::new("store", move || {
            let store = Arc::clone(&store);
            async move { Ok(store.ping().await?) }
        });
        // A little longer than the store tries to connect: then it says itself what it cannot reach.
        check.within(STORE_ANSWERS_WITHIN)
    }

    /// Ready when the embedded queue's writer is alive: for whoever delivers. (Who only publishes can do without, and nobody
    /// waits for Pub/Sub: what is due is found by itself.)
    pub fn queue_check(&self) -> Option<Check> {
        let queue = self.embedded_queue.clone()?;
        Some(Check::new("queue", move || {
            let queue = queue.clone();
            async move { Ok(queue.standing().await.map(drop)?) }
        }))
    }

    /// Without shared counters each instance decides by itself: ready, and said so.
    pub fn counters_check(&self) -> Check {
        let counters = Arc::clone(&self.counters);
        let check = Check::new("counters", move || {
            let counters = Arc::clone(&counters);
            async move { Ok(counters.ping().await?) }
        });
        check.can_do_without()
    }

    /// How the breakers before each provider stand, for `/health/deep`.
    pub fn breakers_fact(&self) -> Fact {
        let (breakers, guard) = (self.breakers.clone(), Arc::clone(&self.store_guard));
        Fact::new("circuit_breakers", move || {
            let states = breakers.iter().map(|of| (of.provider().as_str().to_owned(), of.worst().as_str().into()));
            let store = ("store".to_owned(), guard.standing().as_str().into());
            serde_json::Value::Object(states.chain([store]).collect())
        })
    }

    /// Shows in the metrics what earlier runs of jobs left, as soon as the store says it. Nobody waits for that.
    pub fn earlier_runs(&self) -> Background {
        let gateway = self.gateway.clone();
        Background::new(move |_| {
            let gateway = gateway.clone();
            async move {
                if let Err(error) = gateway.show_earlier_runs().await {
                    tracing::warn!(%error, "what earlier runs left is not shown until the next one");
                }
            }
        })
    }

    /// Whether jobs run by this process's own clock: where nobody calls them.
    pub fn runs_jobs(&self) -> bool {
        self.embedded_queue.is_some()
    }
}
