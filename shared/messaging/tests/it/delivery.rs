//! Handing out: until it is acknowledged, with a backoff, and not for ever.

use std::{sync::Arc, time::Duration};

use tollgate_gateway::ports::{Time, queue::Message};
use tollgate_messaging::{Delivered, EmbeddedQueue, Limits, Options, Topic};

use crate::{
    clock::Clock,
    handlers::{Do, Scripted},
    subject::{consume, consume_within, due, message, publish, queue, quiet},
};

/// Moves the clock to just before the next message is due, where nothing happens, and then to it.
async fn to_the_next_delivery(queue: &EmbeddedQueue, clock: &Clock) -> Duration {
    quiet(queue).await;
    let wait = queue.next_due().await.unwrap().expect("something waits").duration_since(clock.now());
    let wait = Duration::try_from(wait).unwrap();
    clock.advance(wait.saturating_sub(Duration::from_micros(1)));
    queue.clock_moved();
    assert!(queue.is_quiet().await.unwrap(), "not a microsecond too soon");
    clock.advance(Duration::from_micros(1));
    queue.clock_moved();
    wait
}

#[tokio::test]
async fn a_published_message_is_handed_out_once_and_then_gone() {
    let (queue, _) = queue();
    let handler = Scripted::acks();
    let consumer = consume(&queue, &handler);
    publish(&queue, &[message(1, 1), message(2, 1)]).await;
    quiet(&queue).await;
    assert_eq!(handler.begun().len(), 2);
    assert_eq!(handler.begun()[0].delivery_attempt, 1);
    let standing = queue.standing().await.unwrap();
    assert_eq!((standing.payment_events, standing.dead_letter, standing.next_due), (0, 0, None));
    consumer.stop().await.unwrap();
}

#[tokio::test]
async fn a_message_comes_again_after_ten_seconds_doubling_to_ten_minutes() {
    let (queue, clock) = queue();
    let handler = Scripted::new(|delivered| if delivered.delivery_attempt < 9 { Do::Retry } else { Do::Ack });
    let _consumer = consume(&queue, &handler);
    // What the gateway gave up is in the dead-letter topic already: the queue never gives it up.
    publish(&queue, &[Message::DeadLettered(due(1, 1))]).await;
    let mut waits = Vec::new();
    for delivery in 1..=8 {
        handler.has_begun(delivery).await;
        waits.push(to_the_next_delivery(&queue, &clock).await.as_secs());
    }
    quiet(&queue).await;
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 600, 600]);
    let attempts: Vec<u32> = handler.begun().iter().map(|delivered| delivered.delivery_attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(handler.begun().iter().all(|delivered| !delivered.dead_lettered));
    assert_eq!(queue.standing().await.unwrap().dead_letter, 0);
}

#[tokio::test]
async fn a_delivery_that_failed_five_times_goes_to_the_dead_letter_topic() {
    let (queue, clock) = queue();
    let handler = Scripted::new(|delivered| match (delivered.topic(), delivered.delivery_attempt) {
        (Topic::PaymentEvents, _) | (_, 1) => Do::Retry,
        _ => Do::Ack,
    });
    let _consumer = consume(&queue, &handler);
    publish(&queue, &[message(1, 1)]).await;
    for delivery in 1..=4 {
        handler.has_begun(delivery).await;
        to_the_next_delivery(&queue, &clock).await;
    }
    // The fifth failure needs no waiting; in the other topic the count starts anew, and so does the backoff.
    handler.has_begun(6).await;
    assert_eq!(to_the_next_delivery(&queue, &clock).await.as_secs(), 10);
    quiet(&queue).await;
    let delivered = |delivery_attempt, dead_lettered| Delivered {
        message: message(1, 1),
        delivery_attempt,
        dead_lettered,
        traceparent: None,
    };
    let before = (1..=5).map(|attempt| delivered(attempt, false));
    let expected: Vec<_> = before.chain([delivered(1, true), delivered(2, true)]).collect();
    assert_eq!(handler.begun(), expected);
    let standing = queue.standing().await.unwrap();
    assert_eq!((standing.payment_events, standing.dead_letter), (0, 0));
}

#[tokio::test]
async fn a_message_keeps_the_trace_of_its_publisher_over_a_restart_and_in_the_dead_letter_topic() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("queue"), Clock::standing());
    let open = || EmbeddedQueue::open(&path, Options::default(), clock.clone()).unwrap();
    publish(&open().keeping_traces(Arc::new(|| Some(TRACE.to_owned()))), &[message(1, 1)]).await;
    publish(&open(), &[message(2, 1)]).await;
    // Each of the two publishers is gone.
    let queue = open();
    let handler = Scripted::new(|delivered| if delivered.dead_lettered { Do::Ack } else { Do::Retry });
    let _consumer = consume(&queue, &handler);
    for delivery in 1..=4 {
        handler.has_begun(2 * delivery).await;
        to_the_next_delivery(&queue, &clock).await;
    }
    handler.has_begun(12).await;
    quiet(&queue).await;
    let of = |merchant: u32| {
        let begun = handler.begun().into_iter();
        let own = begun.filter(move |delivered| delivered.message == message(merchant, 1));
        own.map(|delivered| delivered.traceparent.map(|text| text.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(of(1), vec![Some(TRACE.to_owned()); 6]);
    assert_eq!(of(2), vec![None; 6]);
}

#[tokio::test]
async fn a_handler_that_misses_its_deadline_is_cut_off_and_gets_the_message_again() {
    let (queue, clock) = queue();
    let handler = Scripted::new(|delivered| if delivered.delivery_attempt == 1 { Do::Hang } else { Do::Ack });
    let limits = Limits { ack_deadline: Duration::from_millis(50), ..Limits::default() };
    let _consumer = consume_within(&queue, &handler, limits);
    publish(&queue, &[message(1, 1)]).await;
    handler.has_begun(1).await;
    assert_eq!(to_the_next_delivery(&queue, &clock).await.as_secs(), 10);
    quiet(&queue).await;
    assert_eq!(handler.begun().len(), 2);
}

#[tokio::test]
async fn a_clock_that_jumps_does_not_cut_off_a_handler_at_work() {
    let (queue, clock) = queue();
    let handler = Scripted::new(|_| Do::AckAfter(Duration::from_millis(300)));
    let _consumer = consume(&queue, &handler);
    publish(&queue, &[message(1, 1)]).await;
    handler.has_begun(1).await;
    clock.advance(Duration::from_hours(24));
    queue.clock_moved();
    quiet(&queue).await;
    assert_eq!((handler.begun().len(), handler.ended().len()), (1, 1));
}

#[tokio::test]
async fn a_handler_that_panics_gets_the_message_again() {
    let (queue, clock) = queue();
    let handler = Scripted::new(|delivered| if delivered.delivery_attempt == 1 { Do::Panic } else { Do::Ack });
    let _consumer = consume(&queue, &handler);
    publish(&queue, &[message(1, 1)]).await;
    handler.has_begun(1).await;
    assert_eq!(to_the_next_delivery(&queue, &clock).await.as_secs(), 10);
    quiet(&queue).await;
    assert_eq!(handler.ended().len(), 1);
}

#[tokio::test]
async fn a_clock_that_moved_is_noticed_without_being_told() {
    let (queue, clock) = queue();
    let handler = Scripted::new(|delivered| if delivered.delivery_attempt == 1 { Do::Retry } else { Do::Ack });
    let _consumer = consume(&queue, &handler);
    publish(&queue, &[message(1, 1)]).await;
    handler.has_begun(1).await;
    quiet(&queue).await;
    clock.advance(Duration::from_secs(10));
    handler.has_begun(2).await;
}

#[tokio::test]
async fn a_merchants_messages_come_in_the_order_of_their_publication() {
    let (queue, _) = queue();
    let handler = Scripted::acks();
    let published: Vec<_> = (0..100).map(|payment| message(1, payment)).collect();
    publish(&queue, &published).await;
    let _consumer = consume_within(&queue, &handler, Limits { in_flight: 1, ..Limits::default() });
    quiet(&queue).await;
    assert_eq!(handler.messages(), published);
}
