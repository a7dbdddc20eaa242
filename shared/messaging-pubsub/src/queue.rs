//! Publishing: everything that is given at once goes out at once, with a bound on what is on its way and on the wait.
//!
//! Nothing is promised that was not taken: the due row says it again a minute later (rule 18), so no publish is tried for
//! longer than anybody waits for it. Must not know: what a message leads to.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
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
    Queue, Time,
    queue::{Message, QueueError},
};
use tollgate_messaging::{
    Topic, Traceparent,
    push::{self, TRACEPARENT},
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
    payment_events: Line,
    dead_letter: Line,
    room: Semaphore,
    publish_timeout: Duration,
    time: Arc<dyn Time>,
    traceparent: Traceparent,
}

/// The way to one topic.
struct Line {
    topic: Topic,
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
        let mut builder = BasePublisher::builder()
            .with_retry_policy(RetryableErrors.with_time_limit(publish_timeout))
            .with_backoff_policy(backoff()?);
        if let Some(host) = &options.emulator_host {
            let credentials = anonymous::Builder::new().build();
            builder = builder.with_endpoint(format!("http://{host}")).with_credentials(credentials);
        }
        let base = builder.build().await.map_err(|error| ConnectError(error.to_string()))?;
        Ok(Self {
            payment_events: Line::new(&base, Topic::PaymentEvents, &options.topics.payment_events),
            dead_letter: Line::new(&base, Topic::DeadLetter, &options.topics.dead_letter),
            room: Semaphore::new(options.in_flight.min(Semaphore::MAX_PERMITS)),
            publish_timeout,
            time,
            traceparent,
        })
    }

    /// Publishes what is for `line`, and measures it.
    async fn publish_to(&self, line: &Line, messages: Vec<Message>) -> Result<(), Failed> {
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
        end
    }

    /// Sends `messages` and waits for every answer until the time is over. Answers how many were taken, and what went wrong
    /// first.
    async fn send(&self, line: &Line, messages: Vec<Message>) -> (u64, Result<(), Failed>) {
        let traceparent = (self.traceparent)();
        let publisher = if messages.len() <= ONE_BY_ONE { &line.one_by_one } else { &line.in_bulk };
        let send = |message| -> Sent { Box::pin(publisher.publish(on_the_wire(message, traceparent.as_deref()))) };
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
        let (events, dead): (Vec<Message>, Vec<Message>) =
            messages.iter().partition(|message| matches!(message, Message::Deliver(_)));
        let (events, dead) =
            join(self.publish_to(&self.payment_events, events), self.publish_to(&self.dead_letter, dead)).await;
        events.and(dead).map(|()| 0).map_err(|failed| QueueError(format!("{}: {}", failed.why.name(), failed.said)))
    }
}

impl Line {
    fn new(base: &BasePublisher, topic: Topic, name: &str) -> Self {
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

fn on_the_wire(message: Message, traceparent: Option<&str>) -> model::Message {
    let attributes = push::attributes(message).into_iter();
    let trace = traceparent.map(|traceparent| (TRACEPARENT, traceparent.to_owned()));
    model::Message::new().set_data(push::write(message)).set_attributes(attributes.chain(trace))
}

fn backoff() -> Result<ExponentialBackoff, ConnectError> {
    let builder = ExponentialBackoffBuilder::new().with_initial_delay(FIRST_WAIT).with_maximum_delay(LONGEST_WAIT);
    builder.build().map_err(|error| ConnectError(error.to_string()))
}
