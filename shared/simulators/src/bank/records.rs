//! What the journal keeps of a bank.

use serde::{Deserialize, Serialize};

use super::{
    clients::Client,
    consent::Consent,
    event::StoredEvent,
    keys::SigningKey,
    payment::Payment,
    tokens::{Assertion, Code, Token},
};

/// An object in its newest state.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "a record lives for the length of one write")]
pub(super) enum Record {
    Key(SigningKey),
    Client(Client),
    Assertion(Assertion),
    Token(Token),
    /// A token's digest.
    Revoked(String),
    Code(Code),
    Consent(Consent),
    Payment(Payment),
    Event(StoredEvent),
}
