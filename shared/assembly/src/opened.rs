//! Opens what the configuration names: one of the stores, one of the queues, one of the counters.
//!
//! Must not know: what is done with them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use tollgate_counters::{EmbeddedCounters, EmbeddedStatuses, RedisCounters, Source};
use tollgate_domain::BootId;
use tollgate_gateway::{
    Keys, Stores,
    ports::{Counters, EventBacklog, Queue, ShardQueue, Statuses, Time, event_backlog::NoBacklog, queue::NoQueue},
};
use tollgate_messaging::{
    EmbeddedQueue, Traceparent,
    events::{EventFile, EventLimits},
};
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

/// A queue, with where providers' events are kept while the store is away, and the embedded ones' other ends.
pub(crate) struct OpenedQueue {
    pub(crate) queue: Arc<dyn Queue>,
    /// Where parts of settlements are published. On one machine nobody else would settle them.
    pub(crate) shards: Arc<dyn ShardQueue>,
    pub(crate) embedded: Option<EmbeddedQueue>,
    pub(crate) backlog: Arc<dyn EventBacklog>,
    pub(crate) event_file: Option<EventFile>,
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
    ephemeral: bool,
) -> anyhow::Result<OpenedQueue> {
    if let QueueConfiguration::Pubsub { .. } = configuration {
        let (queue, shards, backlog) = pubsub(configuration, time).await?;
        return Ok(OpenedQueue { queue, shards, embedded: None, backlog, event_file: None });
    }
    let (options, time) = (tollgate_messaging::Options::default(), Arc::clone(time));
    let opened = match store {
        None => EmbeddedQueue::in_memory(options, time),
        Some(store) => EmbeddedQueue::open(beside(store, ".queue"), options, time),
    };
    let embedded = opened.context("the queue cannot be opened")?.keeping_traces(Arc::new(current_traceparent));
    let event_file = event_file(store, ephemeral)?;
    let backlog: Arc<dyn EventBacklog> = match &event_file {
        Some(file) => Arc::new(file.clone()),
        None => Arc::new(NoBacklog),
    };
    let shards = Arc::new(NoQueue);
    Ok(OpenedQueue { queue: Arc::new(embedded.clone()), shards, embedded: Some(embedded), backlog, event_file })
}

/// A file beside the store's. Unlike what the queue holds, an event that was taken is nowhere else: beside a store that is
/// no file it is not kept in memory, and its provider sends it again; but where nothing is to survive.
fn event_file(store: Option<&Path>, ephemeral: bool) -> anyhow::Result<Option<EventFile>> {
    let traceparent: Traceparent = Arc::new(current_traceparent);
    let opened = match store {
        Some(store) => EventFile::open(beside(store, ".events"), EventLimits::default(), traceparent),
        None if ephemeral => EventFile::in_memory(EventLimits::default(), traceparent),
        None => return Ok(None),
    };
    opened.map(Some).context("what keeps providers' events cannot be opened")
}

fn beside(store: &Path, ending: &str) -> PathBuf {
    let mut file = store.as_os_str().to_owned();
    file.push(ending);
    PathBuf::from(file)
}

/// All on the same connection.
type Published = (Arc<dyn Queue>, Arc<dyn ShardQueue>, Arc<dyn EventBacklog>);

#[cfg(feature = "google-cloud")]
async fn pubsub(configuration: &QueueConfiguration, time: &Arc<dyn Time>) -> anyhow::Result<Published> {
    use tollgate_messaging_pubsub::{Named, Options, PubsubQueue, Topics};

    let QueueConfiguration::Pubsub { url, dead_letter, provider_events, settlement_shards, publish_timeout, emulator } =
        configuration
    else {
        anyhow::bail!("this queue is not Pub/Sub")
    };
    let named = Named {
        dead_letter: dead_letter.as_deref(),
        provider_events: provider_events.as_deref(),
        settlement_shards: settlement_shards.as_deref(),
    };
    let topics = Topics::read(url, named)?;
    let mut options = Options::new(topics, emulator.clone());
    options.publish_timeout_ms = u64::try_from(publish_timeout.as_millis()).unwrap_or(u64::MAX);
    let queue = Arc::new(PubsubQueue::connect(options, Arc::clone(time), Arc::new(current_traceparent)).await?);
    Ok((Arc::clone(&queue) as _, Arc::clone(&queue) as _, queue))
}

#[cfg(not(feature = "google-cloud"))]
#[allow(clippy::unused_async, reason = "the other build waits")]
async fn pubsub(_: &QueueConfiguration, _: &Arc<dyn Time>) -> anyhow::Result<Published> {
    anyhow::bail!("this program is built without Google Cloud")
}

/// The counters, and who keeps payments as they were, in the same place.
pub(crate) async fn counters(
    configuration: &CountersConfiguration,
    time: &Arc<dyn Time>,
) -> anyhow::Result<(Arc<dyn Counters>, Arc<dyn Statuses>)> {
    match &configuration.source {
        Source::Embedded => {
            let (counters, statuses) =
                (EmbeddedCounters::new(Arc::clone(time)), EmbeddedStatuses::new(Arc::clone(time)));
            Ok((Arc::new(counters), Arc::new(statuses)))
        }
        Source::Redis(address) => {
            let options = tollgate_counters::Options {
                instances: configuration.instances,
                command_timeout: configuration.timeout,
                ..tollgate_counters::Options::default()
            };
            let counters = RedisCounters::connect(address.clone(), options, Arc::clone(time)).await;
            let counters = Arc::new(counters.context("COUNTERS_URL: TLS cannot be set up")?);
            Ok((Arc::clone(&counters) as _, counters))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

    use super::*;

    #[tokio::test]
    async fn providers_events_are_kept_in_memory_only_where_nothing_is_to_survive() {
        assert!(event_file(None, false).unwrap().is_none(), "beside Spanner their provider sends them again");
        assert!(event_file(None, true).unwrap().is_some());
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.db");
        assert!(event_file(Some(&store), false).unwrap().is_some());
        assert!(folder.path().join("store.db.events").is_file());
    }
}
