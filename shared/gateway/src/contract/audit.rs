//! The books: whole, as of one moment, and what was found in them.

use std::collections::BTreeMap;

use tollgate_domain::{
    OperationState, PaymentId,
    audit::{Books, Invariant, Span},
};

use super::{Samples, Subject, tell};
use crate::ports::{Audit, Store, audit::JobState};

/// Rows of every kind, each as it was written.
pub async fn the_books_show_all_that_is_kept_with_a_payment<S: Subject>(subject: &S) {
    let samples = Samples::new(150);
    for (name, story) in samples.every_state() {
        tell(subject.store(), &story).await;
        let books = books_of(subject.store(), story.payment.id).await;
        let changes = || story.sets.iter().filter_map(|set| set.payment.as_ref());
        assert_eq!(books.payment, story.payment, "{name}");
        let booked: Vec<_> = books.postings.iter().map(|line| (line.version, line.account.clone(), line.minor)).collect();
        let posted = changes().flat_map(|change| {
            let version = change.history.version;
            change.postings.lines().iter().map(move |line| (version, line.account.to_string(), line.signed_minor()))
        });
        assert_eq!(booked, posted.collect::<Vec<_>>(), "{name}");
        assert!(books.postings.iter().all(|line| line.currency == "JPY"), "{name}");
        let mut operations = BTreeMap::new();
        operations.extend(changes().flat_map(|set| set.operations.iter().map(|of| (of.number, of.state))));
        assert_eq!(books.operations.into_iter().collect::<BTreeMap<u32, OperationState>>(), operations, "{name}");
        let mut refunds: Vec<_> = changes().filter_map(|change| change.refund.clone()).collect();
        refunds.reverse();
        refunds.dedup_by_key(|refund| refund.id);
        assert_eq!(books.refunds, refunds, "{name}");
        assert_eq!(books.versions, Span::whole(story.payment.version), "{name}");
        let events = Span::whole(u64::from(story.payment.events));
        assert_eq!((books.events, books.deliveries), (events, events), "{name}");
    }
}

async fn books_of(store: &impl Audit, payment: PaymentId) -> Books {
    let all = store.books(None, 100).await.unwrap();
    all.into_iter().find(|(id, _)| *id == payment).and_then(|(_, books)| books).expect("it is there, and can be read")
}

/// Every payment once; those committed meanwhile may or may not be among them, and are whole where they are.
pub async fn the_books_page_through_by_id_as_of_one_moment<S: Subject>(subject: &S) {
    let samples = Samples::new(151);
    let mut ids = Vec::new();
    for _ in 0..7 {
        let story = samples.opened().authorized();
        tell(subject.store(), &story).await;
        ids.push(story.payment.id);
    }
    ids.sort_unstable();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = subject.store().books(after, 3).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        seen.extend(page.into_iter().map(|(id, _)| id));
    }
    assert_eq!(seen, ids);

    // Between two commits of a payment nothing is seen by half.
    let story = samples.opened().authorized().capture_requested(400).captured(400);
    let writes = async {
        for set in &story.sets {
            subject.store().commit(set).await.unwrap();
        }
    };
    let reads = async {
        for _ in 0..20 {
            for (id, books) in subject.store().books(None, 100).await.unwrap() {
                assert_eq!(books.expect("it can be read").violations(), [], "{id}");
            }
        }
    };
    futures::future::join(writes, reads).await;
}

/// Within the range that was looked at, and nowhere else.
pub async fn what_was_found_is_kept_until_it_is_looked_for_again<S: Subject>(subject: &S) {
    let samples = Samples::new(152);
    let store = subject.store();
    let mut ids: Vec<_> = (0..3).map(|_| samples.payment_id()).collect();
    ids.sort_unstable();
    assert_eq!(store.violations().await.unwrap(), []);
    let memo = |id| (id, Invariant::Memo);
    store.keep_violations(None, ids[1], &[memo(ids[0]), memo(ids[1]), (ids[1], Invariant::Events)]).await.unwrap();
    store.keep_violations(Some(ids[1]), ids[2], &[memo(ids[2])]).await.unwrap();
    assert_eq!(store.violations().await.unwrap(), [(Invariant::Memo, 3), (Invariant::Events, 1)]);
    let among = [ids[0], ids[2], samples.payment_id()];
    assert_eq!(store.violators(&among).await.unwrap(), [ids[0], ids[2]].into());
    assert_eq!(store.violators(&[]).await.unwrap(), [].into());
    store.keep_violations(None, ids[0], &[memo(ids[0])]).await.unwrap();
    assert_eq!(store.violations().await.unwrap(), [(Invariant::Memo, 3), (Invariant::Events, 1)], "again is once");
    store.keep_violations(Some(ids[0]), ids[1], &[]).await.unwrap();
    assert_eq!(store.violations().await.unwrap(), [(Invariant::Memo, 2)]);
    assert_eq!(store.violators(&[ids[1]]).await.unwrap(), [].into(), "what was mended does not violate any more");
}

/// By its name.
pub async fn how_far_a_job_came_is_kept<S: Subject>(subject: &S) {
    let store = subject.store();
    assert_eq!(store.job("one").await.unwrap(), JobState::default());
    let state = JobState { cursor: Some("pay_7".to_owned()), last_success_at: Some(Samples::start()) };
    store.put_job("one", &state).await.unwrap();
    assert_eq!(store.job("one").await.unwrap(), state);
    assert_eq!(store.job("other").await.unwrap(), JobState::default());
    store.put_job("one", &JobState::default()).await.unwrap();
    assert_eq!(store.job("one").await.unwrap(), JobState::default());
}
