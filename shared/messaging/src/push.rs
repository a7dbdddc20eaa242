//! What Pub/Sub's push brings: an envelope around the message, which is JSON in base64.
//!
//! Must not know: who may push, or what is answered.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use tollgate_gateway::ports::{event_backlog::KeptEvent, queue::Message};

use crate::{
    Delivered, Topic,
    events::{self, NoEvent, PROVIDER_EVENTS},
    shards::NoShard,
    wire,
};

pub use crate::wire::{NoMessage, attributes, write};

/// Ours are some 500 bytes with all that Pub/Sub adds, and an event 22,000 at most.
const LONGEST_ENVELOPE_BYTES: usize = 64 * 1024;
/// Pub/Sub's ids are numbers of some 20 digits.
const LONGEST_ID_BYTES: usize = 64;
/// The attribute that carries the trace of whoever published, as the W3C writes it.
pub const TRACEPARENT: &str = "traceparent";
/// Attributes that Pub/Sub adds to what it gave up, and nobody else.
const DEAD_LETTER_PREFIX: &str = "CloudPubSubDeadLetterSource";

/// Why a push is not read: it will not read better the next time.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Longer than any of ours.
    #[error("an envelope of {0} bytes is none of ours")]
    TooLong(usize),
    /// The envelope is no JSON of Pub/Sub's.
    #[error("not an envelope of Pub/Sub: {0}")]
    Envelope(serde_json::Error),
    /// It has no id that Pub/Sub would give.
    #[error("the message has no id, or too long a one")]
    MessageId,
    /// Its data is no base64.
    #[error("the data is not base64: {0}")]
    Base64(base64::DecodeError),
    /// The data is no message of ours.
    #[error(transparent)]
    NoMessage(#[from] NoMessage),
    /// The data is no event of a provider's that we kept.
    #[error(transparent)]
    NoEvent(#[from] NoEvent),
    /// The data is no part of a settlement.
    #[error(transparent)]
    NoShard(#[from] NoShard),
}

/// A message that was pushed to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// What was published.
    pub message: Message,
    /// Pub/Sub's id of it, for the logs. One that is pushed again keeps it; in the dead-letter topic it is another.
    pub message_id: String,
    /// Where the trace of whoever published goes on, as it came.
    pub traceparent: Option<String>,
    /// How often it was pushed, this time included, where Pub/Sub counts: without a dead-letter topic it does not.
    pub delivery_attempt: Option<u32>,
    /// The queue gave it up, because its handler failed too often (rule 19).
    pub dead_lettered: bool,
}

impl Push {
    /// As a handler gets it.
    pub fn delivered(&self) -> Delivered {
        Delivered {
            message: self.message,
            delivery_attempt: self.delivery_attempt.unwrap_or(1),
            dead_lettered: self.dead_lettered,
            traceparent: self.traceparent.as_deref().map(Arc::from),
        }
    }
}

/// A provider's event that was pushed to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedEvent {
    /// What was kept.
    pub event: KeptEvent,
    /// Pub/Sub's id of it, for the logs.
    pub message_id: String,
    /// The trace that it came in, as it came.
    pub traceparent: Option<String>,
}

/// Google writes the fields of REST, and for older readers some of them in snake case too: either may be there, or both.
#[derive(Deserialize)]
struct Envelope {
    message: Pushed,
    #[serde(rename = "deliveryAttempt")]
    delivery_attempt: Option<u32>,
    #[serde(rename = "delivery_attempt")]
    delivery_attempt_snake: Option<u32>,
}

#[derive(Deserialize)]
struct Pushed {
    /// Left out where there is none.
    #[serde(default)]
    data: String,
    attributes: Option<BTreeMap<String, String>>,
    #[serde(rename = "messageId")]
    message_id: Option<String>,
    #[serde(rename = "message_id")]
    message_id_snake: Option<String>,
}

/// Reads the body of a push to the route of the topic `to`, and counts it.
pub fn read(to: Topic, body: &[u8]) -> Result<Push, Unreadable> {
    let push = parse(to, body);
    count(to.name(), push.is_ok());
    push
}

/// Reads the body of a push to the route of [`PROVIDER_EVENTS`], and counts it.
pub fn read_event(body: &[u8]) -> Result<PushedEvent, Unreadable> {
    let push = parse_event(body);
    count(PROVIDER_EVENTS, push.is_ok());
    push
}

pub(crate) fn count(topic: &'static str, is_read: bool) {
    let outcome = if is_read { "read" } else { "unreadable" };
    metrics::counter!("queue_pushes_total", "topic" => topic, "outcome" => outcome).increment(1);
}

fn parse_event(body: &[u8]) -> Result<PushedEvent, Unreadable> {
    let Opened { data, mut attributes, message_id, .. } = open(body)?;
    Ok(PushedEvent { event: events::read(&data)?, message_id, traceparent: attributes.remove(TRACEPARENT) })
}

/// What is in an envelope.
pub(crate) struct Opened {
    pub(crate) data: Vec<u8>,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) message_id: String,
    pub(crate) delivery_attempt: Option<u32>,
}

pub(crate) fn open(body: &[u8]) -> Result<Opened, Unreadable> {
    if body.len() > LONGEST_ENVELOPE_BYTES {
        return Err(Unreadable::TooLong(body.len()));
    }
    let envelope: Envelope = serde_json::from_slice(body).map_err(Unreadable::Envelope)?;
    let Pushed { data, attributes, message_id, message_id_snake } = envelope.message;
    let message_id = message_id.or(message_id_snake).filter(|id| (1..=LONGEST_ID_BYTES).contains(&id.len()));
    let message_id = message_id.ok_or(Unreadable::MessageId)?;
    let data = STANDARD.decode(data).map_err(Unreadable::Base64)?;
    let delivery_attempt = envelope.delivery_attempt.or(envelope.delivery_attempt_snake);
    Ok(Opened { data, attributes: attributes.unwrap_or_default(), message_id, delivery_attempt })
}

fn parse(to: Topic, body: &[u8]) -> Result<Push, Unreadable> {
    let Opened { data, mut attributes, message_id, delivery_attempt } = open(body)?;
    let message = wire::read(&data)?;
    let given_up = to == Topic::DeadLetter || attributes.keys().any(|name| name.starts_with(DEAD_LETTER_PREFIX));
    Ok(Push {
        message,
        message_id,
        traceparent: attributes.remove(TRACEPARENT),
        delivery_attempt,
        // That the gateway gave up an event is what a message of the other kind says, wherever it comes from.
        dead_lettered: given_up && matches!(message, Message::Deliver(_)),
    })
}
