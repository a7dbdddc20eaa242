//! Buckets on Redis, which all instances share; and beside them, payments as they were.
//!
//! Must not know: who is limited and why.
//!
//! Each call is one script, which Redis runs as one step, on its own clock. While Redis is away (dead, slow, full,
//! read-only) no call waits for it: `fallback` decides, on this instance's share of the limit.

mod address;
mod connection;
mod fallback;
mod link;
mod measure;
mod script;
mod statuses;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::RedisResult;
use rustls::RootCertStore;
use tokio::sync::Semaphore;
use tollgate_gateway::ports::{
    Counters, Time,
    counters::{Bucket, CountersAway, DecidedBy, Limit, Standing},
};

pub use address::{BadAddress, RedisAddress};
pub use connection::NoTls;

use crate::bucket::Flow;
use connection::Connector;
use fallback::Fallback;
use link::{Bounds, Connected, Link};
use measure::Outcome;
use script::{Action, BucketScript, Call};
use statuses::StatusScript;

/// How Redis is used.
#[derive(Debug, Clone)]
pub struct Options {
    /// What every key starts with; without braces, for they say which part of a key places it in a cluster.
    pub prefix: String,
    /// How many instances there are at most: while Redis is away, each takes this part of every limit.
    pub instances: NonZeroU32,
    /// How long a call may take before the instance decides by itself.
    pub command_timeout: Duration,
    /// How long a connection may take. Nobody but a background task waits for it.
    pub connect_timeout: Duration,
    /// The time from one try to the next while Redis is away, or as long as one takes (`connect_timeout` and
    /// `command_timeout` at most). How far quotas overshoot depends on it.
    pub retry_interval: Duration,
    /// How many calls in a row that are not answered in time mean that Redis is away. (An error means it at once.)
    pub timeouts_until_away: NonZeroU32,
    /// How many calls wait for their answers at most; others wait for a place, within their time.
    pub most_in_flight: NonZeroU32,
    /// The certificates to trust for `rediss://`; `None`: the machine's.
    pub trusted: Option<RootCertStore>,
}

impl Default for Options {
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            prefix: "tollgate".to_owned(),
            instances: NonZeroU32::MIN,
            command_timeout: Duration::from_millis(50),
            connect_timeout: Duration::from_millis(250),
            retry_interval: Duration::from_millis(250),
            timeouts_until_away: number(3),
            most_in_flight: number(256),
            trusted: None,
        }
    }
}

/// Buckets on Redis. Dropped, the connection is closed.
pub struct RedisCounters {
    link: Link,
    script: Arc<BucketScript>,
    status_script: StatusScript,
    fallback: Arc<Fallback>,
    places: Semaphore,
    status_places: Semaphore,
    prefix: String,
    command_timeout: Duration,
    time: Arc<dyn Time>,
}

impl RedisCounters {
    /// Tries to connect, once. Where that fails, it goes on trying in the background, and each instance decides by itself
    /// meanwhile: a Redis that is away is no error. Has to be called on the task runtime.
    pub async fn connect(address: RedisAddress, options: Options, time: Arc<dyn Time>) -> Result<Self, NoTls> {
        measure::describe();
        let most_in_flight = usize::try_from(options.most_in_flight.get()).unwrap_or(usize::MAX >> 3);
        let connector =
            Connector::new(address, options.trusted, most_in_flight.saturating_add(statuses::MOST_IN_FLIGHT))?;
        let script = Arc::new(BucketScript::new());
        let fallback = Arc::new(Fallback::new(options.instances.get(), Arc::clone(&time)));
        let bounds = Bounds {
            connect_timeout: options.connect_timeout,
            command_timeout: options.command_timeout,
            retry_interval: options.retry_interval,
            timeouts_until_away: options.timeouts_until_away.get(),
        };
        let on_away = Box::new({
            let fallback = Arc::clone(&fallback);
            move || fallback.begin()
        });
        let shared = (Arc::clone(&script), Arc::clone(&time));
        let link = Link::open(connector, shared.0, options.prefix.clone(), bounds, shared.1, on_away).await;
        Ok(Self {
            link,
            script,
            status_script: StatusScript::new(),
            fallback,
            places: Semaphore::new(most_in_flight),
            status_places: Semaphore::new(statuses::MOST_IN_FLIGHT),
            prefix: options.prefix,
            command_timeout: options.command_timeout,
            time,
        })
    }

    /// Whether this instance decides by itself now.
    pub fn is_degraded(&self) -> bool {
        self.link.connected().is_none()
    }

    /// Redis's answer, or why there is none.
    async fn ask(&self, action: Action, bucket: Bucket, flow: Flow) -> Result<Standing, Outcome> {
        let connected = self.link.connected().ok_or(Outcome::Away)?;
        let ceiling = self.fallback.ceiling(bucket, flow, connected.returns);
        let call = Call { action, key: script::key(&self.prefix, bucket), flow, ceiling };
        let mut connection = connected.connection.clone();
        let standing =
            self.answer(action.name(), &connected, &self.places, self.script.run(&mut connection, &call)).await?;
        if ceiling.is_some() && action != Action::Look {
            self.fallback.settle(bucket, connected.returns);
        }
        Ok(standing)
    }

    /// What `call` is answered within its time. Measures it, and tells the link.
    async fn answer<T>(
        &self,
        operation: &'static str,
        connected: &Connected,
        places: &Semaphore,
        call: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Outcome> {
        let started = self.time.monotonic();
        let mut is_sent = false;
        let ended = within(&*self.time, self.command_timeout, async {
            // An error: the semaphore is closed, which nobody does.
            let _place = places.acquire().await;
            is_sent = true;
            call.await
        });
        let answer = match ended.await {
            Some(Ok(answer)) => {
                self.link.answered(connected);
                Ok(answer)
            }
            Some(Err(error)) => {
                self.link.failed(connected, &error.to_string());
                Err(Outcome::Failed)
            }
            None if is_sent => {
                self.link.timed_out(connected);
                Err(Outcome::TimedOut)
            }
            None => Err(Outcome::Busy),
        };
        let outcome = answer.as_ref().err().copied().unwrap_or(Outcome::Ok);
        measure::asked(operation, outcome, self.time.monotonic().saturating_sub(started));
        answer
    }
}

#[async_trait]
impl Counters for RedisCounters {
    async fn take(&self, bucket: Bucket, limit: Limit) -> Standing {
        let Some(flow) = Flow::of(limit) else { return Standing::nothing(DecidedBy::Shared) };
        self.ask(Action::Take, bucket, flow).await.unwrap_or_else(|outcome| {
            measure::fell_back(outcome);
            self.fallback.take(bucket, flow)
        })
    }

    async fn look(&self, bucket: Bucket, limit: Limit) -> Standing {
        let Some(flow) = Flow::of(limit) else { return Standing::nothing(DecidedBy::Shared) };
        self.ask(Action::Look, bucket, flow).await.unwrap_or_else(|outcome| {
            measure::fell_back(outcome);
            self.fallback.look(bucket, flow)
        })
    }

    async fn give_back(&self, bucket: Bucket, limit: Limit, taken_from: DecidedBy) {
        let Some(flow) = Flow::of(limit) else { return };
        match taken_from {
            DecidedBy::Fallback => self.fallback.give_back(bucket, flow),
            // Away by now: the token is lost, and comes again with time.
            DecidedBy::Shared => _ = self.ask(Action::GiveBack, bucket, flow).await,
        }
    }

    async fn ping(&self) -> Result<(), CountersAway> {
        let Some(connected) = self.link.connected() else { return Err(CountersAway(self.link.why_away())) };
        let mut connection = connected.connection.clone();
        let answer =
            self.answer("ping", &connected, &self.places, self.script.probe(&mut connection, &self.prefix)).await;
        answer.map_err(|outcome| match outcome {
            Outcome::Failed => CountersAway(self.link.why_away()),
            Outcome::Busy => CountersAway("too many calls wait for their answers".to_owned()),
            _ => CountersAway("no answer in time".to_owned()),
        })
    }
}

/// What `work` comes to, or `None` after `limit` of real time.
async fn within<T>(time: &dyn Time, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        value = work => Some(value),
        () = time.sleep(limit) => None,
    }
}
