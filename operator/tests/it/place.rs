//! Where a test works: a store of its own, for the program and for a look at what it left there.

use std::{fs, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use tempfile::TempDir;
use tollgate_domain::{BootId, MerchantId, Timestamp};
use tollgate_emulators::{Database, spanner};
use tollgate_gateway::{
    Authenticator, StoreGuard, Stores,
    ports::{Entropy, Time},
};
use tollgate_runtime::{OsEntropy, System};
use tollgate_store::{Options as SqliteOptions, SqliteStore};
use tollgate_store_spanner::{Options as SpannerOptions, SpannerStore};

use crate::command::Environment;

/// What webhook secrets are sealed with here.
pub(crate) const SECRETS_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(crate) struct Place {
    pub(crate) tollgate: Environment,
    pub(crate) store: Store,
}

pub(crate) enum Store {
    Sqlite(TempDir),
    Spanner { database: Database, host: String },
}

impl Place {
    /// An empty folder.
    pub(crate) fn on_sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}", folder.path().join("t.db").display());
        let tollgate = Environment::new([("STORE_URL", url), ("SECRETS_KEY", SECRETS_KEY.to_owned())]);
        Self { tollgate, store: Store::Sqlite(folder) }
    }

    /// An empty database. `None`: there is no emulator.
    pub(crate) fn on_spanner() -> Option<Self> {
        let emulator = spanner()?;
        let (host, database) = (emulator.host().to_owned(), emulator.create_database());
        let tollgate = Environment::new([
            ("STORE_URL", format!("spanner:{}", database.name())),
            ("SPANNER_EMULATOR_HOST", host.clone()),
            ("SECRETS_KEY", SECRETS_KEY.to_owned()),
        ]);
        Some(Self { tollgate, store: Store::Spanner { database, host } })
    }

    /// The same, migrated.
    pub(crate) fn migrated(self) -> Self {
        self.tollgate.run("migrate").answer();
        self
    }

    /// A merchant, made by the program.
    pub(crate) fn merchant(&self, name: &str) -> MerchantId {
        let made =
            self.tollgate.run_all(&["--json", "merchants", "create", name, "--by", "ann", "--why", "asked"]).json();
        made["id"].as_str().unwrap().parse().unwrap()
    }

    /// The store as a function would open it.
    pub(crate) fn stores(&self) -> Stores {
        let mut boot = [0; 16];
        OsEntropy.fill(&mut boot);
        let time = System::real().time;
        match &self.store {
            Store::Sqlite(folder) => {
                let options = SqliteOptions::new(BootId::from_random(boot));
                Stores::of(&Arc::new(SqliteStore::open(folder.path().join("t.db"), options, time).unwrap()))
            }
            Store::Spanner { database, host } => {
                let mut options = SpannerOptions::new(database.name().parse().unwrap()).emulator(Some(host.clone()));
                options.attempt_timeout = Duration::from_secs(20);
                options.operation_timeout = Duration::from_mins(1);
                Stores::of(&Arc::new(SpannerStore::new(options, time)))
            }
        }
    }

    /// Whether a file of the database, or beside it, holds these bytes. (Spanner has no files to look into.)
    pub(crate) fn files_hold(&self, bytes: &[u8]) -> bool {
        match &self.store {
            Store::Sqlite(folder) => holds(folder.path(), bytes),
            Store::Spanner { .. } => false,
        }
    }

    /// Whose key a function takes `key` for that asks the store `after` from now.
    pub(crate) async fn whose(&self, key: &str, after: Duration) -> Option<MerchantId> {
        let merchants = self.stores().merchants;
        let time = Arc::new(Later { after, time: System::real().time });
        let guard = Arc::new(StoreGuard::new(time.clone()));
        let authenticator = Authenticator::new(merchants, guard, time);
        authenticator.authenticate(key).await.unwrap().map(|merchant| merchant.id)
    }
}

fn holds(path: &Path, bytes: &[u8]) -> bool {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().any(|entry| holds(&entry.unwrap().path(), bytes));
    }
    fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes)
}

/// The machine's clock, put forward.
struct Later {
    after: Duration,
    time: Arc<dyn Time>,
}

#[async_trait]
impl Time for Later {
    fn now(&self) -> Timestamp {
        self.time.now() + self.after
    }

    fn monotonic(&self) -> Duration {
        self.time.monotonic()
    }

    async fn sleep(&self, duration: Duration) {
        self.time.sleep(duration).await;
    }
}

/// Makes two tests of each: on a file, and on the emulator where there is one. Each begins with a migrated store.
macro_rules! on_each_store {
    ($($name:ident,)+) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::place::Place::on_sqlite().migrated()).await;
            })+
        }

        mod on_spanner {
            $(#[tokio::test]
            async fn $name() {
                if let Some(place) = $crate::place::Place::on_spanner() {
                    super::$name(place.migrated()).await;
                }
            })+
        }
    };
}
pub(crate) use on_each_store;
