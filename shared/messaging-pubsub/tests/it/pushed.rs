//! From a publish to the push: once, again after a failure, and given up by the queue after five.

use std::{collections::BTreeSet, time::Duration};

use tollgate_emulators::{Retry, pubsub};
use tollgate_gateway::ports::{EventBacklog, Queue, Time, queue::Message};
use tollgate_messaging::Topic;

use crate::{
    receiver::Receiver,
    subject::{TRACE, clock, deliver, due, kept, pause, queue, topics},
};

/// Longer than the emulator waits before it pushes again.
const LONG_ENOUGH: Duration = Duration::from_millis(2500);

#[tokio::test]
async fn what_is_published_is_pushed_with_its_trace_and_once_it_is_taken_never_again() {
    let Some(pubsub) = pubsub() else { return };
    let topics = topics(&pubsub);
    let receiver = Receiver::start(&[]).await;
    pubsub.push_to(&topics.payment_events, &receiver.url(Topic::PaymentEvents), &Retry::default());
    let queue = queue(pubsub.host(), &topics).await;
    assert_eq!(queue.publish(&[deliver(1)]).await.unwrap(), 0);
    receiver.has_got(1).await;
    pause(LONG_ENOUGH).await;
    let pushes = receiver.pushes();
    assert_eq!(pushes.len(), 1, "it was acknowledged: {pushes:?}");
    let push = &pushes[0].1;
    assert_eq!((push.message, push.traceparent.as_deref(), push.dead_lettered), (deliver(1), Some(TRACE), false));
    let attributes = receiver.last_body()["message"]["attributes"].clone();
    let (merchant, payment) = (due(1).merchant.to_string(), due(1).payment.to_string());
    let expected = serde_json::json!({"kind": "deliver", "merchant": merchant, "payment": payment, "sequence": "1",
        "attempt": "2", "traceparent": TRACE});
    assert_eq!(attributes, expected);
}

#[tokio::test]
async fn what_is_not_taken_is_pushed_again_with_the_same_id() {
    let Some(pubsub) = pubsub() else { return };
    let topics = topics(&pubsub);
    let receiver = Receiver::start(&[503, 400]).await;
    pubsub.push_to(&topics.payment_events, &receiver.url(Topic::PaymentEvents), &Retry::default());
    queue(pubsub.host(), &topics).await.publish(&[deliver(1)]).await.unwrap();
    receiver.has_got(3).await;
    pause(LONG_ENOUGH).await;
    let pushes = receiver.pushes();
    assert_eq!(pushes.len(), 3);
    let ids: BTreeSet<_> = pushes.iter().map(|(_, push)| push.message_id.clone()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

#[tokio::test]
async fn what_fails_five_times_comes_to_the_dead_letter_route_as_given_up_by_the_queue() {
    let Some(pubsub) = pubsub() else { return };
    let topics = topics(&pubsub);
    let given_up = pubsub.create_topic();
    let receiver = Receiver::start(&[503; 100]).await;
    let retry = Retry { dead_letter_topic: Some(given_up.clone()), ..Retry::default() };
    pubsub.push_to(&given_up, &receiver.url(Topic::DeadLetter), &Retry::default());
    pubsub.push_to(&topics.payment_events, &receiver.url(Topic::PaymentEvents), &retry);
    queue(pubsub.host(), &topics).await.publish(&[deliver(1)]).await.unwrap();
    receiver.has_got(6).await;
    pause(LONG_ENOUGH).await;
    let pushes = receiver.pushes();
    assert_eq!(pushes.len(), 6, "five times, then once, and then it is taken: {pushes:?}");
    for (topic, push) in &pushes[..5] {
        assert_eq!((*topic, push.dead_lettered), (Topic::PaymentEvents, false));
    }
    let (topic, push) = &pushes[5];
    assert_eq!((*topic, push.message, push.dead_lettered), (Topic::DeadLetter, deliver(1), true));
    assert_eq!(push.traceparent.as_deref(), Some(TRACE), "it keeps its trace");
    assert_eq!(push.delivered().topic(), Topic::DeadLetter);
    let attributes = &receiver.last_body()["message"]["attributes"];
    assert_eq!(attributes["CloudPubSubDeadLetterSourceDeliveryCount"], "5", "{attributes}");
}

#[tokio::test]
async fn what_the_gateway_gave_up_goes_to_the_dead_letter_topic_alone() {
    let Some(pubsub) = pubsub() else { return };
    let topics = topics(&pubsub);
    let receiver = Receiver::start(&[]).await;
    pubsub.push_to(&topics.payment_events, &receiver.url(Topic::PaymentEvents), &Retry::default());
    pubsub.push_to(&topics.dead_letter, &receiver.url(Topic::DeadLetter), &Retry::default());
    let queue = queue(pubsub.host(), &topics).await;
    queue.publish(&[Message::DeadLettered(due(1)), deliver(2)]).await.unwrap();
    receiver.has_got(2).await;
    pause(LONG_ENOUGH).await;
    let mut got: Vec<_> =
        receiver.pushes().into_iter().map(|(topic, push)| (topic.name(), push.message, push.dead_lettered)).collect();
    got.sort_by_key(|(topic, ..)| *topic);
    let expected = [("dead-letter", Message::DeadLettered(due(1)), false), ("payment-events", deliver(2), false)];
    assert_eq!(got, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_at_once_take_no_longer_than_a_few() {
    let Some(pubsub) = pubsub() else { return };
    let topics = topics(&pubsub);
    let receiver = Receiver::start(&[]).await;
    pubsub.push_to(&topics.payment_events, &receiver.url(Topic::PaymentEvents), &Retry::default());
    let queue = queue(pubsub.host(), &topics).await;
    queue.publish(&[deliver(1)]).await.unwrap();
    let clock = clock();
    let messages: Vec<_> = (2..=500).map(deliver).collect();
    assert_eq!(queue.publish(&messages).await.unwrap(), 0);
    let took = clock.monotonic();
    assert!(took < Duration::from_millis(750), "{took:?}");
    receiver.has_got(500).await;
    let got: BTreeSet<u32> = receiver.pushes().iter().filter_map(|(_, push)| sequence(push.message)).collect();
    assert_eq!(got, (1..=500).collect());
}

#[tokio::test]
async fn a_kept_event_is_pushed_with_its_trace_until_it_is_taken() {
    let Some(pubsub) = pubsub() else { return };
    let topics = topics(&pubsub);
    let receiver = Receiver::start(&[]).await;
    pubsub.push_to(&topics.provider_events, &receiver.events_url(), &Retry::default());
    let queue = queue(pubsub.host(), &topics).await;
    queue.keep(&kept("evt_1")).await.unwrap();
    for _ in 0..500 {
        if receiver.events().len() >= 2 {
            break;
        }
        pause(Duration::from_millis(20)).await;
    }
    pause(LONG_ENOUGH).await;
    let events = receiver.events();
    assert_eq!(events.len(), 2, "the first was not taken, the second was: {events:?}");
    for event in events {
        assert_eq!((event.event, event.traceparent.as_deref()), (kept("evt_1"), Some(TRACE)));
    }
    assert!(receiver.pushes().is_empty(), "it is in no other topic");
}

fn sequence(message: Message) -> Option<u32> {
    match message {
        Message::Deliver(due) => Some(due.sequence),
        Message::DeadLettered(_) => None,
    }
}
