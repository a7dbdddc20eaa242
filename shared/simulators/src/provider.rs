//! What a simulated provider is to the shell around it: a synchronous state machine of requests and time.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

/// A simulated provider. Pure: it opens no sockets, reads no clock, and writes no files.
pub trait Provider: Send + 'static {
    /// The provider's name in paths and file names, such as `stripe`.
    fn name(&self) -> &'static str;

    /// What `request` is about, so that faults can be matched to it.
    fn kind(&self, request: &Request<Bytes>) -> CallKind;

    /// Answers `request` at `now`, playing `interference` if it comes to it (it is then taken).
    fn handle(&mut self, now: Timestamp, request: &Request<Bytes>, interference: &mut Interference) -> Reply;

    /// Marks `request` as still running (`true`) or answered: a twin of a running one meets the provider's conflict.
    fn set_running(&mut self, request: &Request<Bytes>, running: bool);

    /// Does what is due by `now`, such as letting authorizations expire.
    fn advance(&mut self, now: Timestamp) -> Changes;

    /// When [`advance`](Self::advance) next has something to do.
    fn next_due(&self) -> Option<Timestamp>;

    /// Every payment that ever was, oldest first.
    fn transactions(&self) -> Vec<Transaction>;

    /// The event with this id, if it is still kept.
    fn event(&self, id: &str) -> Option<Event>;

    /// Makes what [`sign`](Self::sign) needs and does not have yet, such as a key.
    fn prepare_to_sign(&mut self) -> Changes {
        Changes::default()
    }

    /// The bytes that are sent for an event with this body: the body itself, unless the provider sends it in a wrapping.
    fn envelope(&self, _secret: &str, _now: Timestamp, body: &Arc<str>) -> Arc<str> {
        Arc::clone(body)
    }

    /// The headers of a webhook with these bytes, signed with the endpoint's secret.
    fn sign(&self, secret: &str, now: Timestamp, body: &str) -> HeaderMap;

    /// `body` with the id of another object: what a confused provider would answer.
    fn with_wrong_id(&mut self, body: &[u8]) -> Bytes;

    /// Gives `response` such a body, and whatever has to go with it, such as a signature.
    fn give_wrong_id(&mut self, _now: Timestamp, response: &mut Response<Bytes>) {
        *response.body_mut() = self.with_wrong_id(response.body());
    }

    /// Takes in one record of its journal.
    fn restore(&mut self, record: &RawValue) -> Result<(), serde_json::Error>;

    /// The records that make up the present state, oldest first.
    fn snapshot(&self) -> Box<dyn Iterator<Item = Box<RawValue>> + '_>;
}

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// A page for the payer, not an API call: faults leave it alone.
    Page,
    /// A call that changes nothing.
    Read,
    /// A call that may move money; `pays` if it may take a payment from a payer.
    Change {
        /// A payment is asked for, which can be declined.
        pays: bool,
    },
}

/// A fault that only the provider itself can play, because it concerns its books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interference {
    /// Nothing is wrong.
    #[default]
    None,
    /// Decline the payment that this call asks for.
    Decline,
    /// Fail with the provider's server error, remembered under the idempotency key where the provider does that.
    ServerError,
    /// Refuse with the provider's rate limit error.
    RateLimit,
}

impl Interference {
    /// Takes the interference if it is `expected`.
    pub(crate) fn take(&mut self, expected: Self) -> bool {
        let hit = *self == expected;
        if hit {
            *self = Self::None;
        }
        hit
    }
}

/// What changed in a provider: what to tell, and what to write down.
#[derive(Debug, Default)]
pub struct Changes {
    /// Events to send to the webhook endpoint, in order.
    pub events: Vec<Event>,
    /// Journal records, in order: together they are one change.
    pub records: Vec<Box<RawValue>>,
}

/// An answer with what follows from the call.
#[derive(Debug)]
pub struct Reply {
    /// What the caller gets.
    pub response: Response<Bytes>,
    /// What changed.
    pub changes: Changes,
}

/// Something that happened at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The provider's id of it.
    pub id: String,
    /// The provider's name for its kind.
    pub kind: String,
    /// The payment it is about: events of one payment are sent in order.
    pub payment: String,
    /// The webhook's body.
    pub body: Arc<str>,
}

/// A payment as the provider has it in its own books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transaction {
    /// The provider's id.
    pub provider_transaction_id: String,
    /// The gateway's id of the request that made it, if it came along.
    pub provider_request_id: Option<String>,
    /// The gateway's id of the payment, if it came along.
    pub payment_id: Option<String>,
    /// What was asked for, in minor units.
    pub amount: i64,
    /// ISO 4217, upper case.
    pub currency: String,
    /// What was taken, in minor units.
    pub captured: i64,
    /// What was given back of that, in minor units.
    pub refunded: i64,
    /// The provider's own word.
    pub status: String,
}
