//! The variables that select the parts: a URL's scheme says which store, which queue, which counters.
//!
//! Must not know: how a part is opened.

use std::{num::NonZeroU32, path::PathBuf, str::FromStr, time::Duration};

use tollgate_counters::Source;
use tollgate_runtime::{
    Variables,
    config::{Mistaken, Read},
};

use super::{CountersConfiguration, QueueConfiguration, StoreConfiguration};

/// A time-out: 1 ms to 10 minutes. None at all would hang, and a longer one is a mistake.
pub(super) struct Millis(pub(super) Duration);

impl FromStr for Millis {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let millis = text.parse().ok().filter(|millis| (1..=600_000).contains(millis));
        millis.map(|millis| Self(Duration::from_millis(millis))).ok_or("must be 1 to 600000 milliseconds")
    }
}

/// `HOST:PORT`.
struct EmulatorHost(String);

impl FromStr for EmulatorHost {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let is_host = |(host, port): (&str, &str)| {
            let plain = |letter: char| letter.is_ascii_alphanumeric() || ".-[]:".contains(letter);
            !host.is_empty() && host.chars().all(plain) && port.parse::<u16>().is_ok()
        };
        let valid = text.rsplit_once(':').is_some_and(is_host);
        valid.then(|| Self(text.to_owned())).ok_or("must be HOST:PORT")
    }
}

/// `STORE_URL`.
pub(super) fn read_store(vars: &mut Variables) -> Read<StoreConfiguration> {
    let meaning = "the store: sqlite:PATH or spanner:projects/P/instances/I/databases/D";
    let url = vars.var("STORE_URL", meaning).url(&["sqlite", "spanner"]).required();
    let emulator = vars.var("SPANNER_EMULATOR_HOST", "where Spanner's emulator is, host:port");
    let emulator = emulator.parse::<EmulatorHost>().optional();
    let (url, emulator) = (url?, emulator?.map(|host| host.0));
    match url.scheme() {
        "spanner" => read_spanner(vars, url.rest(), emulator),
        _ => read_sqlite(vars, url.rest()),
    }
}

/// SQLite would take an empty path or `:memory:` for a database that nobody else sees and that ends with the process.
fn read_sqlite(vars: &mut Variables, path: &str) -> Read<StoreConfiguration> {
    if path.is_empty() || path.starts_with(":memory:") {
        return Err(vars.refuse("STORE_URL names no file (sqlite:PATH)"));
    }
    Ok(StoreConfiguration::Sqlite(PathBuf::from(path)))
}

#[cfg(feature = "google-cloud")]
fn read_spanner(vars: &mut Variables, database: &str, emulator: Option<String>) -> Read<StoreConfiguration> {
    match database.parse::<tollgate_store_spanner::DatabaseName>() {
        Ok(_) => Ok(StoreConfiguration::Spanner { database: database.to_owned(), emulator }),
        Err(error) => Err(vars.refuse(format!("STORE_URL is not valid (behind spanner: it {error})"))),
    }
}

#[cfg(not(feature = "google-cloud"))]
fn read_spanner(vars: &mut Variables, _: &str, _: Option<String>) -> Read<StoreConfiguration> {
    Err(without_google_cloud(vars, "STORE_URL"))
}

/// `QUEUE_URL`, and what goes with it.
pub(super) fn read_queue(vars: &mut Variables) -> Read<QueueConfiguration> {
    let meaning = "the queue between functions: embedded: or pubsub:projects/P/topics/T";
    let url = vars.var("QUEUE_URL", meaning).url(&["embedded", "pubsub"]).or("embedded:");
    let dead_letter =
        vars.var("QUEUE_DEAD_LETTER_TOPIC", "Pub/Sub's topic for events that were given up, by its name").optional();
    let provider_events = vars
        .var("QUEUE_PROVIDER_EVENTS_TOPIC", "Pub/Sub's topic for providers' events that came while the store was away")
        .optional();
    let settlement_shards = vars
        .var(
            "QUEUE_SETTLEMENT_SHARDS_TOPIC",
            "Pub/Sub's topic for parts of a settlement; without it settlements are not split",
        )
        .optional();
    let timeout =
        vars.var("QUEUE_PUBLISH_TIMEOUT_MS", "how long publishing to Pub/Sub may take").parse::<Millis>().or("5000");
    let emulator = vars.var("PUBSUB_EMULATOR_HOST", "where Pub/Sub's emulator is, host:port");
    let emulator = emulator.parse::<EmulatorHost>().optional();
    let (url, dead_letter, provider_events, settlement_shards) =
        (url?, dead_letter?, provider_events?, settlement_shards?);
    let (timeout, emulator) = (timeout?, emulator?);
    match url.scheme() {
        "pubsub" => read_pubsub(
            vars,
            QueueConfiguration::Pubsub {
                url: url.as_str().to_owned(),
                dead_letter,
                provider_events,
                settlement_shards,
                publish_timeout: timeout.0,
                emulator: emulator.map(|host| host.0),
            },
        ),
        // The file is where the store is: nothing to say of it.
        _ if url.rest().is_empty() => Ok(QueueConfiguration::Embedded),
        _ => Err(vars.refuse("QUEUE_URL is `embedded:` and nothing more: its file is beside the store's")),
    }
}

#[cfg(feature = "google-cloud")]
fn read_pubsub(vars: &mut Variables, queue: QueueConfiguration) -> Read<QueueConfiguration> {
    use tollgate_messaging_pubsub::{Named, Topics};

    let QueueConfiguration::Pubsub { url, dead_letter, provider_events, settlement_shards, .. } = &queue else {
        return Ok(queue);
    };
    let named = Named {
        dead_letter: dead_letter.as_deref(),
        provider_events: provider_events.as_deref(),
        settlement_shards: settlement_shards.as_deref(),
    };
    match Topics::read(url, named) {
        Ok(_) => Ok(queue),
        Err(error) => Err(vars.refuse(format!("QUEUE_URL is not valid ({error})"))),
    }
}

#[cfg(not(feature = "google-cloud"))]
fn read_pubsub(vars: &mut Variables, _: QueueConfiguration) -> Read<QueueConfiguration> {
    Err(without_google_cloud(vars, "QUEUE_URL"))
}

#[cfg(not(feature = "google-cloud"))]
fn without_google_cloud(vars: &mut Variables, name: &str) -> Mistaken {
    vars.refuse(format!(
        "{name} names a part of Google Cloud, and this program is built without those: build it with --features google-cloud"
    ))
}

/// `COUNTERS_URL`, and what goes with it.
pub(super) fn read_counters(vars: &mut Variables) -> Read<CountersConfiguration> {
    let meaning = "the counters: embedded: or redis://[[USER]:PASSWORD@]HOST[:PORT][/DB] (rediss: with TLS)";
    let url = vars.var("COUNTERS_URL", meaning).secret().optional();
    let instances = vars
        .var("COUNTERS_INSTANCES", "how many instances run at most: each takes that part of limits while Redis is away")
        .parse::<NonZeroU32>()
        .or("1");
    let timeout = vars
        .var("COUNTERS_TIMEOUT_MS", "a call to Redis, before the instance decides by itself")
        .parse::<Millis>()
        .or("50");
    let source = match url? {
        None => Source::Embedded,
        Some(url) => read_source(vars, url.expose())?,
    };
    Ok(CountersConfiguration { source, instances: instances?, timeout: timeout?.0 })
}

/// There may be a password in it: it is never repeated.
fn read_source(vars: &mut Variables, url: &str) -> Result<Source, Mistaken> {
    url.parse().map_err(|error| vars.refuse(format!("COUNTERS_URL is not valid ({error})")))
}

#[cfg(all(test, feature = "google-cloud"))]
mod tests {
    use super::*;

    fn read<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<StoreConfiguration, Vec<String>> {
        let mut vars = Variables::of(values);
        let read = read_store(&mut vars);
        vars.finish().map_err(|mistakes| mistakes.0)?;
        read.map_err(|_| vec!["a mistake that was not noted".to_owned()])
    }

    #[test]
    fn the_schemes_select_the_store() {
        assert_eq!(read([("STORE_URL", "sqlite:/data/t.db")]), Ok(StoreConfiguration::Sqlite("/data/t.db".into())));
        let name = "projects/p/instances/i/databases/d";
        let spanner = |emulator| Ok(StoreConfiguration::Spanner { database: name.to_owned(), emulator });
        let url = format!("spanner:{name}");
        assert_eq!(read([("STORE_URL", url.as_str())]), spanner(None));
        let host = "127.0.0.1:9010";
        let values = [("STORE_URL", url.as_str()), ("SPANNER_EMULATOR_HOST", host)];
        assert_eq!(read(values), spanner(Some(host.to_owned())));
    }

    #[test]
    fn every_mistake_is_one_line() {
        for wrong in ["", "t.db", "mysql:t", "sqlite:", "sqlite::memory:", "spanner:", "spanner:projects/p"] {
            let mistakes = read([("STORE_URL", wrong)]).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].starts_with("STORE_URL"), "{wrong}: {mistakes:?}");
            assert!(!mistakes[0].contains('\n'), "{wrong}: {mistakes:?}");
        }
        for wrong in ["localhost", "http://localhost:9010", "localhost:x", ":9010"] {
            let mistakes = read([("STORE_URL", "sqlite:t.db"), ("SPANNER_EMULATOR_HOST", wrong)]).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].starts_with("SPANNER_EMULATOR_HOST"), "{wrong}: {mistakes:?}");
        }
    }
}
