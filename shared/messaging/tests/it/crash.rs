//! Processes are killed while they publish and while they handle.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use futures::future::join_all;
use rusqlite::Connection;
use tollgate_gateway::ports::Queue;

use crate::{
    handlers::{Do, Scripted},
    subject::{consume, message, messages, on_file, publish, quiet},
};

const CHILD_QUEUE: &str = "TOLLGATE_TEST_CHILD_QUEUE";
const CHILD_ROUND: &str = "TOLLGATE_TEST_CHILD_ROUND";
const ROUNDS: u32 = 4;
const PUBLISHERS: u32 = 16;
const WAITING: u32 = 1500;

/// Starts the test `name` in a process of its own.
pub(crate) fn child(name: &str, path: &Path, round: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD_QUEUE, path)
        .env(CHILD_ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The queue that a child is to use, and its round. A test that is no child has none, and does nothing.
pub(crate) fn as_child() -> Option<(String, u32)> {
    let path = std::env::var(CHILD_QUEUE).ok()?;
    Some((path, std::env::var(CHILD_ROUND).unwrap().parse().unwrap()))
}

/// Says `word number` to the parent.
pub(crate) fn say(word: &str, number: u32) {
    let mut out = std::io::stdout();
    writeln!(out, "\n{word} {number}").unwrap();
}

/// What the child says of `word`, until it has said so `enough` times and is killed.
pub(crate) fn said_until_killed(mut child: Child, word: &str, enough: usize) -> Vec<u32> {
    let mut said = Vec::new();
    let mut killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The last line may be cut off.
        let line = line.unwrap_or_default();
        let number = line.strip_prefix(word).and_then(|rest| rest.trim().parse::<u32>().ok());
        said.extend(number);
        if said.len() == enough && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "it was killed while it worked");
    said
}

#[tokio::test]
async fn child_that_publishes_until_it_is_killed() {
    let Some((path, round)) = as_child() else { return };
    let queue = on_file(path.as_ref());
    join_all((0..PUBLISHERS).map(|publisher| {
        let queue = queue.clone();
        async move {
            for payment in (publisher..100_000).step_by(PUBLISHERS as usize) {
                queue.publish(&[message(round, payment)]).await.unwrap();
                say("confirmed", payment);
            }
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_had_published_is_handed_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    let queue = on_file(&path);
    let handler = Scripted::acks();
    let _consumer = consume(&queue, &handler);
    let mut confirmed = HashSet::new();
    for round in 1..=ROUNDS {
        let child = child("crash::child_that_publishes_until_it_is_killed", &path, round);
        let enough = 300 * round as usize + 7;
        let said = tokio::task::block_in_place(|| said_until_killed(child, "confirmed", enough));
        confirmed.extend(said.into_iter().map(|payment| message(round, payment)));
    }
    quiet(&queue).await;
    let seen: HashSet<_> = handler.messages().into_iter().collect();
    assert!(confirmed.len() > 3000);
    assert_eq!(confirmed.difference(&seen).count(), 0);
    is_whole(&path);
}

#[tokio::test]
async fn child_that_handles_until_it_is_killed() {
    let Some((path, round)) = as_child() else { return };
    let queue = on_file(path.as_ref());
    let handler = Scripted::new(move |delivered| {
        let number = (0..WAITING).find(|number| delivered.message == message(1, *number)).unwrap();
        say("handled", number);
        // Some are held by it when it dies, whatever else happens.
        if number % 50 == round { Do::Hang } else { Do::Ack }
    });
    let _consumer = consume(&queue, &handler);
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn what_a_killed_process_had_in_flight_is_handed_out_at_once_when_the_next_one_starts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    let publisher = on_file(&path);
    publish(&publisher, &messages(1, WAITING)).await;
    let mut seen = HashSet::new();
    for round in 1..=3 {
        let child = child("crash::child_that_handles_until_it_is_killed", &path, round);
        let said = said_until_killed(child, "handled", 200 + 11 * round as usize);
        seen.extend(said.into_iter().map(|payment| message(1, payment)));
    }
    let queue = on_file(&path);
    let handler = Scripted::acks();
    let _consumer = consume(&queue, &handler);
    quiet(&queue).await;
    let rest = handler.begun();
    assert!(rest.iter().any(|delivered| delivered.delivery_attempt > 1), "some had been in flight");
    let hung = rest.iter().filter(|delivered| seen.contains(&delivered.message)).count();
    assert!(hung > 0, "some that were in flight came again");
    seen.extend(rest.iter().map(|delivered| delivered.message));
    assert_eq!(seen.len(), WAITING as usize);
    is_whole(&path);
}

#[tokio::test]
async fn a_message_that_kills_whoever_handles_it_is_given_up_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    publish(&on_file(&path), &[message(1, 0)]).await;
    for _ in 1..=5 {
        said_until_killed(child("crash::child_that_handles_until_it_is_killed", &path, 0), "handled", 1);
    }
    let queue = on_file(&path);
    let handler = Scripted::acks();
    let _consumer = consume(&queue, &handler);
    quiet(&queue).await;
    assert_eq!(handler.begun().len(), 1);
    assert!(handler.begun()[0].dead_lettered);
}

fn is_whole(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let whole: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    let counted: i64 = connection.query_row("SELECT count(*) FROM messages", [], |row| row.get(0)).unwrap();
    let totals: i64 =
        connection.query_row("SELECT payment_events + dead_letter FROM totals", [], |row| row.get(0)).unwrap();
    assert_eq!(counted, totals);
}
