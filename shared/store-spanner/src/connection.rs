//! The client of the database: made when it is first needed, and again where that failed.
//!
//! On the emulator it is a pool. There a session has one transaction at a time, and another one on it makes the first invalid;
//! on Spanner itself one multiplexed session serves everybody.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::{BoxFuture, Either, select};
use google_cloud_gax::options::RequestOptions;
use google_cloud_spanner::{
    builder::SpannerBuilder,
    client::{DatabaseClient, Spanner},
};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tollgate_gateway::ports::Time;

use crate::{
    Options,
    error::{Result, SpannerUnreachable, Trouble, unreachable},
    measure,
};

/// How many sessions are used on an emulator at a time.
const EMULATOR_SESSIONS: usize = 32;
/// After a failure to connect, calls fail at once for so long.
const CONNECT_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How one gets a client.
pub(crate) struct Connection {
    database: String,
    emulator: Option<String>,
    connect_timeout: Duration,
    time: Arc<dyn Time>,
    state: AsyncMutex<State>,
    pool: Arc<Pool>,
}

#[derive(Default)]
struct State {
    connected: Option<Connected>,
    failed: Option<(Duration, SpannerUnreachable)>,
}

#[derive(Clone)]
enum Connected {
    /// One session for all.
    Shared(DatabaseClient),
    /// A session for each.
    Emulator(Spanner),
}

struct Pool {
    idle: Mutex<Vec<DatabaseClient>>,
    permits: Arc<Semaphore>,
    in_use: AtomicUsize,
}

/// A client that is one's own until it is dropped.
pub(crate) struct Leased {
    client: Option<DatabaseClient>,
    back_to: Option<(Arc<Pool>, tokio::sync::OwnedSemaphorePermit)>,
}

impl Connection {
    pub(crate) fn new(options: &Options, time: Arc<dyn Time>) -> Self {
        let pool = Pool {
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(EMULATOR_SESSIONS)),
            in_use: AtomicUsize::new(0),
        };
        Self {
            database: options.database.to_string(),
            emulator: options.emulator.clone(),
            connect_timeout: options.attempt_timeout,
            time,
            state: AsyncMutex::default(),
            pool: Arc::new(pool),
        }
    }

    /// A client to work with.
    pub(crate) async fn client(&self) -> Result<Leased> {
        match self.connected().await? {
            Connected::Shared(client) => Ok(Leased { client: Some(client), back_to: None }),
            Connected::Emulator(spanner) => self.lease(&spanner).await,
        }
    }

    async fn connected(&self) -> Result<Connected> {
        // Who comes while somebody connects waits for that one's result, and does not connect as well.
        let mut state = self.state.lock().await;
        if let Some(connected) = &state.connected {
            return Ok(connected.clone());
        }
        let now = self.time.monotonic();
        if let Some((at, why)) = &state.failed
            && now.saturating_sub(*at) < CONNECT_AGAIN_AFTER
        {
            return Err(Trouble::Unreachable(why.clone()));
        }
        match self.connect().await {
            Ok(connected) => {
                state.connected = Some(connected.clone());
                Ok(connected)
            }
            Err(why) => {
                state.failed = Some((self.time.monotonic(), why.clone()));
                Err(Trouble::Unreachable(why))
            }
        }
    }

    async fn connect(&self) -> std::result::Result<Connected, SpannerUnreachable> {
        let build = async { builder(self.emulator.as_deref()).build().await.map_err(|error| unreachable(&error)) };
        let spanner = self.in_time(build).await?;
        let client = self.open(&spanner).await?;
        if self.emulator.is_none() {
            return Ok(Connected::Shared(client));
        }
        self.pool.give_back(client);
        Ok(Connected::Emulator(spanner))
    }

    /// Opens a session on the database.
    async fn open(&self, spanner: &Spanner) -> std::result::Result<DatabaseClient, SpannerUnreachable> {
        let mut options = RequestOptions::default();
        options.set_attempt_timeout(self.connect_timeout);
        let open = spanner.database_client(self.database.as_str()).with_request_options(options).build();
        self.in_time(async { open.await.map_err(|error| unreachable(&error)) }).await
    }

    fn in_time<'a, T: Send + 'a>(
        &'a self,
        connect: impl Future<Output = std::result::Result<T, SpannerUnreachable>> + Send + 'a,
    ) -> BoxFuture<'a, std::result::Result<T, SpannerUnreachable>> {
        let (connect, late) = (Box::pin(connect), self.time.sleep(self.connect_timeout));
        Box::pin(async move {
            match select(connect, late).await {
                Either::Left((connected, _)) => connected,
                Either::Right(_) => Err(SpannerUnreachable("no answer in time".to_owned())),
            }
        })
    }

    async fn lease(&self, spanner: &Spanner) -> Result<Leased> {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&self.pool.permits).acquire_owned().await else {
            return Err(Trouble::Impossible("the pool of sessions is closed"));
        };
        let idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let client = match idle {
            Some(client) => client,
            None => self.open(spanner).await.map_err(Trouble::Unreachable)?,
        };
        measure::sessions(self.pool.in_use.fetch_add(1, Ordering::Relaxed) + 1);
        Ok(Leased { client: Some(client), back_to: Some((Arc::clone(&self.pool), permit)) })
    }
}

/// A client of Spanner itself, or of the emulator at that host.
pub(crate) fn builder(emulator: Option<&str>) -> SpannerBuilder {
    match emulator {
        None => Spanner::builder(),
        // The scheme says that there is no TLS, and with that no credentials.
        Some(host) => Spanner::builder().with_endpoint(format!("http://{host}")),
    }
}

impl Pool {
    fn give_back(&self, client: DatabaseClient) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    }
}

impl std::ops::Deref for Leased {
    type Target = DatabaseClient;

    #[allow(clippy::expect_used, reason = "it is taken out in drop, and nowhere else")]
    fn deref(&self) -> &DatabaseClient {
        self.client.as_ref().expect("a client is leased until it is dropped")
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if let (Some((pool, _permit)), Some(client)) = (self.back_to.take(), self.client.take()) {
            pool.give_back(client);
            measure::sessions(pool.in_use.fetch_sub(1, Ordering::Relaxed).saturating_sub(1));
        }
    }
}
