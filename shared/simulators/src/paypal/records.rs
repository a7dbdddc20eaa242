//! What the journal keeps of a PayPal account.

use serde::{Deserialize, Serialize};

use super::{
    event::StoredEvent,
    kept::KeptRequest,
    order::Order,
    payments::{Authorization, Capture, Refund},
    signing::StoredKey,
    tokens::Token,
};

/// An object in its newest state.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "a record lives for the length of one write")]
pub(super) enum Record {
    Order(Order),
    Authorization(Authorization),
    Capture(Capture),
    Refund(Refund),
    Event(StoredEvent),
    Request(KeptRequest),
    Token(Token),
    Key(StoredKey),
    /// Where callers reach this PayPal.
    Address(String),
}
