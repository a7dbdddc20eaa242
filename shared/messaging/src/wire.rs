//! A message's data and attributes, as a queue outside of this process keeps them.
//!
//! Must not know: what is around them on their way, or who carries them.

use serde::{Deserialize, Serialize};
use tollgate_gateway::ports::queue::{DeliveryDue, Message};

/// Why data is no message: it will not read better the next time.
#[derive(Debug, thiserror::Error)]
pub enum NoMessage {
    /// The data is not what [`write`] makes.
    #[error("the data is no message: {0}")]
    Data(serde_json::Error),
    /// A message with an id that is none.
    #[error("the message names {0}, which is no id")]
    Id(&'static str),
}

#[derive(Serialize, Deserialize)]
struct Wire {
    kind: Kind,
    merchant: String,
    payment: String,
    sequence: u32,
    attempt: u32,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Deliver,
    DeadLettered,
}

impl Wire {
    fn of(message: Message) -> Self {
        let (kind, due) = match message {
            Message::Deliver(due) => (Kind::Deliver, due),
            Message::DeadLettered(due) => (Kind::DeadLettered, due),
        };
        let DeliveryDue { merchant, payment, sequence, attempt } = due;
        Self { kind, merchant: merchant.to_string(), payment: payment.to_string(), sequence, attempt }
    }
}

/// The data of `message`: JSON, a line.
pub fn write(message: Message) -> String {
    // Strings and numbers: this cannot fail.
    serde_json::to_string(&Wire::of(message)).unwrap_or_default()
}

/// What is told of `message` beside its data, for whoever subscribes with a filter or looks at a message that is stuck.
/// Our handlers read the data alone.
pub fn attributes(message: Message) -> [(&'static str, String); 5] {
    let Wire { kind, merchant, payment, sequence, attempt } = Wire::of(message);
    let kind = match kind {
        Kind::Deliver => "deliver",
        Kind::DeadLettered => "dead_lettered",
    };
    [
        ("kind", kind.to_owned()),
        ("merchant", merchant),
        ("payment", payment),
        ("sequence", sequence.to_string()),
        ("attempt", attempt.to_string()),
    ]
}

/// The message that `data` is.
pub(crate) fn read(data: &[u8]) -> Result<Message, NoMessage> {
    let wire: Wire = serde_json::from_slice(data).map_err(NoMessage::Data)?;
    let due = DeliveryDue {
        merchant: wire.merchant.parse().map_err(|_| NoMessage::Id("merchant"))?,
        payment: wire.payment.parse().map_err(|_| NoMessage::Id("payment"))?,
        sequence: wire.sequence,
        attempt: wire.attempt,
    };
    Ok(match wire.kind {
        Kind::Deliver => Message::Deliver(due),
        Kind::DeadLettered => Message::DeadLettered(due),
    })
}
