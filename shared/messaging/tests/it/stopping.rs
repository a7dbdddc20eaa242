//! Stopping, and starting again.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use rusqlite::Connection;
use tollgate_gateway::ports::{Queue, Spawn};
use tollgate_messaging::{EmbeddedQueue, Limits};

use crate::{
    handlers::{Do, Scripted},
    subject::{Tasks, consume, consume_within, message, messages, on_file, publish, queue, quiet},
};

fn slow() -> Arc<Scripted> {
    Scripted::new(|_| Do::AckAfter(Duration::from_millis(50)))
}

#[tokio::test]
async fn a_stop_lets_handlers_end_and_leaves_the_rest() {
    let (queue, _) = queue();
    let handler = slow();
    publish(&queue, &messages(1, 100)).await;
    let consumer = consume_within(&queue, &handler, Limits { in_flight: 10, ..Limits::default() });
    handler.has_begun(15).await;
    consumer.stop().await.unwrap();
    let (begun, ended) = (handler.begun().len(), handler.ended().len());
    assert_eq!(begun, ended, "who had begun has ended");
    assert!(begun < 100);
    assert_eq!(queue.standing().await.unwrap().payment_events, 100 - ended as u64);
    let next = Scripted::acks();
    let _consumer = consume(&queue, &next);
    quiet(&queue).await;
    assert_eq!(next.ended().len(), 100 - ended);
    assert!(next.begun().iter().all(|delivered| delivered.delivery_attempt == 1), "nothing was counted");
}

#[tokio::test]
async fn what_was_claimed_but_not_begun_when_the_stop_came_never_begins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    let queue = on_file(&path);
    publish(&queue, &messages(1, 10)).await;
    let handler = Scripted::acks();
    let consumer = consume(&queue, &handler);
    // This blocks the only thread on which messages could be taken over.
    let file = Connection::open(&path).unwrap();
    let held = || file.query_row("SELECT count(*) FROM messages WHERE state = 2", [], |row| row.get(0));
    while held() != Ok(10_i64) {}
    consumer.stop().await.unwrap();
    assert_eq!(handler.begun().len(), 0);
    assert_eq!(held(), Ok(0));
    assert_eq!(queue.standing().await.unwrap().payment_events, 10);
}

#[tokio::test]
async fn a_queue_has_one_consumer_at_a_time() {
    let (queue, _) = queue();
    let handler = slow();
    let consumer = consume(&queue, &handler);
    let spawn: Arc<dyn Spawn> = Arc::new(Tasks);
    assert!(queue.consume(handler.clone(), Limits::default(), &spawn).is_err());
    consumer.stop().await.unwrap();
    assert!(queue.consume(handler, Limits::default(), &spawn).is_ok());
}

#[tokio::test]
async fn a_consumer_that_is_dropped_stops() {
    let (queue, _) = queue();
    let handler = slow();
    publish(&queue, &messages(1, 100)).await;
    let consumer = consume_within(&queue, &handler, Limits { in_flight: 10, ..Limits::default() });
    handler.has_begun(5).await;
    drop(consumer);
    // What was in flight ends; nothing more begins.
    while queue.standing().await.unwrap().payment_events + handler.ended().len() as u64 > 100 {}
    let begun = handler.begun().len();
    tokio::task::yield_now().await;
    assert!(begun <= 20 && handler.begun().len() == begun, "{begun}");
}

#[tokio::test]
async fn a_queue_that_was_closed_has_what_was_published_when_it_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    let queue: EmbeddedQueue = on_file(&path);
    publish(&queue, &messages(1, 100)).await;
    drop(queue);
    let queue = on_file(&path);
    let handler = Scripted::acks();
    let _consumer = consume(&queue, &handler);
    quiet(&queue).await;
    assert_eq!(handler.ended().len(), 100);
}

#[tokio::test]
async fn what_a_runtime_that_went_down_had_in_flight_is_ready_at_once_when_the_file_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    let runs_until_it_hangs = {
        let path = path.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let queue = on_file(&path);
                let handler = Scripted::new(|_| Do::Hang);
                let consumer = consume(&queue, &handler);
                queue.publish(&messages(1, 10)).await.unwrap();
                handler.has_begun(10).await;
                drop(consumer);
            });
        }
    };
    #[allow(clippy::disallowed_methods, reason = "a runtime of its own needs a thread of its own")]
    std::thread::spawn(runs_until_it_hangs).join().unwrap();
    let queue = on_file(&path);
    let handler = Scripted::acks();
    let _consumer = consume(&queue, &handler);
    quiet(&queue).await;
    assert_eq!(handler.ended().len(), 10);
}

#[tokio::test]
async fn nobody_waits_for_a_writer_that_has_panicked() {
    let (queue, clock) = queue();
    let consumer = consume(&queue, &Scripted::acks());
    clock.break_down();
    // Some are with the writer when it panics, some have just been brought, and some come afterwards.
    let published = join_all((0..1000).map(|number| {
        let queue = queue.clone();
        async move { queue.publish(&[message(1, number)]).await }
    }));
    let answers = within(published).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.to_string().contains("stopped"))));
    assert!(within(queue.publish(&[message(2, 1)])).await.is_err());
    assert!(within(queue.standing()).await.is_err());
    assert!(within(consumer.stop()).await.is_err());
}

#[allow(clippy::disallowed_methods, reason = "a test waits for real")]
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("it ends")
}
