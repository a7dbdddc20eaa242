//! The same message published twice.

use std::time::Duration;

use tollgate_gateway::ports::queue::{DeliveryDue, Message};

use crate::{
    handlers::{Do, Scripted},
    subject::{consume, due, merchant, message, publish, queue, quiet},
};

#[tokio::test]
async fn a_message_that_is_published_again_while_it_waits_is_kept_once() {
    let (queue, _) = queue();
    publish(&queue, &[message(1, 1), message(1, 1)]).await;
    publish(&queue, &[message(1, 1)]).await;
    assert_eq!(queue.standing().await.unwrap().payment_events, 1);
    let handler = Scripted::acks();
    let _consumer = consume(&queue, &handler);
    quiet(&queue).await;
    assert_eq!(handler.begun().len(), 1);
    publish(&queue, &[message(1, 1)]).await;
    quiet(&queue).await;
    assert_eq!(handler.begun().len(), 2, "once it is gone it is another");
}

#[tokio::test]
async fn messages_that_differ_in_anything_are_kept_each() {
    let (queue, _) = queue();
    let one = due(1, 1);
    let different = [
        Message::Deliver(one),
        Message::DeadLettered(one),
        Message::Deliver(DeliveryDue { merchant: merchant(2), ..one }),
        Message::Deliver(DeliveryDue { sequence: 2, ..one }),
        Message::Deliver(DeliveryDue { attempt: 2, ..one }),
        message(1, 2),
    ];
    publish(&queue, &different).await;
    let standing = queue.standing().await.unwrap();
    assert_eq!((standing.payment_events, standing.dead_letter), (5, 1));
}

#[tokio::test]
async fn a_message_that_is_published_again_while_it_is_handled_comes_again_once() {
    let (queue, _) = queue();
    let handler = Scripted::new(|_| Do::AckAfter(Duration::from_millis(200)));
    let _consumer = consume(&queue, &handler);
    publish(&queue, &[message(1, 1)]).await;
    handler.has_begun(1).await;
    // The handler may have looked already at what these tell of.
    publish(&queue, &[message(1, 1)]).await;
    publish(&queue, &[message(1, 1)]).await;
    quiet(&queue).await;
    let attempts: Vec<u32> = handler.begun().iter().map(|delivered| delivered.delivery_attempt).collect();
    assert_eq!(attempts, [1, 1]);
    assert_eq!(queue.standing().await.unwrap().payment_events, 0);
}

#[tokio::test]
async fn what_is_given_up_twice_is_in_the_dead_letter_topic_once() {
    let (queue, clock) = queue();
    let handler = Scripted::new(|_| Do::Retry);
    let consumer = consume(&queue, &handler);
    for _ in 0..2 {
        publish(&queue, &[message(1, 1)]).await;
        for _ in 0..6 {
            quiet(&queue).await;
            clock.advance(Duration::from_secs(600));
            queue.clock_moved();
        }
        quiet(&queue).await;
    }
    consumer.stop().await.unwrap();
    let standing = queue.standing().await.unwrap();
    assert_eq!((standing.payment_events, standing.dead_letter), (0, 1));
}
