//! What every queue of ours hands out, and to whom; the same for each of them.
//!
//! Must not know: how a queue keeps messages, or what a handler does.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tollgate_gateway::ports::queue::{Handled, Message};

/// Where a message is. Each topic has a line of its own for what is in it, and counts deliveries anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// `payment-events`: tries of deliveries that are due.
    PaymentEvents,
    /// `dead-letter`: what was given up, by us or by the queue.
    DeadLetter,
}

impl Topic {
    /// Its name, as the outside and the metrics know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PaymentEvents => "payment-events",
            Self::DeadLetter => "dead-letter",
        }
    }
}

/// Says in which trace the caller is, as the W3C's `traceparent`: a queue keeps it with what is published. `None`: in none.
pub type Traceparent = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// A message as its handler gets it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Delivered {
    /// What was published.
    pub message: Message,
    /// How often it was handed out within its topic, this time included.
    pub delivery_attempt: u32,
    /// The queue itself gave it up, because its handler failed with it too often: rule 19 makes the delivery due
    /// again. A [`Message::DeadLettered`] is a different thing: there the gateway gave up the event.
    pub dead_lettered: bool,
    /// Where the trace of whoever published goes on, as it came: it is for the handler to see whether it is one.
    pub traceparent: Option<Arc<str>>,
}

impl Delivered {
    /// The topic that it comes from.
    pub const fn topic(&self) -> Topic {
        match self.message {
            Message::Deliver(_) if !self.dead_lettered => Topic::PaymentEvents,
            Message::Deliver(_) | Message::DeadLettered(_) => Topic::DeadLetter,
        }
    }
}

/// Handles messages. A message can come twice, and a future of this can be dropped at its deadline or when the process
/// ends.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Handles one message.
    async fn handle(&self, delivered: Delivered) -> Handled;
}

/// How much a consumer takes on at a time.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages in flight, of all merchants.
    pub in_flight: usize,
    /// Messages in flight of one merchant. It gets fewer where others need the room.
    pub per_merchant: usize,
    /// How long a handler may take, in real time.
    pub ack_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 256, per_merchant: 32, ack_deadline: Duration::from_secs(60) }
    }
}
