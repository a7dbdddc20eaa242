//! The queue between functions: small messages that say what is due, never the thing itself.
//!
//! The store's due rows are the outbox (rule 18): a delivery's message that is lost costs 90 seconds at most, and one that
//! comes twice does nothing twice. So publishing may fail without a delivery being lost.

use async_trait::async_trait;
use tollgate_domain::{MerchantId, PaymentId, SettlementId};

/// What is said through the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    /// Topic `payment-events`: an event is to be sent to its merchant.
    Deliver(DeliveryDue),
    /// Topic `dead-letter`: an event was given up after its last try.
    DeadLettered(DeliveryDue),
}

impl Message {
    /// The try that it is about.
    pub const fn due(&self) -> DeliveryDue {
        match self {
            Self::Deliver(due) | Self::DeadLettered(due) => *due,
        }
    }
}

/// One try of one delivery. A handler that finds this try made already does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryDue {
    /// Whom the event tells: what a queue is fair between.
    pub merchant: MerchantId,
    /// The payment.
    pub payment: PaymentId,
    /// The event's number within the payment.
    pub sequence: u32,
    /// Which try of it is due, counted from 1.
    pub attempt: u32,
}

/// Publishes messages.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Publishes `messages`. Once it returns `Ok`, each that was taken is handed to its handler at least once, over
    /// restarts too. Answers how many [`Message::Deliver`] were not: a queue with a bound refuses a merchant of whom much
    /// waits already, so that nobody's line keeps the others' out.
    async fn publish(&self, messages: &[Message]) -> Result<usize, QueueError>;
}

/// Not all messages were taken, or it is not known whether they were.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the queue is unavailable: {0}")]
pub struct QueueError(pub String);

/// A part of a settlement that is to be settled: topic `settlement-shards`. How far it is, the store says; so a message that
/// comes twice, late or never costs time, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardDue {
    /// Of what.
    pub settlement: SettlementId,
    /// Which of its shards: less than [`SHARDS`](super::settlements::SHARDS).
    pub shard: u32,
}

/// Publishes what a settlement is split into.
#[async_trait]
pub trait ShardQueue: Send + Sync + 'static {
    /// Whether there is anybody to settle shards beside the run that publishes them.
    fn is_there(&self) -> bool;

    /// Publishes `shards`. Once it returns `Ok`, each is handed to its handler at least once.
    async fn publish_shards(&self, shards: &[ShardDue]) -> Result<(), QueueError>;
}

/// What a handler says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// What it led to is durable: it is not handed out again.
    Ack,
    /// It was not handled: to be handed out again, later.
    Retry,
}

/// No queue: every delivery waits until it is due by itself.
pub struct NoQueue;

#[async_trait]
impl Queue for NoQueue {
    async fn publish(&self, _: &[Message]) -> Result<usize, QueueError> {
        Ok(0)
    }
}

/// Nobody but the run itself: settlements are not split.
#[async_trait]
impl ShardQueue for NoQueue {
    fn is_there(&self) -> bool {
        false
    }

    async fn publish_shards(&self, _: &[ShardDue]) -> Result<(), QueueError> {
        Err(QueueError("there is no topic for shards".to_owned()))
    }
}
