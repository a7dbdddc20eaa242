//! What Pub/Sub's push brings: an envelope around the message, which is JSON in base64.
//!
//! Must not know: who may push.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use tollgate_gateway::ports::queue::{DeliveryDue, Message};

/// Why a push is not read: it will not read better the next time.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The envelope is no JSON of Pub/Sub's.
    #[error("not an envelope of Pub/Sub: {0}")]
    Envelope(serde_json::Error),
    /// Its data is no base64.
    #[error("the data is not base64: {0}")]
    Base64(base64::DecodeError),
    /// The data is no message of ours.
    #[error("the data is no message: {0}")]
    Data(serde_json::Error),
    /// A message with an id that is none.
    #[error("the message names {0}, which is no id")]
    Id(&'static str),
}

#[derive(Deserialize)]
struct Envelope {
    message: Pushed,
}

#[derive(Deserialize)]
struct Pushed {
    data: String,
}

/// A message on the wire.
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

/// The data of `message`, before base64.
pub fn write(message: Message) -> String {
    let (kind, due) = match message {
        Message::Deliver(due) => (Kind::Deliver, due),
        Message::DeadLettered(due) => (Kind::DeadLettered, due),
    };
    let DeliveryDue { merchant, payment, sequence, attempt } = due;
    let (merchant, payment) = (merchant.to_string(), payment.to_string());
    // Strings and numbers: this cannot fail.
    serde_json::to_string(&Wire { kind, merchant, payment, sequence, attempt }).unwrap_or_default()
}

/// Reads the body of a push.
pub fn read(body: &[u8]) -> Result<Message, Unreadable> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(Unreadable::Envelope)?;
    let data = STANDARD.decode(envelope.message.data).map_err(Unreadable::Base64)?;
    let wire: Wire = serde_json::from_slice(&data).map_err(Unreadable::Data)?;
    let due = DeliveryDue {
        merchant: wire.merchant.parse().map_err(|_| Unreadable::Id("merchant"))?,
        payment: wire.payment.parse().map_err(|_| Unreadable::Id("payment"))?,
        sequence: wire.sequence,
        attempt: wire.attempt,
    };
    Ok(match wire.kind {
        Kind::Deliver => Message::Deliver(due),
        Kind::DeadLettered => Message::DeadLettered(due),
    })
}

#[cfg(test)]
mod tests {
    use tollgate_domain::{MerchantId, PaymentId};

    use super::*;

    fn push(data: &str) -> Vec<u8> {
        let message = serde_json::json!({"data": STANDARD.encode(data), "attributes": {}, "messageId": "1"});
        serde_json::to_vec(&serde_json::json!({"message": message, "subscription": "projects/p/subscriptions/s"}))
            .unwrap()
    }

    #[test]
    fn a_message_comes_out_of_a_push_as_it_went_in() {
        let due = DeliveryDue {
            merchant: MerchantId::from_random([1; 16]),
            payment: PaymentId::from_random([2; 16]),
            sequence: 3,
            attempt: 4,
        };
        for message in [Message::Deliver(due), Message::DeadLettered(due)] {
            assert_eq!(read(&push(&write(message))).unwrap(), message);
        }
    }

    #[test]
    fn what_is_no_push_of_ours_is_refused() {
        let stray = r#"{"kind":"deliver","merchant":"mer_x","payment":"pay_y","sequence":1,"attempt":1}"#;
        for body in [&b"{}"[..], b"", b"[]", br#"{"message":{"data":"%"}}"#, &push("{}"), &push(stray)] {
            assert!(read(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }
}
