//! What is too much is refused: of those first of whom much waits already.

use std::time::Duration;

use futures::future::join_all;
use rusqlite::Connection;
use tollgate_gateway::ports::{Queue, queue::Message};
use tollgate_messaging::{EmbeddedQueue, Options};

use crate::{
    clock::Clock,
    handlers::{Do, Scripted, eventually},
    subject::{consume, due, message, messages, publish, quiet},
};

#[tokio::test]
async fn a_writer_that_is_stuck_makes_publishing_fail_instead_of_growing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    let options = Options { publish_queue: 100, ..Options::default() };
    let queue = EmbeddedQueue::open(&path, options, Clock::real()).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Up to a batch is with the writer, which waits for the lock; the rest stays within its bound.
    let published = (0..1000).map(|number| {
        let queue = queue.clone();
        async move { queue.publish(&[message(1, number)]).await }
    });
    let unlock = async {
        pause().await;
        other.execute_batch("COMMIT").unwrap();
    };
    let (answers, ()) = futures::future::join(join_all(published), unlock).await;
    let taken = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((100..=201).contains(&taken), "{taken} were taken");
    let refused = answers.into_iter().find_map(Result::err).unwrap();
    assert!(refused.to_string().contains("too many"), "{refused}");
    assert_eq!(queue.standing().await.unwrap().payment_events, taken as u64);
}

#[allow(clippy::disallowed_methods, reason = "a test waits for real")]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn a_full_file_takes_nothing_more_until_there_is_room() {
    let queue = with_capacity(10);
    let everybodys: Vec<_> = (0..12).map(|merchant| message(merchant, 1)).collect();
    let refused = queue.publish(&everybodys).await.unwrap_err();
    assert!(refused.to_string().contains("full"), "{refused}");
    assert_eq!(queue.standing().await.unwrap().payment_events, 10, "as many as there is room for");
    assert_eq!(queue.publish(&everybodys[..10]).await.unwrap(), 0, "they are there: they need no room");
    let _consumer = consume(&queue, &Scripted::acks());
    quiet(&queue).await;
    publish(&queue, &everybodys[2..]).await;
}

#[tokio::test]
async fn a_merchants_long_line_leaves_room_for_every_other_and_refuses_none_of_theirs() {
    let queue = with_capacity(2000);
    let slow = messages(1, 3000);
    assert_eq!(queue.publish(&slow).await.unwrap(), 2000, "half of the room is theirs");
    assert_eq!(queue.publish(&slow[..1000]).await.unwrap(), 0, "what is there already is not refused");
    // Among those of a merchant who has enough, those of others are taken.
    let mut batch = slow[1000..1100].to_vec();
    batch.extend(messages(2, 300));
    batch.extend(slow[1100..1200].iter().copied());
    assert_eq!(queue.publish(&batch).await.unwrap(), 200 + 300 - 256, "a busy merchant still gets a line");
    assert_eq!(queue.publish(&messages(3, 300)).await.unwrap(), 300 - 244, "a shorter one where less is left");
    for merchant in 4..400 {
        assert_eq!(queue.publish(&messages(merchant, 3)).await.unwrap(), 2, "and everybody one place");
    }
    assert_eq!(queue.publish(&[Message::DeadLettered(due(1, 1))]).await.unwrap(), 0, "it is said once");
    let _consumer = consume(&queue, &Scripted::acks());
    quiet(&queue).await;
    assert_eq!(queue.publish(&slow[2000..2900]).await.unwrap(), 0, "there is room again");
}

fn with_capacity(capacity: u64) -> EmbeddedQueue {
    EmbeddedQueue::in_memory(Options { capacity, ..Options::default() }, Clock::standing()).unwrap()
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_an_error_and_nothing_is_lost_of_what_was_in_flight() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    let queue = EmbeddedQueue::open(&path, Options::default(), Clock::real()).unwrap();
    let handler = Scripted::acks();
    publish(&queue, &messages(1, 5)).await;
    let slow = Scripted::new(|_| Do::AckAfter(Duration::from_millis(100)));
    let consumer = consume(&queue, &slow);
    slow.has_begun(5).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("ALTER TABLE totals RENAME TO hidden").unwrap();
    eventually(|| slow.ended().len() == 5).await;
    pause().await;
    assert!(queue.publish(&[message(1, 9)]).await.is_err());
    other.execute_batch("ALTER TABLE hidden RENAME TO totals").unwrap();
    publish(&queue, &[message(1, 10)]).await;
    consumer.stop().await.unwrap();
    let _consumer = consume(&queue, &handler);
    quiet(&queue).await;
    assert_eq!(slow.ended().len() + handler.ended().len(), 6, "what had ended has ended");
}
