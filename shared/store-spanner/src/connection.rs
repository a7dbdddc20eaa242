//! The client of the database: made when it is first needed, and again where that failed.
//!
//! On the emulator it is a pool. There a session has one transaction at a time, and another one on it makes the first invalid;
//! on Spanner itself one multiplexed session serves everybody.
//!
//! A connection can die without a word: something between drops what is sent on it. The client would wait on it for as long as the
//! system does, a quarter of an hour. So one on which operation after operation has no answer is given up, and another one made.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
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

/// So many operations in a row without an answer, and the connection counts as lost.
const LOST_AFTER: u32 = 3;

/// How one gets a client.
pub(crate) struct Connection {
    database: String,
    emulator: Option<String>,
    connect_timeout: Duration,
    time: Arc<dyn Time>,
    state: AsyncMutex<State>,
    /// Operations in a row that had no answer.
    silent: AtomicU32,
    /// What began on the connection before has ended so long after another one was made.
    settles_within: Duration,
}

#[derive(Default)]
struct State {
    /// And since when.
    connected: Option<(Connected, Duration)>,
    failed: Option<(Duration, SpannerUnreachable)>,
}

#[derive(Clone)]
enum Connected {
    /// One session for all.
    Shared(DatabaseClient),
    /// A session for each.
    Emulator(Spanner, Arc<Pool>),
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
        Self {
            database: options.database.to_string(),
            emulator: options.emulator.clone(),
            connect_timeout: options.attempt_timeout,
            time,
            state: AsyncMutex::default(),
            silent: AtomicU32::new(0),
            settles_within: options.operation_timeout,
        }
    }

    /// A client to work with.
    pub(crate) async fn client(&self) -> Result<Leased> {
        match self.connected().await? {
            Connected::Shared(client) => Ok(Leased { client: Some(client), back_to: None }),
            Connected::Emulator(spanner, pool) => self.lease(&spanner, &pool).await,
        }
    }

    /// An operation was answered, or was not.
    pub(crate) fn heard(&self, answered: bool) {
        if answered {
            self.silent.store(0, Ordering::Relaxed);
        } else {
            self.silent.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn connected(&self) -> Result<Connected> {
        // Who comes while somebody connects waits for that one's result, and does not connect as well.
        let mut state = self.state.lock().await;
        let now = self.time.monotonic();
        if let Some((connected, since)) = &state.connected {
            let is_new = now.saturating_sub(*since) <= self.settles_within;
            if is_new || self.silent.load(Ordering::Relaxed) < LOST_AFTER {
                return Ok(connected.clone());
            }
            tracing::warn!(
                event = "store_connection_lost",
                "Spanner is silent on this connection: another one is made"
            );
            state.connected = None;
        }
        if let Some((at, why)) = &state.failed
            && now.saturating_sub(*at) < CONNECT_AGAIN_AFTER
        {
            return Err(Trouble::Unreachable(why.clone()));
        }
        match self.connect().await {
            Ok(connected) => {
                state.connected = Some((connected.clone(), self.time.monotonic()));
                self.silent.store(0, Ordering::Relaxed);
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
        let pool = Arc::new(Pool::default());
        pool.give_back(client);
        Ok(Connected::Emulator(spanner, pool))
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

    async fn lease(&self, spanner: &Spanner, pool: &Arc<Pool>) -> Result<Leased> {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&pool.permits).acquire_owned().await else {
            return Err(Trouble::Impossible("the pool of sessions is closed"));
        };
        let idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let client = if let Some(client) = idle {
            client
        } else {
            let opened = self.open(spanner).await;
            self.heard(opened.is_ok());
            opened.map_err(Trouble::Unreachable)?
        };
        measure::sessions(pool.in_use.fetch_add(1, Ordering::Relaxed) + 1);
        Ok(Leased { client: Some(client), back_to: Some((Arc::clone(pool), permit)) })
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

impl Default for Pool {
    fn default() -> Self {
        let permits = Arc::new(Semaphore::new(EMULATOR_SESSIONS));
        Self { idle: Mutex::default(), permits, in_use: AtomicUsize::new(0) }
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
