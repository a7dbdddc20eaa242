//! What is on its way has a bound.

use std::time::Duration;

use tollgate_emulators::pubsub;
use tollgate_gateway::ports::{Queue, Time};

use crate::subject::{clock, deliver, queue_with_room, topics};

#[tokio::test]
async fn more_than_there_is_room_for_is_refused_at_once_and_the_room_comes_back() {
    let Some(pubsub) = pubsub() else { return };
    let queue = queue_with_room(pubsub.host(), &topics(&pubsub), 10).await;
    let messages: Vec<_> = (0..11).map(deliver).collect();
    let clock = clock();
    let error = queue.publish(&messages).await.unwrap_err().to_string();
    assert!(error.contains("overloaded") && clock.monotonic() < Duration::from_millis(50), "{error}");
    for _ in 0..3 {
        queue.publish(&messages[..10]).await.unwrap();
    }
}

#[tokio::test]
async fn the_room_comes_back_though_a_caller_goes_away_or_nobody_answers() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let topics = tollgate_messaging_pubsub::Topics::read(
        "pubsub:projects/p/topics/payment-events",
        tollgate_messaging_pubsub::Named::default(),
    )
    .unwrap();
    let queue = queue_with_room(&silent.local_addr().unwrap().to_string(), &topics, 10).await;
    let messages: Vec<_> = (0..10).map(deliver).collect();
    let clock = clock();
    tokio::select! {
        _ = queue.publish(&messages) => panic!("nobody answers"),
        () = clock.sleep(Duration::from_millis(100)) => {}
    }
    for _ in 0..2 {
        let error = queue.publish(&messages).await.unwrap_err().to_string();
        assert!(error.contains("timeout"), "{error}");
    }
}

#[tokio::test]
async fn nothing_is_published_without_a_question() {
    let topics = tollgate_messaging_pubsub::Topics::read(
        "pubsub:projects/p/topics/payment-events",
        tollgate_messaging_pubsub::Named::default(),
    )
    .unwrap();
    let queue = queue_with_room("127.0.0.1:1", &topics, 10).await;
    assert_eq!(queue.publish(&[]).await.unwrap(), 0);
}
