//! What is said between the parts: the queue, events that wait for the store, and webhooks to merchants.
//!
//! Must not know: what a message leads to.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use async_trait::async_trait;
use tollgate_domain::MerchantId;
use tollgate_gateway::ports::{
    EventBacklog, Queue, ShardQueue, WebhookSender,
    event_backlog::KeptEvent,
    queue::{DeliveryDue, Message, QueueError, ShardDue},
    webhook_sender::{EndpointRefused, SendError, Sent, Webhook},
};

use crate::{
    executor::{Owner, locked},
    instance::context,
    planted::Bug,
    stage::Stage,
    world::World,
};

/// How often a message is pushed before the queue gives it up.
const PUSHES: u32 = 5;

/// The queue: it outlives instances, and hands each message to one of them.
pub(crate) struct SimQueue(pub(crate) Weak<World>);

impl SimQueue {
    /// Takes messages, each to be pushed by `push`; or fails, loses some, and hands some out late or twice.
    async fn take<T: Copy, W: Future<Output = ()> + Send + 'static>(
        &self,
        messages: impl Iterator<Item = T> + Send,
        push: impl Fn(Arc<World>, T, Duration) -> W + Send,
    ) -> Result<(), QueueError> {
        let Some(world) = self.0.upgrade() else { return Ok(()) };
        let (stage, rate) = (&world.stage, world.stage.weather.rates().message);
        stage.a_moment().await;
        if stage.dice.rarely(rate) {
            return Err(QueueError("it failed".to_owned()));
        }
        for message in messages {
            let copies = if stage.dice.rarely(rate) { 2 } else { 1 };
            for _ in 0..copies {
                // One that is lost: what is due in the store brings it back.
                if stage.dice.rarely(rate) {
                    continue;
                }
                let wait = if stage.dice.rarely(rate) { stage.dice.secs(1, 300) } else { stage.dice.ms(0, 50) };
                stage.executor.spawn(Owner::WORLD, push(Arc::clone(&world), message, wait));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Queue for SimQueue {
    async fn publish(&self, messages: &[Message]) -> Result<usize, QueueError> {
        let due = messages.iter().filter_map(|message| match message {
            Message::Deliver(due) => Some(*due),
            Message::DeadLettered(_) => None,
        });
        self.take(due, push).await.map(|()| 0)
    }
}

async fn push(world: Arc<World>, due: DeliveryDue, wait: Duration) {
    world.stage.pause(wait).await;
    for attempt in 1..=PUSHES {
        let handled =
            world.ask(Duration::from_secs(60), move |gateway| async move { gateway.deliver(due).await.is_ok() });
        if handled.await == Some(true) {
            return;
        }
        world.stage.pause(world.stage.dice.secs(1, 10 * u64::from(attempt))).await;
    }
    _ = world
        .ask(Duration::from_secs(60), move |gateway| async move { gateway.delivery_given_up(due).await.is_ok() })
        .await;
}

#[async_trait]
impl ShardQueue for SimQueue {
    fn is_there(&self) -> bool {
        self.0.upgrade().is_some_and(|world| world.settles_in_shards)
    }

    async fn publish_shards(&self, shards: &[ShardDue]) -> Result<(), QueueError> {
        self.take(shards.iter().copied(), push_shard).await
    }
}

async fn push_shard(world: Arc<World>, due: ShardDue, wait: Duration) {
    world.stage.pause(wait).await;
    for attempt in 1..=PUSHES {
        let budget = world.stage.dice.ms(20, 40_000);
        let settled = world.ask(Duration::from_secs(60), move |gateway| async move {
            gateway.settle_shard(due, budget, context()).await.is_ok()
        });
        if settled.await == Some(true) {
            return;
        }
        world.stage.pause(world.stage.dice.secs(1, 10 * u64::from(attempt))).await;
    }
}

/// Events that came while the store was away: kept by the queue, pushed until they are applied.
pub(crate) struct SimBacklog(pub(crate) Weak<World>);

#[async_trait]
impl EventBacklog for SimBacklog {
    async fn keep(&self, event: &KeptEvent) -> Result<(), QueueError> {
        let Some(world) = self.0.upgrade() else { return Ok(()) };
        world.stage.a_moment().await;
        if world.stage.dice.rarely(world.stage.weather.rates().message) {
            return Err(QueueError("it failed".to_owned()));
        }
        let event = event.clone();
        let executor = world.stage.executor.clone();
        executor.spawn(Owner::WORLD, async move {
            loop {
                world.stage.pause(world.stage.dice.secs(1, 60)).await;
                let kept = event.clone();
                let applied = world.ask(Duration::from_secs(60), move |gateway| async move {
                    gateway.apply_kept_event(kept).await.is_ok_and(|ingested| ingested.as_str() != "deferred")
                });
                if applied.await == Some(true) {
                    return;
                }
            }
        });
        Ok(())
    }
}

/// What merchants' endpoints have taken.
#[derive(Default)]
pub(crate) struct Inboxes {
    /// By event: of which merchant, about which payment, the body.
    taken: Mutex<BTreeMap<String, (usize, String)>>,
    /// The secret that each merchant verifies with.
    secrets: Mutex<BTreeMap<usize, String>>,
}

impl Inboxes {
    /// The merchant verifies with this secret from now on.
    pub(crate) fn verify_with(&self, merchant: usize, secret: String) {
        locked(&self.secrets).insert(merchant, secret);
    }

    /// Whether the event has arrived.
    pub(crate) fn have(&self, event: &str) -> bool {
        locked(&self.taken).contains_key(event)
    }

    /// All events that have arrived.
    pub(crate) fn events(&self) -> BTreeSet<String> {
        locked(&self.taken).keys().cloned().collect()
    }
}

/// An instance's way to the merchants' endpoints.
pub(crate) struct SimWebhooks {
    pub(crate) stage: Arc<Stage>,
    pub(crate) owner: Owner,
    pub(crate) inboxes: Arc<Inboxes>,
}

impl SimWebhooks {
    fn answered(status: u16) -> Sent {
        Sent { answer: Ok(status), retry_after: None }
    }

    fn arrive(&self, merchant: usize, webhook: &Webhook<'_>) -> u16 {
        let known = locked(&self.inboxes.secrets).get(&merchant).cloned();
        if known.is_some_and(|known| !webhook.secrets.iter().any(|secret| **secret == known)) {
            self.stage.story.is_wrong(None, format!("webhook {} is not signed with the merchant's secret", webhook.id));
            return 401;
        }
        let mut taken = locked(&self.inboxes.taken);
        let (whose, before) = taken.entry(webhook.id.to_owned()).or_insert((merchant, webhook.body.to_owned()));
        if *whose != merchant || before != webhook.body {
            self.stage.story.is_wrong(None, format!("event {} was told twice, differently", webhook.id));
        }
        200
    }
}

#[async_trait]
impl WebhookSender for SimWebhooks {
    fn check(&self, _: &str) -> Result<(), EndpointRefused> {
        Ok(())
    }

    async fn send(&self, webhook: Webhook<'_>) -> Sent {
        let (stage, rate) = (&self.stage, self.stage.weather.rates().endpoint);
        let merchant = merchant_of(webhook.url);
        stage.pause(stage.dice.ms(5, 200)).await;
        let sent = if stage.weather.endpoint_is_down(merchant, stage.executor.now()) || stage.dice.rarely(rate) {
            if stage.dice.chance(500) {
                Self::answered(503)
            } else {
                stage.pause(webhook.timeout).await;
                Sent { answer: Err(SendError::TimedOut), retry_after: None }
            }
        } else {
            let status = self.arrive(merchant, &webhook);
            stage.story.tell(self.owner, None, "a webhook arrives", || webhook.id.to_owned());
            if stage.dice.rarely(rate) {
                Sent { answer: Err(SendError::Broken), retry_after: None }
            } else {
                Self::answered(status)
            }
        };
        if stage.has(Bug::DeliveredWhenSent) { Self::answered(200) } else { sent }
    }
}

/// Where a merchant's webhooks go.
pub(crate) fn url_of(merchant: usize) -> String {
    format!("https://shop{merchant}.test/hooks")
}

fn merchant_of(url: &str) -> usize {
    url.bytes().find(u8::is_ascii_digit).map_or(0, |digit| usize::from(digit - b'0'))
}

/// A merchant by its number.
pub(crate) fn merchant(number: usize) -> MerchantId {
    let mut bytes = [7; 16];
    bytes[15] = u8::try_from(number + 1).unwrap_or(u8::MAX);
    MerchantId::from_random(bytes)
}

/// The payer's way back: the proof in the link, and the query.
pub(crate) fn return_of(url: &str) -> Option<(String, String)> {
    let (_, opaque) = url.split_once("/return/")?;
    let (opaque, query) = opaque.split_once('?').unwrap_or((opaque, ""));
    Some((opaque.to_owned(), query.to_owned()))
}
