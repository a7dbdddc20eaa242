//! Several processes on one file.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tollgate_gateway::ports::{
    Queue,
    queue::{Handled, Message},
};
use tollgate_messaging::{Delivered, EmbeddedQueue, Handler, Options};

use crate::{
    clock::Clock,
    crash::{as_child, child, say},
    handlers::{Do, Scripted, eventually},
    subject::{consume, message, messages, on_file, publish, quiet},
};

#[tokio::test]
async fn the_queues_file_is_its_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    publish(&on_file(&path), &[message(1, 1)]).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn what_one_publishes_another_consumes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    let (publisher, queue) = (on_file(&path), on_file(&path));
    let handler = Scripted::acks();
    let _consumer = consume(&queue, &handler);
    for payment in 0..5 {
        publish(&publisher, &[message(1, payment)]).await;
        handler.has_begun(payment as usize + 1).await;
    }
    // Not even questions without end keep the consumer from looking.
    publish(&publisher, &messages(2, 5)).await;
    quiet(&queue).await;
    assert_eq!(handler.ended().len(), 10);
}

/// Notices a message that is handled twice at a time.
#[derive(Default)]
struct Exclusive {
    held: Mutex<HashMap<Message, u32>>,
    handled: Mutex<HashMap<Message, u32>>,
}

#[async_trait]
impl Handler for Exclusive {
    #[allow(clippy::disallowed_methods, reason = "a handler that is slow")]
    async fn handle(&self, Delivered { message, .. }: Delivered) -> Handled {
        let held = {
            let mut all = self.held.lock().unwrap();
            let held = all.entry(message).or_default();
            *held += 1;
            *held
        };
        assert_eq!(held, 1);
        tokio::time::sleep(Duration::from_millis(3)).await;
        *self.held.lock().unwrap().get_mut(&message).unwrap() -= 1;
        *self.handled.lock().unwrap().entry(message).or_default() += 1;
        Handled::Ack
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_consumers_share_the_work_and_never_hold_the_same_message() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    let queues: Vec<EmbeddedQueue> = (0..3).map(|_| on_file(&path)).collect();
    let handler = Arc::new(Exclusive::default());
    let consumers: Vec<_> = queues[..2].iter().map(|queue| consume(queue, &handler)).collect();
    for of in 0..40 {
        for part in messages(of, 100).chunks(20) {
            queues[2].publish(part).await.unwrap();
        }
    }
    quiet(&queues[2]).await;
    let times = handler.handled.lock().unwrap().clone();
    assert_eq!(times.len(), 4000);
    assert!(times.values().all(|times| *times == 1), "nothing was handled twice");
    for consumer in consumers {
        consumer.stop().await.unwrap();
    }
}

#[tokio::test]
async fn child_that_is_stalled_while_it_handles() {
    let Some((path, _)) = as_child() else { return };
    let queue = on_file(path.as_ref());
    let handler = Scripted::new(|_| {
        say("holds", 1);
        Do::AckAfter(Duration::from_millis(300))
    });
    let _consumer = consume(&queue, &handler);
    eventually(|| handler.ended().len() == 1).await;
    queue.standing().await.unwrap();
    say("acknowledged", 1);
    std::future::pending::<()>().await;
}

fn signal(process: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stalled_process_holds_is_handed_out_when_its_lease_is_over_and_its_late_word_counts_for_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    let clock = Clock::real();
    let queue = EmbeddedQueue::open(&path, Options::default(), clock.clone()).unwrap();
    publish(&queue, &[message(1, 1)]).await;
    let mut stalled = child("sharing::child_that_is_stalled_while_it_handles", &path, 0);
    let mut lines = BufReader::new(stalled.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "holds 1"));
    signal(stalled.id(), "-STOP");

    let handler = Scripted::new(|_| Do::Hang);
    let consumer = consume(&queue, &handler);
    clock.advance(Duration::from_secs(60));
    queue.clock_moved();
    assert_eq!(queue.standing().await.unwrap().payment_events, 1);
    assert_eq!(handler.begun().len(), 0, "its lease is alive");
    clock.advance(Duration::from_secs(6));
    queue.clock_moved();
    handler.has_begun(1).await;
    assert_eq!(handler.begun()[0].delivery_attempt, 2);

    signal(stalled.id(), "-CONT");
    assert!(lines.any(|line| line == "acknowledged 1"));
    assert_eq!(queue.standing().await.unwrap().payment_events, 1, "it is another's by now");
    stalled.kill().unwrap();
    stalled.wait().unwrap();
    drop(consumer);
}
