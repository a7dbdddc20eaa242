//! A part of a settlement as a message: its data, and the envelope that Pub/Sub pushes it in.
//!
//! Must not know: how a shard is settled, or who may push.

use serde::{Deserialize, Serialize};
use tollgate_gateway::ports::{queue::ShardDue, settlements::SHARDS};

use crate::push::{self, Opened, Unreadable};

/// The topic's name, as metrics and traces know it.
pub const SETTLEMENT_SHARDS: &str = "settlement-shards";

/// Why data names no shard.
#[derive(Debug, thiserror::Error)]
pub enum NoShard {
    /// The data is not what [`write`] makes.
    #[error("the data is no part of a settlement: {0}")]
    Data(#[from] serde_json::Error),
    /// An id that is none.
    #[error("the message names a settlement by what is no id")]
    Settlement,
    /// A shard that no settlement has.
    #[error("the message names shard {0}")]
    Shard(u32),
}

/// A part of a settlement that was pushed to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedShard {
    /// Which.
    pub due: ShardDue,
    /// Pub/Sub's id of the message, for the logs.
    pub message_id: String,
    /// Where the trace of whoever published goes on, as it came.
    pub traceparent: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    settlement: String,
    shard: u32,
}

/// The data of the message: JSON, a line.
pub fn write(due: ShardDue) -> String {
    // A string and a number: this cannot fail.
    serde_json::to_string(&Wire { settlement: due.settlement.to_string(), shard: due.shard }).unwrap_or_default()
}

/// Reads the body of a push to the route of [`SETTLEMENT_SHARDS`], and counts it.
pub fn read(body: &[u8]) -> Result<PushedShard, Unreadable> {
    let push = parse(body);
    push::count(SETTLEMENT_SHARDS, push.is_ok());
    push
}

fn parse(body: &[u8]) -> Result<PushedShard, Unreadable> {
    let Opened { data, mut attributes, message_id, .. } = push::open(body)?;
    Ok(PushedShard { due: due(&data)?, message_id, traceparent: attributes.remove(push::TRACEPARENT) })
}

fn due(data: &[u8]) -> Result<ShardDue, NoShard> {
    let Wire { settlement, shard } = serde_json::from_slice(data)?;
    let settlement = settlement.parse().map_err(|_| NoShard::Settlement)?;
    if shard >= SHARDS {
        return Err(NoShard::Shard(shard));
    }
    Ok(ShardDue { settlement, shard })
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use tollgate_domain::SettlementId;

    use super::*;

    fn pushed(data: &str) -> Result<PushedShard, Unreadable> {
        let data = STANDARD.encode(data);
        let attributes = r#"{"traceparent":"00-a-b-01"}"#;
        read(format!(r#"{{"message":{{"data":"{data}","messageId":"7","attributes":{attributes}}}}}"#).as_bytes())
    }

    #[test]
    fn a_shard_comes_out_of_a_push_as_it_went_in() {
        for shard in [0, 7, SHARDS - 1] {
            let due = ShardDue { settlement: SettlementId::from_random([3; 16]), shard };
            let (message_id, traceparent) = ("7".to_owned(), Some("00-a-b-01".to_owned()));
            assert_eq!(pushed(&write(due)).unwrap(), PushedShard { due, message_id, traceparent });
        }
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        let id = SettlementId::from_random([3; 16]);
        for data in [
            String::new(),
            "{}".to_owned(),
            format!(r#"{{"settlement":"{id}"}}"#),
            r#"{"shard":1}"#.to_owned(),
            format!(r#"{{"settlement":"{id}","shard":64}}"#),
            format!(r#"{{"settlement":"{id}","shard":-1}}"#),
            format!(r#"{{"settlement":"{id}","shard":4294967296}}"#),
            format!(r#"{{"settlement":"{id}","shard":"1"}}"#),
            format!(r#"{{"settlement":"{id}","shard":1,"more":1}}"#),
            format!(r#"{{"settlement":"{id}","shard":1,"shard":2}}"#),
            r#"{"settlement":"stl_x","shard":1}"#.to_owned(),
            r#"{"kind":"deliver","merchant":"mer_x","payment":"pay_y","sequence":1,"attempt":1}"#.to_owned(),
        ] {
            assert!(pushed(&data).is_err(), "{data}");
        }
    }
}
