//! Guards: what must not exist yet, and what that is told apart by.

use futures::future::join_all;

use super::{Samples, Story, Subject, conflict, done, tell};
use crate::{
    ports::Store,
    records::{ChangeSet, Committed, Guard},
};
use tollgate_domain::ProviderName;

/// Rule 11: the second use of a key makes nothing, and the key still leads to the first.
pub async fn a_key_binds_one_operation<S: Subject>(subject: &S) {
    let samples = Samples::new(20);
    let first = samples.opened();
    tell(subject.store(), &first).await;
    let mut second = samples.opened();
    let key = first.last().new_key.clone().unwrap();
    second.last_mut().new_key.as_mut().unwrap().key = key.key;
    conflict(subject.store(), second.last(), Guard::IdempotencyKey).await;
    assert_eq!(subject.store().payment(second.payment.id).await.unwrap(), None);
    assert_eq!(subject.store().idempotency(key.key).await.unwrap(), Some(key));
}

/// However many at once.
pub async fn of_a_hundred_payments_with_one_key_one_is_made<S: Subject>(subject: &S) {
    let samples = Samples::new(21);
    let key = samples.key();
    let sets: Vec<ChangeSet> = (0..100)
        .map(|_| {
            let mut set = samples.opened().last().clone();
            set.new_key.as_mut().unwrap().key = key;
            set
        })
        .collect();
    let commits = join_all(sets.iter().map(|set| subject.store().commit(set))).await;
    let won = commits.iter().filter(|committed| matches!(committed, Ok(Committed::Done))).count();
    let lost = commits.iter().filter(|one| matches!(one, Ok(Committed::Conflict(Guard::IdempotencyKey)))).count();
    assert_eq!((won, lost), (1, 99));
    assert_eq!(subject.contents().await["payments"].len(), 1);
}

/// Rule 17: an event has its effect once, whichever change carries it.
pub async fn an_event_is_taken_once<S: Subject>(subject: &S) {
    let samples = Samples::new(22);
    let story = samples.opened();
    tell(subject.store(), &story).await;
    let event = samples.event(&story);
    let mut first = story.rival(Story::authorized);
    first.received = Some(event.clone());
    done(subject.store(), &first).await;
    let before = subject.contents().await;
    let mut second = ChangeSet::beside(samples.change_id());
    second.received = Some(event.clone());
    conflict(subject.store(), &second, Guard::ReceivedEvent).await;
    let mut third = samples.opened().last().clone();
    third.received = Some(event);
    conflict(subject.store(), &third, Guard::ReceivedEvent).await;
    assert_eq!(subject.contents().await, before);
}

/// Rule 14 where no payment changes: the event's own row tells whose it is.
pub async fn an_event_without_effect_sent_again_is_done_once<S: Subject>(subject: &S) {
    let samples = Samples::new(23);
    let story = samples.opened();
    tell(subject.store(), &story).await;
    let mut set = ChangeSet::beside(samples.change_id());
    set.received = Some(samples.event(&story));
    done(subject.store(), &set).await;
    let before = subject.contents().await;
    done(subject.store(), &set).await;
    assert_eq!(subject.contents().await, before);
    set.change_id = samples.change_id();
    conflict(subject.store(), &set, Guard::ReceivedEvent).await;
}

/// Ids of events are each provider's own.
pub async fn events_of_two_providers_may_share_an_id<S: Subject>(subject: &S) {
    let samples = Samples::new(24);
    let story = samples.opened();
    tell(subject.store(), &story).await;
    let event = samples.event(&story);
    for provider in ProviderName::ALL {
        let mut set = ChangeSet::beside(samples.change_id());
        set.received = Some(event.clone());
        set.received.as_mut().unwrap().provider = provider;
        done(subject.store(), &set).await;
    }
}

/// One transaction at a provider pays one payment, which may say so as often as it likes.
pub async fn a_reference_belongs_to_one_payment<S: Subject>(subject: &S) {
    let samples = Samples::new(25);
    let (mine, other) = (samples.opened(), samples.opened());
    tell(subject.store(), &mine).await;
    tell(subject.store(), &other).await;
    let reference = samples.reference(&mine);
    let mine = mine.authorized();
    let mut first = mine.last().clone();
    first.reference = Some(reference.clone());
    done(subject.store(), &first).await;
    let mut again = mine.rival(Story::void_requested);
    again.reference = Some(reference.clone());
    done(subject.store(), &again).await;
    let mut theft = other.rival(Story::authorized);
    theft.reference = Some(reference.clone());
    theft.reference.as_mut().unwrap().payment = other.payment.id;
    conflict(subject.store(), &theft, Guard::Reference).await;
    theft.reference.as_mut().unwrap().provider = ProviderName::Bank;
    done(subject.store(), &theft).await;
}

/// Where several are taken, the first in the order that the port states.
pub async fn guards_are_reported_in_order<S: Subject>(subject: &S) {
    let samples = Samples::new(26);
    let mut story = samples.opened();
    let (event, reference) = (samples.event(&story), samples.reference(&story));
    story.last_mut().received = Some(event.clone());
    story.last_mut().reference = Some(reference.clone());
    tell(subject.store(), &story).await;
    let mut set = story.last().clone();
    set.change_id = samples.change_id();
    set.reference.as_mut().unwrap().payment = samples.payment_id();
    conflict(subject.store(), &set, Guard::IdempotencyKey).await;
    set.new_key = None;
    conflict(subject.store(), &set, Guard::Version).await;
    let mut next = story.rival(Story::authorized);
    next.received = set.received;
    next.reference = set.reference;
    conflict(subject.store(), &next, Guard::ReceivedEvent).await;
    next.received = None;
    conflict(subject.store(), &next, Guard::Reference).await;
    next.reference = None;
    done(subject.store(), &next).await;
}
