//! A process is killed while it commits: whatever it had confirmed is there, and nothing is there by half.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use futures::future::join_all;
use rusqlite::Connection;
use tollgate_gateway::{
    contract::{Samples, Story},
    ports::Store,
    records::Committed,
};
use tollgate_store::SqliteStore;

use crate::{
    clock::Clock,
    subject::{boot, options},
};

const CHILD_STORE: &str = "TOLLGATE_TEST_CHILD_STORE";
const CHILD_SEED: &str = "TOLLGATE_TEST_CHILD_SEED";
const ROUNDS: u8 = 5;
const WRITERS: usize = 16;

/// The payments of one round: the child makes them, the parent knows what they look like.
fn stories(samples: &Samples) -> Vec<Story<'_>> {
    let story = |_| {
        let mut story = samples.opened().authorized().capture_requested(400).captured(400);
        let (call, reference) = (samples.call(&story), samples.reference(&story));
        story.last_mut().calls.push(call);
        story.last_mut().reference = Some(reference);
        story
    };
    (0..2000).map(story).collect()
}

/// The child: this test is what the other one runs in a process of its own. Alone it does nothing.
#[tokio::test]
async fn child_that_commits_until_it_is_killed() {
    let (Ok(path), Ok(seed)) = (std::env::var(CHILD_STORE), std::env::var(CHILD_SEED)) else { return };
    let seed: u8 = seed.parse().unwrap();
    let store = SqliteStore::open(path, options(seed), Clock::real()).unwrap();
    let samples = Samples::new(seed.into());
    let stories = stories(&samples);
    let (store, stories) = (&store, &stories);
    join_all((0..WRITERS).map(|writer| async move {
        for (index, story) in stories.iter().enumerate().skip(writer).step_by(WRITERS) {
            for (step, set) in story.sets.iter().enumerate() {
                assert_eq!(store.commit(set).await.unwrap(), Committed::Done);
                writeln!(std::io::stdout(), "\nconfirmed {index} {step}").unwrap();
            }
        }
    }))
    .await;
}

#[tokio::test]
async fn what_a_killed_process_had_confirmed_is_there_and_nothing_is_there_by_half() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let survivor = SqliteStore::open(&path, options(200), Clock::real()).unwrap();
    for round in 1..=ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_that_commits_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(CHILD_STORE, &path)
            .env(CHILD_SEED, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The rounds are killed after different numbers of commits: in the middle of a batch, of a checkpoint, …
        let enough = 150 * usize::from(round) + 7;
        let mut confirmed = BTreeMap::new();
        let (mut killed, mut seen) = (false, 0);
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some((index, step)) = line.strip_prefix("confirmed ").and_then(|rest| rest.split_once(' ')) else {
                continue;
            };
            // The last line may be cut off.
            let (Ok(index), Ok(step)) = (index.parse::<usize>(), step.parse::<usize>()) else { continue };
            confirmed.insert(index, step);
            seen += 1;
            if seen == enough {
                assert!(!survivor.owner_is_gone(boot(round)).await.unwrap(), "it is alive");
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "it was killed while it worked");
        assert!(survivor.owner_is_gone(boot(round)).await.unwrap(), "it is gone");
        confirmed_is_there(&survivor, round, &confirmed).await;
        nothing_is_there_by_half(&path, round);
    }
    drop(survivor);
    let reopened = SqliteStore::open(&path, options(201), Clock::real()).unwrap();
    reopened.ping().await.unwrap();
    let whole: String =
        Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
}

async fn confirmed_is_there(survivor: &SqliteStore, seed: u8, confirmed: &BTreeMap<usize, usize>) {
    let samples = Samples::new(seed.into());
    let stories = stories(&samples);
    for (index, step) in confirmed {
        let story = &stories[*index];
        let found = survivor.payment(story.payment.id).await.unwrap().unwrap();
        // One more may have been committed, whose confirmation was cut off.
        let version = usize::try_from(found.version).unwrap();
        assert!(version == step + 1 || version == step + 2, "story {index}: step {step}, version {version}");
        assert_eq!(Some(&found), story.sets[version - 1].payment.as_ref().map(|change| &change.payment));
    }
}

/// Counts, in every table, what the payments that are there must have there.
fn nothing_is_there_by_half(path: &std::path::Path, seed: u8) {
    let samples = Samples::new(seed.into());
    let stories = stories(&samples);
    let connection = Connection::open(path).unwrap();
    let count = |table: &str, id: &str| -> usize {
        let sql = format!("SELECT count(*) FROM {table} WHERE payment_id = ?1");
        connection.prepare_cached(&sql).unwrap().query_row([id], |row| row.get::<_, u32>(0)).unwrap() as usize
    };
    for story in &stories {
        let id = story.payment.id.to_string();
        let version: i64 = connection
            .prepare_cached("SELECT coalesce(max(version), 0) FROM payments WHERE id = ?1")
            .unwrap()
            .query_row([&id], |row| row.get(0))
            .unwrap();
        let sets = &story.sets[..usize::try_from(version).unwrap()];
        let changes: Vec<_> = sets.iter().filter_map(|set| set.payment.as_ref()).collect();
        assert_eq!(count("history", &id), sets.len());
        assert_eq!(count("events", &id), changes.iter().map(|change| change.events.len()).sum::<usize>());
        assert_eq!(count("postings", &id), changes.iter().map(|change| change.postings.lines().len()).sum::<usize>());
        assert_eq!(count("idempotency", &id), sets.iter().filter(|set| set.new_key.is_some()).count());
        assert_eq!(count("provider_calls", &id), sets.iter().map(|set| set.calls.len()).sum::<usize>());
        assert_eq!(count("provider_refs", &id), sets.iter().filter(|set| set.reference.is_some()).count());
        let operations = changes.last().map_or(0, |change| change.payment.operations as usize);
        assert_eq!(count("operations", &id), operations);
    }
}
