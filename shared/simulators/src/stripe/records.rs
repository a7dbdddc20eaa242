//! What the journal keeps of a Stripe account.

use serde::{Deserialize, Serialize};

use super::{
    answers::KeptAnswer, balance::BalanceTransaction, charge::Charge, event::StoredEvent, intent::Intent,
    refund::Refund,
};

/// An object in its newest state.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "a record lives for the length of one write")]
pub(super) enum Record {
    Intent(Intent),
    Charge(Charge),
    Refund(Refund),
    Event(StoredEvent),
    Answer(KeptAnswer),
    Balance(BalanceTransaction),
}
