//! House-keeping: what is forgotten, and what never is.

use std::time::Duration;

use super::{Samples, Story, Subject, done, tell};
use crate::{
    ports::Store,
    records::{ChangeSet, EVENTS_KEPT_FOR, KEY_BINDS_FOR},
};

const SECOND: Duration = Duration::from_secs(1);
const YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Rule 12: a key binds for its time, and for as long as its operation is open.
pub async fn released_keys_expire_after_their_time_and_unreleased_ones_never<S: Subject>(subject: &S) {
    let samples = Samples::new(60);
    let store = subject.store();
    let (open, closed) = (samples.opened(), samples.opened().authorized());
    tell(store, &open).await;
    tell(store, &closed).await;
    let key = |story: &Story<'_>| story.sets[0].new_key.as_ref().unwrap().key;
    let until = closed.now + KEY_BINDS_FOR;
    assert_eq!(subject.forget(until, 100).await, 0, "binds until then");
    assert!(store.idempotency(key(&closed)).await.unwrap().is_some());
    assert_eq!(subject.forget(until + SECOND, 100).await, 1);
    assert!(store.idempotency(key(&closed)).await.unwrap().is_none());
    assert_eq!(subject.forget(until + YEARS, 100).await, 0);
    assert!(store.idempotency(key(&open)).await.unwrap().is_some());
}

/// Long after the provider has stopped sending them.
pub async fn taken_events_are_forgotten_after_their_time<S: Subject>(subject: &S) {
    let samples = Samples::new(61);
    let story = samples.opened();
    tell(subject.store(), &story).await;
    let mut set = ChangeSet::beside(samples.change_id());
    set.received = Some(samples.event(&story));
    done(subject.store(), &set).await;
    let until = story.now + EVENTS_KEPT_FOR;
    assert_eq!(subject.forget(until, 100).await, 0);
    assert_eq!(subject.forget(until + SECOND, 100).await, 1);
    set.change_id = samples.change_id();
    done(subject.store(), &set).await;
}

/// A job works in bounded bites.
pub async fn no_more_is_deleted_than_asked_for<S: Subject>(subject: &S) {
    let samples = Samples::new(62);
    for _ in 0..5 {
        let mut story = samples.opened().authorized();
        let event = samples.event(&story);
        story.last_mut().received = Some(event);
        tell(subject.store(), &story).await;
    }
    let later = Samples::start() + YEARS;
    assert_eq!(subject.forget(later, 0).await, 0);
    for expected in [4, 4, 2, 0] {
        assert_eq!(subject.forget(later, 4).await, expected);
    }
    let contents = subject.contents().await;
    assert_eq!(contents["history"].len(), 10, "history is never pruned");
}

/// Then it is new.
pub async fn a_key_can_be_used_again_once_it_is_forgotten<S: Subject>(subject: &S) {
    let samples = Samples::new(63);
    let first = samples.opened().authorized();
    tell(subject.store(), &first).await;
    subject.forget(Samples::start() + YEARS, 100).await;
    let mut second = samples.opened();
    second.last_mut().new_key.as_mut().unwrap().key = first.sets[0].new_key.as_ref().unwrap().key;
    done(subject.store(), second.last()).await;
}
