//! Whether Redis is there: one connection while it is, and a try now and then while it is not.
//!
//! Must not know: what calls ask, and what is done without Redis.
//!
//! Callers never wait for a connection. They take the one that there is, and report the one that failed them; a task of
//! the link's own makes the next.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::aio::MultiplexedConnection;
use tokio::{sync::oneshot, task::AbortHandle};
use tollgate_gateway::ports::Time;

use super::{
    connection::{Connector, Driver, driven},
    measure,
    script::BucketScript,
    within,
};

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) connect_timeout: Duration,
    pub(super) command_timeout: Duration,
    pub(super) retry_interval: Duration,
    pub(super) timeouts_until_away: u32,
}

/// What is told when Redis goes away.
pub(super) type OnAway = Box<dyn Fn() + Send + Sync>;

/// The way to Redis. Dropped, it closes.
pub(super) struct Link {
    state: Arc<State>,
    keeper: AbortHandle,
}

/// A connection, as a caller gets it.
pub(super) struct Connected {
    pub(super) connection: MultiplexedConnection,
    /// How often Redis has come back until this connection.
    pub(super) returns: u64,
    number: u64,
}

struct State {
    connector: Connector,
    script: Arc<BucketScript>,
    prefix: String,
    bounds: Bounds,
    time: Arc<dyn Time>,
    on_away: OnAway,
    standing: Mutex<Standing>,
}

#[derive(Default)]
struct Standing {
    /// The connection; who drops what stands beside it gives it up.
    connection: Option<(MultiplexedConnection, oneshot::Sender<()>)>,
    /// Which connection it is, counted from 1.
    number: u64,
    returns: u64,
    /// How many calls in a row got no answer in time.
    timeouts: u32,
    /// Why Redis is away; `None`: it is not, or nobody has tried yet.
    away: Option<String>,
}

impl Link {
    /// Tries once, and goes on trying in the background.
    pub(super) async fn open(
        connector: Connector,
        script: Arc<BucketScript>,
        prefix: String,
        bounds: Bounds,
        time: Arc<dyn Time>,
        on_away: OnAway,
    ) -> Self {
        let standing = Mutex::default();
        let state = Arc::new(State { connector, script, prefix, bounds, time, on_away, standing });
        let (tried, first_try) = oneshot::channel();
        let keeper = keep(Arc::clone(&state), tried);
        // Not a task of the Spawn port: a graceful stop waits for those, and this one only ends with the link.
        #[allow(clippy::disallowed_methods, reason = "a connection's driver, as HTTP clients have them within")]
        let keeper = tokio::spawn(keeper).abort_handle();
        // An error: the keeper has ended, and so has the first try.
        _ = first_try.await;
        Self { state, keeper }
    }

    /// The connection, if there is one.
    pub(super) fn connected(&self) -> Option<Connected> {
        let standing = self.state.standing();
        let (connection, _) = standing.connection.as_ref()?;
        let connection = connection.clone();
        Some(Connected { connection, returns: standing.returns, number: standing.number })
    }

    /// Why there is no connection.
    pub(super) fn why_away(&self) -> String {
        self.state.standing().away.clone().unwrap_or_else(|| "not connected".to_owned())
    }

    /// A call on `connected` was answered.
    pub(super) fn answered(&self, connected: &Connected) {
        let mut standing = self.state.standing();
        if standing.number == connected.number {
            standing.timeouts = 0;
        }
    }

    /// A call on `connected` was not answered in time: several in a row, and Redis is away.
    pub(super) fn timed_out(&self, connected: &Connected) {
        let mut standing = self.state.standing();
        if standing.number != connected.number {
            return;
        }
        standing.timeouts += 1;
        let is_away = standing.timeouts >= self.state.bounds.timeouts_until_away;
        drop(standing);
        if is_away {
            self.state.away(connected.number, "no answer in time");
        }
    }

    /// A call on `connected` failed: Redis is away.
    pub(super) fn failed(&self, connected: &Connected, why: &str) {
        self.state.away(connected.number, why);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl State {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the connection `number` up, if it is still the one.
    fn away(&self, number: u64, why: &str) {
        let mut standing = self.standing();
        if standing.number == number && standing.connection.take().is_some() {
            self.now_away(standing, why);
        }
    }

    /// Redis could not be connected to.
    fn still_away(&self, why: &str) {
        let standing = self.standing();
        self.now_away(standing, why);
    }

    fn now_away(&self, mut standing: MutexGuard<'_, Standing>, why: &str) {
        let is_news = standing.away.replace(why.to_owned()).is_none();
        drop(standing);
        if is_news {
            (self.on_away)();
            measure::degraded(true);
            tracing::warn!(redis = %self.connector.address(), why, "counters are away: each instance takes its share");
        }
    }

    /// A connection on which Redis does what calls will ask of it.
    async fn connect(&self) -> Result<(MultiplexedConnection, Driver), String> {
        let Bounds { connect_timeout, command_timeout, .. } = self.bounds;
        let connect = within(&*self.time, connect_timeout, self.connector.connect()).await;
        let (connection, mut driver) = connect.ok_or("no connection in time")??;
        let mut asked = connection.clone();
        let probe = within(&*self.time, command_timeout, self.script.probe(&mut asked, &self.prefix));
        match driven(&mut driver, probe).await {
            Some(Some(Ok(()))) => Ok((connection, driver)),
            Some(Some(Err(error))) => Err(format!("it refuses: {error}")),
            Some(None) => Err("no answer in time".to_owned()),
            None => Err("the connection was closed".to_owned()),
        }
    }

    /// From here on callers get `connection`. Answers its number, and what resolves when it is given up.
    fn connected(&self, connection: MultiplexedConnection) -> (u64, oneshot::Receiver<()>) {
        let (give_up, when_given_up) = oneshot::channel();
        let mut standing = self.standing();
        standing.number += 1;
        standing.timeouts = 0;
        standing.connection = Some((connection, give_up));
        let was_away = standing.away.take().is_some();
        standing.returns += u64::from(was_away);
        let number = standing.number;
        drop(standing);
        measure::degraded(false);
        if was_away {
            tracing::info!(redis = %self.connector.address(), "counters are back");
        }
        (number, when_given_up)
    }
}

/// Makes connections, one after the other, without end. `tried` is told after the first try.
async fn keep(state: Arc<State>, tried: oneshot::Sender<()>) {
    let mut tried = Some(tried);
    loop {
        let started = state.time.monotonic();
        let connected = match state.connect().await {
            Ok((connection, driver)) => Some((state.connected(connection), driver)),
            Err(why) => {
                state.still_away(&why);
                None
            }
        };
        // An error: whoever opened the link has gone.
        _ = tried.take().map(|tried| tried.send(()));
        if let Some(((number, when_given_up), driver)) = connected {
            tokio::select! {
                () = driver => state.away(number, "the connection was closed"),
                _ = when_given_up => {}
            }
        }
        // A connection that lasted is replaced at once; where none does, tries keep their distance.
        let lasted = state.time.monotonic().saturating_sub(started);
        state.time.sleep(state.bounds.retry_interval.saturating_sub(lasted)).await;
    }
}
