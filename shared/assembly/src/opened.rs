//! Opens what the configuration names: one of the stores, one of the queues, one of the counters.
//!
//! Must not know: what is done with them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use tollgate_counters::{EmbeddedCounters, RedisCounters, Source};
use tollgate_domain::BootId;
use tollgate_gateway::{
    Keys, Stores,
    ports::{Counters, Queue, Time},
};
use tollgate_messaging::EmbeddedQueue;
use tollgate_runtime::trace::current_traceparent;
use tollgate_store::{Options, SqliteStore};

use crate::{CountersConfiguration, QueueConfiguration, StoreConfiguration};

/// A store, and what is right for it.
pub(crate) struct OpenedStore {
    pub(crate) stores: Stores,
    pub(crate) keys: Keys,
    /// How much a settlement's chunk may carry; `None`: as much as any.
    pub(crate) settlement_chunk: Option<u32>,
    /// Where it is, if it is a file that stays.
    pub(crate) file: Option<PathBuf>,
}

/// A queue, and the embedded one's other end.
pub(crate) struct OpenedQueue {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) embedded: Option<EmbeddedQueue>,
}

pub(crate) fn store(
    configuration: &StoreConfiguration,
    boot: BootId,
    time: &Arc<dyn Time>,
    ephemeral: bool,
) -> anyhow::Result<OpenedStore> {
    match configuration {
        StoreConfiguration::Sqlite(path) => sqlite(path, boot, time, ephemeral),
        StoreConfiguration::Spanner { database, emulator } => spanner(database, emulator.clone(), time),
    }
}

fn sqlite(path: &Path, boot: BootId, time: &Arc<dyn Time>, ephemeral: bool) -> anyhow::Result<OpenedStore> {
    let options = if ephemeral { Options::new(boot).ephemeral() } else { Options::new(boot) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        anyhow::bail!("STORE_URL: there is no folder {}", folder.display());
    }
    // What stands beside the file is found by its name: all functions must come to the same one, links or not.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let store = SqliteStore::open(&path, options, Arc::clone(time))
        .with_context(|| format!("the store {} cannot be opened", path.display()))?;
    let stores = Stores::of(&Arc::new(store));
    Ok(OpenedStore { stores, keys: Keys::ByTime, settlement_chunk: None, file: (!ephemeral).then_some(path) })
}

/// Nothing is connected yet: a function whose database is away starts, and says that it is not ready.
#[cfg(feature = "google-cloud")]
fn spanner(database: &str, emulator: Option<String>, time: &Arc<dyn Time>) -> anyhow::Result<OpenedStore> {
    use tollgate_store_spanner::{Options, SETTLEMENT_CHUNK, SpannerStore};

    let options = Options::new(database.parse()?).emulator(emulator);
    let stores = Stores::of(&Arc::new(SpannerStore::new(options, Arc::clone(time))));
    Ok(OpenedStore { stores, keys: Keys::Random, settlement_chunk: Some(SETTLEMENT_CHUNK), file: None })
}

#[cfg(not(feature = "google-cloud"))]
fn spanner(_: &str, _: Option<String>, _: &Arc<dyn Time>) -> anyhow::Result<OpenedStore> {
    anyhow::bail!("this program is built without Google Cloud")
}

/// The embedded queue's file is beside the store's. Beside a store that is no file it is in memory: what it loses is due by
/// itself.
pub(crate) async fn queue(
    configuration: &QueueConfiguration,
    store: Option<&Path>,
    time: &Arc<dyn Time>,
) -> anyhow::Result<OpenedQueue> {
    if let QueueConfiguration::Pubsub { .. } = configuration {
        return Ok(OpenedQueue { queue: pubsub(configuration, time).await?, embedded: None });
    }
    let (options, time) = (tollgate_messaging::Options::default(), Arc::clone(time));
    let opened = match store {
        None => EmbeddedQueue::in_memory(options, time),
        Some(store) => {
            let mut file = store.as_os_str().to_owned();
            file.push(".queue");
            EmbeddedQueue::open(PathBuf::from(file), options, time)
        }
    };
    let embedded = opened.context("the queue cannot be opened")?.keeping_traces(Arc::new(current_traceparent));
    Ok(OpenedQueue { queue: Arc::new(embedded.clone()), embedded: Some(embedded) })
}

#[cfg(feature = "google-cloud")]
async fn pubsub(configuration: &QueueConfiguration, time: &Arc<dyn Time>) -> anyhow::Result<Arc<dyn Queue>> {
    use tollgate_messaging_pubsub::{Options, PubsubQueue, Topics};

    let QueueConfiguration::Pubsub { url, dead_letter, publish_timeout, emulator } = configuration else {
        anyhow::bail!("this queue is not Pub/Sub")
    };
    let mut options = Options::new(Topics::read(url, dead_letter.as_deref())?, emulator.clone());
    options.publish_timeout_ms = u64::try_from(publish_timeout.as_millis()).unwrap_or(u64::MAX);
    Ok(Arc::new(PubsubQueue::connect(options, Arc::clone(time), Arc::new(current_traceparent)).await?))
}

#[cfg(not(feature = "google-cloud"))]
#[allow(clippy::unused_async, reason = "the other build waits")]
async fn pubsub(_: &QueueConfiguration, _: &Arc<dyn Time>) -> anyhow::Result<Arc<dyn Queue>> {
    anyhow::bail!("this program is built without Google Cloud")
}

pub(crate) async fn counters(
    configuration: &CountersConfiguration,
    time: &Arc<dyn Time>,
) -> anyhow::Result<Arc<dyn Counters>> {
    match &configuration.source {
        Source::Embedded => Ok(Arc::new(EmbeddedCounters::new(Arc::clone(time)))),
        Source::Redis(address) => {
            let options = tollgate_counters::Options {
                instances: configuration.instances,
                command_timeout: configuration.timeout,
                ..tollgate_counters::Options::default()
            };
            let counters = RedisCounters::connect(address.clone(), options, Arc::clone(time)).await;
            Ok(Arc::new(counters.context("COUNTERS_URL: TLS cannot be set up")?))
        }
    }
}
