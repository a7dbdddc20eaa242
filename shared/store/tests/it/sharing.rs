//! Several processes on one file, and several stores on one memory.

use std::sync::Barrier;

use futures::future::join_all;
use tollgate_gateway::{
    contract::{Samples, Story, Subject},
    ports::{Store, Timelines},
    records::{ChangeSet, Committed, Guard},
};
use tollgate_store::{OpenError, SqliteStore};

use crate::{
    clock::Clock,
    subject::{OnFile, boot, options},
};

#[tokio::test]
async fn writers_of_two_stores_on_one_file_make_a_version_once() {
    let first = OnFile::new();
    let second = first.store.another(boot(2)).unwrap();
    let samples = Samples::new(100);
    for _ in 0..20 {
        let story = samples.opened();
        assert_eq!(first.store.commit(story.last()).await.unwrap(), Committed::Done);
        let rivals: Vec<ChangeSet> = (0..20).map(|_| story.rival(Story::authorized)).collect();
        let commits = rivals
            .iter()
            .enumerate()
            .map(|(index, set)| if index % 2 == 0 { first.store.commit(set) } else { second.commit(set) });
        let mut won = 0;
        for committed in join_all(commits).await {
            match committed.unwrap() {
                Committed::Done => won += 1,
                Committed::Conflict(guard) => assert_eq!(guard, Guard::Version),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(first.events(story.payment.id).await.len(), 1);
    }
}

#[tokio::test]
async fn a_store_sees_at_once_what_another_one_confirmed() {
    let first = OnFile::new();
    let second = first.store.another(boot(2)).unwrap();
    let samples = Samples::new(101);
    for _ in 0..50 {
        let story = samples.opened();
        first.store.commit(story.last()).await.unwrap();
        assert_eq!(second.payment(story.payment.id).await.unwrap(), Some(story.payment));
    }
}

#[tokio::test]
async fn a_set_whose_answer_was_lost_is_done_once_through_another_store_too() {
    let first = OnFile::new();
    let second = first.store.another(boot(2)).unwrap();
    let samples = Samples::new(102);
    let story = samples.opened().authorized();
    for set in &story.sets {
        assert_eq!(first.store.commit(set).await.unwrap(), Committed::Done);
        assert_eq!(second.commit(set).await.unwrap(), Committed::Done);
    }
    assert_eq!(second.timeline(story.payment.id).await.unwrap().len(), 2);
}

#[test]
fn stores_that_open_a_new_file_at_once_all_open_it() {
    for _ in 0..5 {
        let directory = tempfile::tempdir().unwrap();
        let (path, barrier) = (directory.path().join("store.db"), Barrier::new(8));
        std::thread::scope(|scope| {
            let opened: Vec<_> = (0..8)
                .map(|number| {
                    let (path, barrier) = (&path, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        SqliteStore::open(path, options(number), Clock::real())
                    })
                })
                .collect();
            for store in opened {
                store.join().unwrap().unwrap();
            }
        });
    }
}

#[test]
fn a_store_that_opens_waits_for_another_that_is_opening() {
    let subject = OnFile::new();
    let gate = std::fs::File::open(subject.directory.path().join("store.db.owners/start")).unwrap();
    gate.lock().unwrap();
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| subject.store.another(boot(2)).map(|_| ()));
        #[allow(clippy::disallowed_methods, reason = "time for it to go wrong")]
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(!opening.is_finished());
        gate.unlock().unwrap();
        opening.join().unwrap().unwrap();
    });
}

#[tokio::test]
async fn an_owner_is_gone_when_its_last_store_is_closed() {
    let mine = OnFile::new();
    assert!(!mine.store.owner_is_gone(boot(1)).await.unwrap(), "oneself");
    assert!(mine.store.owner_is_gone(boot(2)).await.unwrap(), "never seen");
    let (other, twin) = (mine.store.another(boot(2)).unwrap(), mine.store.another(boot(2)).unwrap());
    assert!(!mine.store.owner_is_gone(boot(2)).await.unwrap());
    drop(other);
    assert!(!mine.store.owner_is_gone(boot(2)).await.unwrap(), "its twin is open");
    drop(twin);
    assert!(mine.store.owner_is_gone(boot(2)).await.unwrap());
    assert!(mine.store.owner_is_gone(boot(2)).await.unwrap(), "asking leaves it gone");
}

#[tokio::test]
async fn opening_sweeps_the_signs_of_the_dead_and_leaves_those_of_the_living() {
    let mine = OnFile::new();
    let live = mine.store.another(boot(2)).unwrap();
    drop(mine.store.another(boot(3)).unwrap());
    let signs = || {
        let mut names: Vec<String> = std::fs::read_dir(mine.directory.path().join("store.db.owners"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(signs(), [boot(1).to_string(), boot(2).to_string(), boot(3).to_string(), "start".to_owned()]);
    let newest = live.another(boot(4)).unwrap();
    assert_eq!(signs(), [boot(1).to_string(), boot(2).to_string(), boot(4).to_string(), "start".to_owned()]);
    for number in [1, 2] {
        assert!(!newest.owner_is_gone(boot(number)).await.unwrap());
    }
}

#[tokio::test]
async fn stores_in_memory_share_it_and_know_each_other() {
    let first = SqliteStore::in_memory(options(1), Clock::real()).unwrap();
    let second = first.another(boot(2)).unwrap();
    let stranger = SqliteStore::in_memory(options(3), Clock::real()).unwrap();
    let samples = Samples::new(103);
    let story = samples.opened().authorized();
    assert_eq!(first.commit(&story.sets[0]).await.unwrap(), Committed::Done);
    assert_eq!(second.commit(&story.sets[1]).await.unwrap(), Committed::Done);
    assert_eq!(first.payment(story.payment.id).await.unwrap(), Some(story.payment.clone()));
    assert_eq!(stranger.payment(story.payment.id).await.unwrap(), None);
    assert!(!second.owner_is_gone(boot(1)).await.unwrap());
    drop(first);
    assert!(second.owner_is_gone(boot(1)).await.unwrap());
    assert_eq!(second.payment(story.payment.id).await.unwrap(), Some(story.payment));
}

#[test]
fn a_file_of_a_newer_program_is_refused() {
    let subject = OnFile::new();
    subject.connection().execute("INSERT INTO schema_migrations (number) VALUES (999)", []).unwrap();
    let refused = subject.store.another(boot(2));
    assert!(matches!(refused, Err(OpenError::Newer { found: 999, .. })));
}
