//! The parts of a function, built from its configuration.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use tollgate_api::events::JsonEvents;
use tollgate_domain::{BootId, ProviderName};
use tollgate_gateway::{
    Authenticator, Gateway, Keys, Ports, ReturnLinks, Settings, Stores,
    ports::{EventReader, FailPoints, HttpClient, Provider, Store, WebhookSender, fail_points::NoFailPoints},
    secrets::SecretsKey,
};
use tollgate_messaging::EmbeddedQueue;
use tollgate_providers::{HttpSettings, Metered, ReqwestClient, Secret, Stripe, StripeConfig, StripeEvents};
use tollgate_runtime::{System, health::Check};
use tollgate_store::{Options, SqliteStore};
use tollgate_webhooks::{AddressPolicy, HttpWebhookSender};

use crate::{Configuration, QueueConfiguration, StripeConfiguration};

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
    pub store: Arc<SqliteStore>,
    /// The queue between functions.
    pub queue: EmbeddedQueue,
    /// Seals merchants' secrets.
    pub secrets_key: SecretsKey,
}

impl Parts {
    /// Opens the store and builds what works on it.
    pub fn build(configuration: &Configuration, system: &System, outside: Outside) -> anyhow::Result<Self> {
        let mut boot = [0; 16];
        system.entropy.fill(&mut boot);
        let boot = BootId::from_random(boot);
        let options = if outside.ephemeral { Options::new(boot).ephemeral() } else { Options::new(boot) };
        let folder = configuration.store.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            anyhow::bail!("STORE_URL: there is no folder {}", folder.display());
        }
        // What stands beside the file is found by its name: all functions must come to the same one, links or not.
        let path = configuration.store.canonicalize().unwrap_or_else(|_| configuration.store.clone());
        let store = SqliteStore::open(&path, options, Arc::clone(&system.time))
            .with_context(|| format!("the store {} cannot be opened", path.display()))?;
        let store = Arc::new(store);
        let queue = open_queue(configuration, &path, system, &outside)?;
        let mut providers: Vec<Arc<dyn Provider>> = Vec::new();
        let mut readers: HashMap<ProviderName, Arc<dyn EventReader>> = HashMap::new();
        if let Some(stripe) = &configuration.stripe {
            let (provider, reader) = build_stripe(stripe, system, &outside)?;
            providers.push(provider);
            readers.insert(ProviderName::Stripe, reader);
        } else {
            tracing::warn!("Stripe is off: STRIPE_SECRET_KEY is not set");
        }
        let secrets_key = SecretsKey::new(&configuration.secrets_key);
        let ports = Ports {
            stores: Stores::of(&store),
            providers,
            events: Arc::new(JsonEvents),
            queue: Arc::new(queue.clone()),
            webhooks: outside.webhooks,
            secrets: secrets_key.clone(),
            time: Arc::clone(&system.time),
            spawn: Arc::new(system.tasks.clone()),
            entropy: Arc::clone(&system.entropy),
            fail_points: outside.fail_points,
        };
        let links = ReturnLinks::new(&configuration.public_url, &configuration.secrets_key);
        let mut settings = Settings::new(boot, links);
        settings.keys = Keys::ByTime;
        settings.provider_timeout = configuration.provider_timeout;
        settings.store_timeout = configuration.store_timeout;
        Ok(Self {
            gateway: Gateway::new(ports, settings),
            authenticator: Arc::new(Authenticator::new(store.clone(), Arc::clone(&system.time))),
            readers,
            store,
            queue,
            secrets_key,
        })
    }

    /// Ready when the store answers.
    pub fn store_check(&self) -> Check {
        let store = Arc::clone(&self.store);
        Check::new("store", move || {
            let store = Arc::clone(&store);
            async move { Ok(store.ping().await?) }
        })
    }

    /// Ready when the queue's writer is alive: for whoever delivers. (Who only publishes can do without: what is due is
    /// found by itself.)
    pub fn queue_check(&self) -> Check {
        let queue = self.queue.clone();
        Check::new("queue", move || {
            let queue = queue.clone();
            async move { Ok(queue.standing().await.map(drop)?) }
        })
    }
}

/// The queue's file is beside the store's. (One that nobody keeps is in memory.)
fn open_queue(
    configuration: &Configuration,
    store: &Path,
    system: &System,
    outside: &Outside,
) -> anyhow::Result<EmbeddedQueue> {
    let QueueConfiguration::Embedded = configuration.queue;
    let (options, time) = (tollgate_messaging::Options::default(), Arc::clone(&system.time));
    let opened = if outside.ephemeral {
        EmbeddedQueue::in_memory(options, time)
    } else {
        let mut file = store.as_os_str().to_owned();
        file.push(".queue");
        EmbeddedQueue::open(PathBuf::from(file), options, time)
    };
    opened.context("the queue cannot be opened")
}

fn build_stripe(
    configuration: &StripeConfiguration,
    system: &System,
    outside: &Outside,
) -> anyhow::Result<(Arc<dyn Provider>, Arc<dyn EventReader>)> {
    let secret = |secret: &tollgate_runtime::Secret| Secret::new(secret.expose());
    let config = StripeConfig { api_url: configuration.api_url.clone(), secret_key: secret(&configuration.secret_key) };
    let stripe = Stripe::new(&config, Arc::clone(&outside.http), Arc::clone(&system.time))?;
    let events = StripeEvents::new(configuration.webhook_secrets.iter().map(secret).collect())?;
    Ok((Arc::new(Metered::new(stripe, Arc::clone(&system.time))), Arc::new(events)))
}
