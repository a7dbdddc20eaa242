//! Pub/Sub's pushes. Input: a line with the envelope, with `{data}` for what comes behind it, in base64.
//!
//! Holds: what is taken has every field that it must have, by a second reading, and an id; written and pushed again, it is the same.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tollgate_messaging::{
    Topic, events,
    push::{self, read, read_event, write},
    shards,
};

use crate::template::lines;

fn envelope(data: &str) -> String {
    json!({"message": {"data": BASE64_STANDARD.encode(data), "messageId": "1"}}).to_string()
}

/// The data of an envelope, read a second time.
fn data(envelope: &str) -> Vec<u8> {
    let envelope: Value = serde_json::from_str(envelope).expect("what is no JSON is not taken");
    let message = &envelope["message"];
    let id = message["messageId"].as_str().or(message["message_id"].as_str()).expect("without an id it is not taken");
    assert!((1..=64).contains(&id.len()), "an id of {} bytes", id.len());
    BASE64_STANDARD.decode(message["data"].as_str().expect("without data it is not taken")).expect("it is base64")
}

pub(crate) fn run(input: &[u8]) {
    let ([template], rest) = lines::<1>(input);
    let whole = template.replace("{data}", &BASE64_STANDARD.encode(rest));
    for topic in [Topic::PaymentEvents, Topic::DeadLetter] {
        let Ok(push) = read(topic, whole.as_bytes()) else { continue };
        let said: Value = serde_json::from_slice(&data(&whole)).expect("what is no JSON is not taken");
        for name in ["kind", "merchant", "payment", "sequence", "attempt"] {
            assert!(!said[name].is_null(), "taken without {name}: {said}");
        }
        let again = read(topic, envelope(&write(push.message)).as_bytes()).expect("what was taken is taken again");
        assert_eq!(again.message, push.message);
        assert_eq!(push.delivered().message, push.message);
    }
    if let Ok(push) = shards::read(whole.as_bytes()) {
        let said: Value = serde_json::from_slice(&data(&whole)).expect("what is no JSON is not taken");
        assert_eq!(said["settlement"], push.due.settlement.to_string(), "{said}");
        assert_eq!((said["shard"].as_u64(), push.due.shard < 64), (Some(push.due.shard.into()), true), "{said}");
        let again = shards::read(envelope(&shards::write(push.due)).as_bytes());
        assert_eq!(again.map(|again| again.due).ok(), Some(push.due));
    }
    if let Ok(push::PushedEvent { event, .. }) = read_event(whole.as_bytes()) {
        let written = events::write(&event).expect("what was read is written");
        assert_eq!(written.as_bytes(), data(&whole), "a kept event is read to the byte");
        assert_eq!(events::read(written.as_bytes()).ok(), Some(event));
    }
}
