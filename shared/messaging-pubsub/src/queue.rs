//! Publishing: everything that is given at once goes out at once, with a bound on what is on its way and on the wait.
//!
//! Nothing is promised that was not taken: the due row says it again a minute later (rule 18), and of a provider's event the
//! provider is told, so no publish is tried for longer than anybody waits for it. A connection that has died without a word is given up
//! after a few publishes without an answer, and another one made: the client would wait on it for a quarter of an hour. Must not know: what a message leads to.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{
    StreamExt,
    future::{Either, join, select},
    stream::FuturesUnordered,
};
use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::{
    exponential_backoff::{ExponentialBackoff, ExponentialBackoffBuilder},
    retry_policy::RetryPolicyExt,
};
use google_cloud_pubsub::{
    client::{BasePublisher, Publisher},
    error::PublishError,
    model,
    retry_policy::RetryableErrors,
};
use tokio::sync::Semaphore;
use tollgate_gateway::ports::{
    EventBacklog, Queue, ShardQueue, Time,
    event_backlog::KeptEvent,
    queue::{Message, QueueError, ShardDue},
};
use tollgate_messaging::{
    Topic, Traceparent, events,
    push::{self, TRACEPARENT},
    shards::{self, SETTLEMENT_SHARDS},
};

use crate::{
    Topics,
    measure::{self, Why},
};

/// Up to so many messages go out each by itself, without waiting for more: 3 ms instead of 17.
const ONE_BY_ONE: usize = 4;
/// More go out in requests of so many.
const IN_A_REQUEST: u32 = 100;
/// How long a request that is not full waits for more.
const GATHER: Duration = Duration::from_millis(5);
/// Between tries within one publish.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// So many publishes in a row without an answer, and the connection counts as lost.
const LOST_AFTER: u32 = 3;

/// How this queue is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to publish.
    pub topics: Topics,
    /// `PUBSUB_EMULATOR_HOST`, `name:port`: spoken to without TLS and credentials. Else Google, with the application's
    /// default credentials.
    pub emulator_host: Option<String>,
    /// How long a publish may take, tries and all, in milliseconds. Then what has no answer counts as not taken.
    pub publish_timeout_ms: u64,
    /// The most messages on their way at a time. What would be more is refused at once.
    pub in_flight: usize,
}

impl Options {
    /// 5 s a publish, and 10,000 messages on their way: some 5 MB.
    pub fn new(topics: Topics, emulator_host: Option<String>) -> Self {
        Self { topics, emulator_host, publish_timeout_ms: 5_000, in_flight: 10_000 }
    }
}

/// The queue cannot be set up: the credentials are not there, or the emulator's address is none. Nobody was asked yet.
#[derive(Debug, thiserror::Error)]
#[error("Pub/Sub's client cannot be set up: {0}")]
pub struct ConnectError(String);

/// Publishes to Pub/Sub.
pub struct PubsubQueue {
    /// And since when.
    lines: Mutex<(Arc<Lines>, Duration)>,
    /// Publishes in a row that had no answer.
    silent: AtomicU32,
    options: Options,
    room: Semaphore,
    publish_timeout: Duration,
    time: Arc<dyn Time>,
    traceparent: Traceparent,
}

/// The ways to the topics, on one connection.
struct Lines {
    payment_events: Line,
    dead_letter: Line,
    provider_events: Line,
    settlement_shards: Option<Line>,
}

/// The way to one topic.
struct Line {
    topic: &'static str,
    one_by_one: Publisher,
    in_bulk: Publisher,
}

/// A message whose fate is open.
type Sent = Pin<Box<dyn Future<Output = Result<String, PublishError>> + Send>>;

impl PubsubQueue {
    /// Sets it up, within a task runtime. Nobody is called yet: a Pub/Sub that is away does not keep a function from its start.
    pub async fn connect(
        options: Options,
        time: Arc<dyn Time>,
        traceparent: Traceparent,
    ) -> Result<Self, ConnectError> {
        // The first one counts; another part of the process may have chosen the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let publish_timeout = Duration::from_millis(options.publish_timeout_ms);
        Ok(Self {
            lines: Mutex::new((Arc::new(Lines::open(&options).await?), time.monotonic())),
            silent: AtomicU32::new(0),
            room: Semaphore::new(options.in_flight.min(Semaphore::MAX_PERMITS)),
            publish_timeout,
            time,
            traceparent,
            options,
        })
    }

    fn lines(&self) -> Arc<Lines> {
        Arc::clone(&self.lines.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Notes whether Pub/Sub said anything; gives up a connection on which it says nothing.
    async fn heard(&self, anything: bool) {
        if anything {
            self.silent.store(0, Ordering::Relaxed);
            return;
        }
        let (silent, now) = (self.silent.fetch_add(1, Ordering::Relaxed) + 1, self.time.monotonic());
        {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            // What began on the connection before has ended by then; and one at a time makes another one.
            if silent < LOST_AFTER || now.saturating_sub(lines.1) <= self.publish_timeout {
                return;
            }
            lines.1 = now;
        }
        self.silent.store(0, Ordering::Relaxed);
        tracing::warn!(event = "queue_connection_lost", "Pub/Sub is silent on this connection: another one is made");
        match Lines::open(&self.options).await {
            Ok(lines) => self.lines.lock().unwrap_or_else(PoisonError::into_inner).0 = Arc::new(lines),
            Err(error) => tracing::warn!(%error, "the old connection is kept"),
        }
    }

    /// Publishes what is for `line`, and measures it.
    async fn publish_to(&self, line: &Line, messages: Vec<model::Message>) -> Result<(), Failed> {
        if messages.is_empty() {
            return Ok(());
        }
        let (began, count) = (self.time.monotonic(), messages.len() as u64);
        let (taken, end) = match u32::try_from(messages.len()).map(|count| self.room.try_acquire_many(count)) {
            Ok(Ok(_room)) => self.send(line, messages).await,
            _ => (0, Err(Failed { why: Why::Overloaded, said: "too many messages are on their way".to_owned() })),
        };
        let took = self.time.monotonic().saturating_sub(began);
        let outcome = end.as_ref().map(|&()| ()).map_err(|failed| failed.why);
        measure::published(line.topic, took, taken, count.saturating_sub(taken), outcome);
        self.heard(taken > 0 || outcome != Err(Why::Timeout)).await;
        end
    }

    /// Sends `messages` and waits for every answer until the time is over. Answers how many were taken, and what went wrong
    /// first.
    async fn send(&self, line: &Line, messages: Vec<model::Message>) -> (u64, Result<(), Failed>) {
        let publisher = if messages.len() <= ONE_BY_ONE { &line.one_by_one } else { &line.in_bulk };
        let send = |message| -> Sent { Box::pin(publisher.publish(message)) };
        let mut waiting: FuturesUnordered<Sent> = messages.into_iter().map(send).collect();
        let (mut taken, mut end) = (0, Ok(()));
        let mut over = pin!(self.time.sleep(self.publish_timeout));
        loop {
            match select(waiting.next(), over.as_mut()).await {
                Either::Left((Some(Ok(_)), _)) => taken += 1,
                Either::Left((Some(Err(error)), _)) => end = end.and(Err(Failed::of(&error))),
                Either::Left((None, _)) => return (taken, end),
                Either::Right(_) => {
                    let said = format!("no answer within {} ms", self.publish_timeout.as_millis());
                    return (taken, end.and(Err(Failed { why: Why::Timeout, said })));
                }
            }
        }
    }
}

#[async_trait]
impl Queue for PubsubQueue {
    /// Pub/Sub refuses no merchant: what is taken is all or, with an error, an unknown part.
    async fn publish(&self, messages: &[Message]) -> Result<usize, QueueError> {
        let traceparent = (self.traceparent)();
        let (mut events, mut dead) = (Vec::new(), Vec::new());
        for message in messages {
            let of_topic = if matches!(message, Message::Deliver(_)) { &mut events } else { &mut dead };
            of_topic.push(on_the_wire(*message, traceparent.as_deref()));
        }
        let lines = self.lines();
        let (events, dead) =
            join(self.publish_to(&lines.payment_events, events), self.publish_to(&lines.dead_letter, dead)).await;
        Ok(events.and(dead).map(|()| 0)?)
    }
}

/// Pub/Sub keeps an event once it has confirmed it, and pushes it until it was applied.
#[async_trait]
impl EventBacklog for PubsubQueue {
    async fn keep(&self, event: &KeptEvent) -> Result<(), QueueError> {
        let data = events::write(event).map_err(|error| QueueError(error.to_string()))?;
        let trace = (self.traceparent)().map(|traceparent| (TRACEPARENT, traceparent));
        let named = [("provider", event.provider.to_string()), ("event_id", event.event.event_id.clone())];
        let message = model::Message::new().set_data(data).set_attributes(named.into_iter().chain(trace));
        Ok(self.publish_to(&self.lines().provider_events, vec![message]).await?)
    }
}

#[async_trait]
impl ShardQueue for PubsubQueue {
    fn is_there(&self) -> bool {
        self.options.topics.settlement_shards.is_some()
    }

    async fn publish_shards(&self, due: &[ShardDue]) -> Result<(), QueueError> {
        let lines = self.lines();
        let line = lines.settlement_shards.as_ref();
        let line = line.ok_or_else(|| QueueError("no topic for the shards of settlements is named".to_owned()))?;
        let traceparent = (self.traceparent)();
        let message = |due: &ShardDue| {
            let named = [("settlement", due.settlement.to_string()), ("shard", due.shard.to_string())];
            let trace = traceparent.as_ref().map(|traceparent| (TRACEPARENT, traceparent.clone()));
            model::Message::new().set_data(shards::write(*due)).set_attributes(named.into_iter().chain(trace))
        };
        Ok(self.publish_to(line, due.iter().map(message).collect()).await?)
    }
}

impl Lines {
    /// On a connection of their own. Nobody is called yet.
    async fn open(options: &Options) -> Result<Self, ConnectError> {
        let time_limit = Duration::from_millis(options.publish_timeout_ms);
        let mut builder = BasePublisher::builder()
            .with_retry_policy(RetryableErrors.with_time_limit(time_limit))
            .with_backoff_policy(backoff()?);
        if let Some(host) = &options.emulator_host {
            let credentials = anonymous::Builder::new().build();
            builder = builder.with_endpoint(format!("http://{host}")).with_credentials(credentials);
        }
        let base = builder.build().await.map_err(|error| ConnectError(error.to_string()))?;
        let topics = &options.topics;
        Ok(Self {
            payment_events: Line::new(&base, Topic::PaymentEvents.name(), &topics.payment_events),
            dead_letter: Line::new(&base, Topic::DeadLetter.name(), &topics.dead_letter),
            provider_events: Line::new(&base, events::PROVIDER_EVENTS, &topics.provider_events),
            settlement_shards: topics.settlement_shards.as_ref().map(|name| Line::new(&base, SETTLEMENT_SHARDS, name)),
        })
    }
}

impl Line {
    fn new(base: &BasePublisher, topic: &'static str, name: &str) -> Self {
        let publisher = |count| base.publisher(name).set_message_count_threshold(count).set_delay_threshold(GATHER);
        Self { topic, one_by_one: publisher(1).build(), in_bulk: publisher(IN_A_REQUEST).build() }
    }
}

/// Why a publish failed, in words for the log.
struct Failed {
    why: Why,
    said: String,
}

impl Failed {
    fn of(error: &PublishError) -> Self {
        Self { why: Why::of(error), said: error.to_string() }
    }
}

impl From<Failed> for QueueError {
    fn from(Failed { why, said }: Failed) -> Self {
        Self(format!("{}: {said}", why.name()))
    }
}

fn on_the_wire(message: Message, traceparent: Option<&str>) -> model::Message {
    let attributes = push::attributes(message).into_iter();
    let trace = traceparent.map(|traceparent| (TRACEPARENT, traceparent.to_owned()));
    model::Message::new().set_data(push::write(message)).set_attributes(attributes.chain(trace))
}

fn backoff() -> Result<ExponentialBackoff, ConnectError> {
    let builder = ExponentialBackoffBuilder::new().with_initial_delay(FIRST_WAIT).with_maximum_delay(LONGEST_WAIT);
    builder.build().map_err(|error| ConnectError(error.to_string()))
}
