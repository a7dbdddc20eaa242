//! Opens the store that `STORE_URL` names, and asks it within a bound.
//!
//! Must not know: what is asked.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use tollgate_api::events::JsonEvents;
use tollgate_assembly::StoreConfiguration;
use tollgate_domain::{BootId, ChangeId, MerchantId, Timestamp};
use tollgate_gateway::{
    Gateway, Keys, Ports, ReturnLinks, Settings, Stores,
    ports::{
        Entropy, StoreError, event_backlog::NoBacklog, fail_points::NoFailPoints, merchants::Merchant, queue::NoQueue,
    },
    reconcile::StatementCheck,
    secrets::SecretsKey,
};
use tollgate_runtime::{System, system::within};
use tollgate_store::{Options as SqliteOptions, Schema, SqliteStore};
use tollgate_store_spanner::{DatabaseName, Options as SpannerOptions, SETTLEMENT_CHUNK, SpannerStore};
use tollgate_webhooks::{AddressPolicy, HttpWebhookSender};

use crate::failure::mistaken;

/// Nobody waits longer for one question to the store, connecting to it included.
const STORE_TIMEOUT: Duration = Duration::from_secs(30);
/// One round trip to Spanner: a command from somewhere else may be further away than a function.
const SPANNER_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The store, and the machine's clock and randomness.
pub(crate) struct Operator {
    /// What is kept.
    pub(crate) stores: Stores,
    /// Which store it is, for people.
    pub(crate) name: String,
    system: System,
    /// How this store wants ids to be made, and how much of a settlement it takes at once.
    habits: (Keys, Option<u32>),
}

/// Spanner, as a command asks it.
pub(crate) fn spanner(database: DatabaseName, emulator: Option<String>, system: &System) -> SpannerStore {
    let mut options = SpannerOptions::new(database).emulator(emulator);
    options.attempt_timeout = SPANNER_ATTEMPT_TIMEOUT;
    options.operation_timeout = STORE_TIMEOUT;
    SpannerStore::new(options, Arc::clone(&system.time))
}

impl Operator {
    /// Opens the store. It must be there, with this program's schema.
    pub(crate) async fn open(configuration: &StoreConfiguration) -> anyhow::Result<Self> {
        let system = System::real();
        let (stores, habits, name) = match configuration {
            StoreConfiguration::Sqlite(path) => {
                // A path with a mistake in it would else become an empty store, in which nothing is found.
                if !path.is_file() {
                    let path = path.display();
                    return Err(mistaken(format!(
                        "STORE_URL: there is no database {path}; `tollgate migrate` makes it"
                    )));
                }
                has_this_schema(path)?;
                let stores = Stores::of(&Arc::new(open_sqlite(path, &system)?));
                (stores, (Keys::ByTime, None), format!("sqlite:{}", path.display()))
            }
            StoreConfiguration::Spanner { database, emulator } => {
                let store = Arc::new(spanner(database.parse()?, emulator.clone(), &system));
                let name = format!("spanner:{database}{}", if emulator.is_some() { " (an emulator)" } else { "" });
                (Stores::of(&store), (Keys::Random, Some(SETTLEMENT_CHUNK)), name)
            }
        };
        let operator = Self { stores, name, system, habits };
        operator.ask(operator.stores.payments.ping()).await?;
        Ok(operator)
    }

    /// The answer to a question, or why there is none.
    pub(crate) async fn ask<T>(&self, question: impl Future<Output = Result<T, StoreError>>) -> anyhow::Result<T> {
        let answer = within(self.system.time.as_ref(), STORE_TIMEOUT, question).await;
        Ok(answer.context("the store did not answer in time")??)
    }

    /// The merchant, who must be there.
    pub(crate) async fn merchant(&self, id: MerchantId) -> anyhow::Result<Merchant> {
        self.ask(self.stores.merchants.merchant(id)).await?.with_context(|| format!("there is no merchant {id}"))
    }

    /// The present, cut to what the stores keep.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.system.time.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// Randomness.
    pub(crate) fn entropy(&self) -> &dyn Entropy {
        self.system.entropy.as_ref()
    }

    /// Waits.
    pub(crate) async fn sleep(&self, time: Duration) {
        self.system.time.sleep(time).await;
    }

    /// An id of something that is done now.
    pub(crate) fn change_id(&self) -> ChangeId {
        let mut bytes = [0; 16];
        self.entropy().fill(&mut bytes);
        ChangeId::from_random(bytes)
    }

    /// The use-cases that seal nothing: with a key that nobody has, so that nothing sealed by mistake is ever taken for good.
    pub(crate) fn gateway_without_secrets(&self) -> Gateway {
        let mut nobodys = [0; 32];
        self.entropy().fill(&mut nobodys);
        self.gateway(&nobodys)
    }

    /// What holds a statement of the bank against the store.
    pub(crate) fn statement_check(&self) -> StatementCheck {
        StatementCheck::new(&self.stores, Arc::clone(&self.system.time))
    }

    /// The use-cases. No provider is called through it, and no queue told: what becomes due, the functions
    /// find.
    pub(crate) fn gateway(&self, secrets_key: &[u8; 32]) -> Gateway {
        let ports = Ports {
            stores: self.stores.clone(),
            providers: Vec::new(),
            events: Arc::new(JsonEvents),
            statuses: None,
            queue: Arc::new(NoQueue),
            shards: Arc::new(NoQueue),
            backlog: Arc::new(NoBacklog),
            webhooks: Arc::new(HttpWebhookSender::new(AddressPolicy::production(), Arc::clone(&self.system.time))),
            secrets: SecretsKey::new(secrets_key),
            time: Arc::clone(&self.system.time),
            spawn: Arc::new(self.system.tasks.clone()),
            entropy: Arc::clone(&self.system.entropy),
            fail_points: Arc::new(NoFailPoints),
        };
        let mut settings = Settings::new(boot(&self.system), ReturnLinks::new("", secrets_key));
        settings.keys = self.habits.0;
        settings.settlement_chunk = self.habits.1.unwrap_or(settings.settlement_chunk);
        Gateway::new(ports, settings)
    }
}

/// Opening a store migrates it: that is for `tollgate migrate` to do, and for functions, not for whoever only looks.
fn has_this_schema(path: &Path) -> anyhow::Result<()> {
    let schema = SqliteStore::schema(path);
    let Schema { applied, known } = schema.with_context(|| format!("the store {} cannot be opened", path.display()))?;
    if applied < known {
        let path = path.display();
        return Err(mistaken(format!(
            "STORE_URL: {path} has {applied} of the {known} migrations that this program knows: run `tollgate migrate`"
        )));
    }
    Ok(())
}

/// Opens the file, makes it or migrates it where needed.
pub(crate) fn open_sqlite(path: &Path, system: &System) -> anyhow::Result<SqliteStore> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(mistaken(format!("STORE_URL: there is no folder {}", folder.display())));
    }
    // What stands beside the file is found by its name: all programs must come to the same one, links or not.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let store = SqliteStore::open(&path, SqliteOptions::new(boot(system)), Arc::clone(&system.time));
    store.with_context(|| format!("the store {} cannot be opened", path.display()))
}

fn boot(system: &System) -> BootId {
    let mut boot = [0; 16];
    system.entropy.fill(&mut boot);
    BootId::from_random(boot)
}
