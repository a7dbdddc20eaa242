//! Envelopes as Pub/Sub sends them, and as nobody should.

use serde_json::{Value, json};
use tollgate_domain::{MerchantId, PaymentId};
use tollgate_gateway::ports::queue::DeliveryDue;

use super::*;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn due() -> DeliveryDue {
    DeliveryDue {
        merchant: MerchantId::from_random([1; 16]),
        payment: PaymentId::from_random([2; 16]),
        sequence: 3,
        attempt: 4,
    }
}

/// The envelope around `data`, as Pub/Sub sends it.
fn envelope(data: &str) -> Value {
    json!({"message": {
        "data": STANDARD.encode(data), "attributes": {"kind": "deliver"}, "messageId": "2070443601311540",
        "message_id": "2070443601311540", "publishTime": "2026-02-26T19:13:55.749Z",
        "publish_time": "2026-02-26T19:13:55.749Z",
    }, "subscription": "projects/p/subscriptions/s"})
}

/// The envelope of a delivery that is due, changed.
fn changed(change: impl Fn(&mut Value)) -> Result<Push, Unreadable> {
    let mut envelope = envelope(&write(Message::Deliver(due())));
    change(&mut envelope);
    read(Topic::PaymentEvents, envelope.to_string().as_bytes())
}

#[test]
fn a_message_comes_out_of_a_push_as_it_went_in() {
    for message in [Message::Deliver(due()), Message::DeadLettered(due())] {
        let push = read(Topic::PaymentEvents, envelope(&write(message)).to_string().as_bytes()).unwrap();
        let message_id = "2070443601311540".to_owned();
        let expected = Push { message, message_id, traceparent: None, delivery_attempt: None, dead_lettered: false };
        assert_eq!(push, expected);
        assert_eq!(
            push.delivered(),
            Delivered { message, delivery_attempt: 1, dead_lettered: false, traceparent: None }
        );
    }
}

#[test]
fn what_is_around_the_message_is_read() {
    let push = changed(|push| {
        push["deliveryAttempt"] = json!(4);
        push["message"]["attributes"] = json!({"traceparent": TRACE, "stranger": "x"});
    });
    let push = push.unwrap();
    assert_eq!((push.traceparent.as_deref(), push.delivery_attempt), (Some(TRACE), Some(4)));
    assert_eq!(push.delivered().traceparent.as_deref(), Some(TRACE));
    let snake = changed(|push| {
        push["delivery_attempt"] = json!(5);
        push["message"]["messageId"].take();
        push["message"]["attributes"].take();
    });
    assert_eq!(snake.unwrap().delivery_attempt, Some(5));
}

#[test]
fn what_the_queue_gave_up_is_told_from_what_the_gateway_gave_up() {
    let source = json!({"CloudPubSubDeadLetterSourceDeliveryCount": "5"});
    assert!(changed(|push| push["message"]["attributes"] = source.clone()).unwrap().dead_lettered);
    let at = |message| read(Topic::DeadLetter, envelope(&write(message)).to_string().as_bytes()).unwrap();
    assert!(at(Message::Deliver(due())).dead_lettered, "a delivery has no other way into that topic");
    assert!(!at(Message::DeadLettered(due())).dead_lettered);
}

#[test]
fn what_is_no_push_of_ours_is_refused() {
    let stray = r#"{"kind":"deliver","merchant":"mer_x","payment":"pay_y","sequence":1,"attempt":1}"#;
    let ours = envelope(&write(Message::Deliver(due()))).to_string();
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    for body in [
        "{}",
        "",
        "[]",
        "null",
        "\u{0}",
        r#"{"message":null}"#,
        r#"{"message":{"messageId":"1","data":"%"}}"#,
        r#"{"message":{"messageId":"1"}}"#,
        &envelope("{}").to_string(),
        &envelope(stray).to_string(),
        &envelope(&write(Message::Deliver(due())).replace('3', "-3")).to_string(),
        &envelope(&write(Message::Deliver(due())).replace("deliver", "settle")).to_string(),
        &ours.replacen("\"message\":", "\"message\":1,\"message\":", 1),
        &format!("{ours}{ours}"),
        &ours[..ours.len() - 1],
        &deep,
        &format!("{ours}{}", " ".repeat(70_000)),
    ] {
        assert!(read(Topic::PaymentEvents, body.as_bytes()).is_err(), "{body:.80}");
    }
    assert!(read(Topic::PaymentEvents, &[0xff, 0xfe]).is_err());
    for field in ["messageId", "data", "attributes"] {
        for wrong in [json!(1), json!({"a": 1}), json!(["x"]), json!("x".repeat(100))] {
            assert!(
                changed(|push| {
                    push["message"][field] = wrong.clone();
                    push["message"]["message_id"].take();
                })
                .is_err()
            );
        }
    }
    for wrong in [json!(-1), json!(1e99), json!("5"), json!(4_294_967_296_u64)] {
        assert!(changed(|push| push["deliveryAttempt"] = wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn a_providers_event_comes_out_of_a_push_as_it_went_in_and_is_no_message_of_another_topic() {
    use tollgate_domain::{ProviderName, Timestamp};
    use tollgate_gateway::ports::provider::{News, ProviderEvent};

    let news = News::Changed { payment: PaymentId::from_random([2; 16]), transaction_id: "pi_1".to_owned() };
    let event = KeptEvent {
        provider: ProviderName::Paypal,
        event: ProviderEvent { event_id: "WH-1".to_owned(), event_type: "X".to_owned(), news },
        received_at: Timestamp::UNIX_EPOCH,
        correlation_id: "c".to_owned(),
    };
    let data = events::write(&event).unwrap();
    let mut push = envelope(&data);
    push["message"]["attributes"] = json!({"traceparent": TRACE});
    let expected =
        PushedEvent { event, message_id: "2070443601311540".to_owned(), traceparent: Some(TRACE.to_owned()) };
    assert_eq!(read_event(push.to_string().as_bytes()).unwrap(), expected);
    assert!(read(Topic::PaymentEvents, push.to_string().as_bytes()).is_err());
    let other = envelope(&write(Message::Deliver(due()))).to_string();
    assert!(matches!(read_event(other.as_bytes()), Err(Unreadable::NoEvent(_))));
}
