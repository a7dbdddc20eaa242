//! Commits: whole or not at all, once.

use futures::future::join_all;
use tollgate_domain::{Operation, OperationState, ProviderName, Timestamp};

use super::{EventRow, PostingRow, RefundRow, Samples, Story, Subject, conflict, done, money, tell, yen};
use crate::{
    ports::{Store, Timelines},
    records::{ChangeSet, Committed, Guard, ProviderCall, TimelineRow},
};

/// After every step of every kind of payment, everything that was committed is there, and nothing else.
pub async fn a_change_set_is_read_back_whole<S: Subject>(subject: &S) {
    let samples = Samples::new(1);
    for (name, mut story) in samples.every_state() {
        let (call, event, reference) = (samples.call(&story), samples.event(&story), samples.reference(&story));
        let last = story.last_mut();
        last.calls.push(call);
        last.received = Some(event);
        last.reference = Some(reference);
        for set in &story.sets {
            done(subject.store(), set).await;
            step_is_there(subject, name, set).await;
        }
        story_is_there(subject, name, &story).await;
    }
}

async fn step_is_there<S: Subject>(subject: &S, name: &str, set: &ChangeSet) {
    let change = set.payment.as_ref().unwrap();
    let id = change.payment.id;
    assert_eq!(subject.store().payment(id).await.unwrap().as_ref(), Some(&change.payment), "{name}");
    for operation in &change.operations {
        let found = subject.store().operation(id, operation.number).await.unwrap();
        assert_eq!(found.as_ref(), Some(operation), "{name}");
    }
    if let Some(key) = &set.new_key {
        assert_eq!(subject.store().idempotency(key.key).await.unwrap().as_ref(), Some(key), "{name}");
    }
}

async fn story_is_there<S: Subject>(subject: &S, name: &str, story: &Story<'_>) {
    let id = story.payment.id;
    let changes: Vec<_> = story.sets.iter().filter_map(|set| set.payment.as_ref()).collect();
    let events: Vec<EventRow> = changes
        .iter()
        .flat_map(|change| &change.events)
        .map(|event| EventRow {
            id: event.id.to_string(),
            sequence: event.sequence,
            kind: event.kind.as_str().to_owned(),
            merchant: event.merchant.to_string(),
            body: event.body.clone(),
            at: event.at,
        })
        .collect();
    assert_eq!(subject.events(id).await, events, "{name}");
    let postings: Vec<PostingRow> = changes
        .iter()
        .flat_map(|change| change.postings.lines().iter().map(|line| (change.history.version, line)))
        .map(|(version, line)| PostingRow {
            version,
            account: line.account.to_string(),
            signed_minor: line.signed_minor(),
            currency: line.amount.currency().code().to_owned(),
        })
        .collect();
    assert_eq!(subject.postings(id).await, postings, "{name}");
    let refunds: Vec<RefundRow> = changes
        .iter()
        .rev()
        .find_map(|change| change.refund.as_ref())
        .into_iter()
        .map(|refund| RefundRow {
            id: refund.id.to_string(),
            status: refund.status.as_str().to_owned(),
            minor: refund.amount.minor(),
            currency: refund.amount.currency().code().to_owned(),
            reason: refund.reason.clone(),
            reference: refund.provider_reference.clone(),
            updated_at: refund.updated_at,
        })
        .collect();
    assert_eq!(subject.refunds(id).await, refunds, "{name}");
    let mut rows: Vec<TimelineRow> = Vec::new();
    for set in &story.sets {
        rows.extend(set.calls.iter().cloned().map(TimelineRow::Call));
        rows.extend(set.payment.iter().map(|change| TimelineRow::Change(change.history.clone())));
        rows.extend(set.received.iter().cloned().map(TimelineRow::Event));
    }
    rows.sort_by_key(TimelineRow::position);
    assert_eq!(subject.store().timeline(id).await.unwrap(), rows, "{name}");
}

/// Who comes second to a version gets a conflict, whatever the change.
pub async fn a_version_can_be_made_once<S: Subject>(subject: &S) {
    let samples = Samples::new(2);
    let story = samples.opened();
    tell(subject.store(), &story).await;
    let (first, second) = (story.rival(Story::authorized), story.rival(Story::refused));
    done(subject.store(), &first).await;
    conflict(subject.store(), &second, Guard::Version).await;
    let kept = subject.store().payment(story.payment.id).await.unwrap();
    assert_eq!(kept, first.payment.map(|change| change.payment));
}

/// Nor where nothing else of the changes collides: neither tells an event, posts a line or names a reference.
pub async fn of_two_intents_from_one_version_one_is_written<S: Subject>(subject: &S) {
    let samples = Samples::new(11);
    let story = samples.opened().authorized();
    tell(subject.store(), &story).await;
    let (first, second) = (story.rival(|story| story.capture_requested(400)), story.rival(Story::void_requested));
    let change = first.payment.as_ref().unwrap();
    assert!(change.events.is_empty() && change.postings.lines().is_empty() && first.reference.is_none());
    done(subject.store(), &first).await;
    let before = subject.contents().await;
    conflict(subject.store(), &second, Guard::Version).await;
    assert_eq!(subject.contents().await, before);
    let kept = subject.store().payment(story.payment.id).await.unwrap();
    assert_eq!(kept, first.payment.map(|change| change.payment), "no lost update");
}

/// However many at once.
pub async fn of_a_hundred_writers_of_one_version_one_wins_and_the_others_see_the_conflict<S: Subject>(subject: &S) {
    let samples = Samples::new(3);
    let story = samples.opened();
    tell(subject.store(), &story).await;
    let rivals: Vec<ChangeSet> = (0..100).map(|_| story.rival(Story::authorized)).collect();
    let commits = join_all(rivals.iter().map(|set| subject.store().commit(set))).await;
    let won: Vec<bool> = commits
        .into_iter()
        .map(|committed| match committed.unwrap() {
            Committed::Done => true,
            Committed::Conflict(guard) => {
                assert_eq!(guard, Guard::Version);
                false
            }
        })
        .collect();
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let winner = rivals.iter().zip(won).find_map(|(set, won)| won.then_some(set)).unwrap();
    let events: Vec<String> = subject.events(story.payment.id).await.into_iter().map(|event| event.id).collect();
    let expected: Vec<String> =
        winner.payment.iter().flat_map(|change| &change.events).map(|e| e.id.to_string()).collect();
    assert_eq!(events, expected, "the winner's events and no others");
}

/// An answer was lost, the set comes again: it is done, and nothing is written twice.
pub async fn the_same_change_set_twice_is_done_once<S: Subject>(subject: &S) {
    let samples = Samples::new(4);
    for (_, mut story) in samples.every_state() {
        let (call, reference) = (samples.call(&story), samples.reference(&story));
        let mut event = samples.event(&story);
        event.effect = true;
        let last = story.last_mut();
        last.calls.push(call);
        last.reference = Some(reference);
        last.received = Some(event);
        for set in &story.sets {
            done(subject.store(), set).await;
            let before = subject.contents().await;
            done(subject.store(), set).await;
            assert_eq!(subject.contents().await, before);
        }
    }
    let again = samples.opened();
    let both = join_all([again.last(), again.last()].map(|set| subject.store().commit(set))).await;
    for committed in both {
        assert_eq!(committed.unwrap(), Committed::Done, "at the same time");
    }
}

/// Even long after.
pub async fn a_change_set_sent_again_is_done_even_when_later_versions_exist<S: Subject>(subject: &S) {
    let samples = Samples::new(5);
    let story = samples.opened().authorized().capture_requested(400).captured(400);
    tell(subject.store(), &story).await;
    let before = subject.contents().await;
    tell(subject.store(), &story).await;
    assert_eq!(subject.contents().await, before);
}

/// Whatever else a set holds, and whichever guard is taken: not one row of it is written.
pub async fn a_conflict_changes_nothing_at_all<S: Subject>(subject: &S) {
    let samples = Samples::new(6);
    let mut story = samples.opened().authorized().capture_requested(1000).captured(1000).settled();
    let (taken_event, taken_reference) = (samples.event(&story), samples.reference(&story));
    story.last_mut().received = Some(taken_event.clone());
    story.last_mut().reference = Some(taken_reference.clone());
    let taken_key = story.sets[0].new_key.clone().unwrap();
    tell(subject.store(), &story).await;
    // A set with a row for every table.
    let mut full = story.rival(|story| story.refund_requested(1000));
    full.payment.as_mut().unwrap().events.clone_from(&story.sets[1].payment.as_ref().unwrap().events);
    for event in &mut full.payment.as_mut().unwrap().events {
        (event.id, event.sequence) = (samples.event_id(), event.sequence + 10);
    }
    full.calls.push(samples.call(&story));
    full.received = Some(samples.event(&story));
    full.reference = Some(samples.reference(&story));
    full.released_keys.push((taken_key.key, Timestamp::UNIX_EPOCH));
    let before = subject.contents().await;

    let mut late = full.clone();
    late.payment.as_mut().unwrap().history.version -= 1;
    late.payment.as_mut().unwrap().payment.version -= 1;
    conflict(subject.store(), &late, Guard::Version).await;
    let mut reused = full.clone();
    reused.new_key.as_mut().unwrap().key = taken_key.key;
    conflict(subject.store(), &reused, Guard::IdempotencyKey).await;
    let mut repeated = full.clone();
    repeated.received = Some(taken_event);
    conflict(subject.store(), &repeated, Guard::ReceivedEvent).await;
    let mut claimed = full.clone();
    claimed.reference.as_mut().unwrap().reference = taken_reference.reference;
    claimed.reference.as_mut().unwrap().payment = samples.payment_id();
    conflict(subject.store(), &claimed, Guard::Reference).await;

    assert_eq!(subject.contents().await, before);
    done(subject.store(), &full).await;
    let after = subject.contents().await;
    let grown = after.iter().filter(|(table, rows)| before[*table] != **rows).count();
    // payments, history, operations, refunds, events, deliveries, postings, calls, events taken, references, keys
    assert_eq!(grown, 11, "without a conflict the set writes to every table: {after:#?}");
}

/// Fifty good sets and fifty that conflict, all at once.
pub async fn a_conflicting_set_does_not_disturb_others_committed_at_the_same_time<S: Subject>(subject: &S) {
    let samples = Samples::new(7);
    let taken = samples.opened();
    tell(subject.store(), &taken).await;
    let used = taken.last().new_key.clone().unwrap();
    let sets: Vec<ChangeSet> = (0..100)
        .map(|index| {
            let mut set = samples.opened().last().clone();
            if index % 2 == 1 {
                set.new_key.as_mut().unwrap().key = used.key;
            }
            set
        })
        .collect();
    let commits = join_all(sets.iter().map(|set| subject.store().commit(set))).await;
    for ((index, set), committed) in (0..).zip(&sets).zip(commits) {
        let id = set.payment.as_ref().unwrap().payment.id;
        let found = subject.store().payment(id).await.unwrap();
        if index % 2 == 1 {
            assert_eq!(committed.unwrap(), Committed::Conflict(Guard::IdempotencyKey));
            assert_eq!(found, None);
        } else {
            assert_eq!(committed.unwrap(), Committed::Done);
            assert!(found.is_some());
        }
    }
}

/// The payer's token is needed to send again; once the outcome is known, no row holds it (rule 11).
pub async fn a_token_is_erased_with_the_closed_operation<S: Subject>(subject: &S) {
    const TOKEN: &str = "pm_of_a_payer_who_trusts_us";
    let samples = Samples::new(8);
    let mut new = samples.new_payment();
    TOKEN.clone_into(&mut new.payment_method);
    let story = Story::open(&samples, new, Samples::start());
    let holds_token = |contents: std::collections::BTreeMap<String, Vec<String>>| {
        contents.values().flatten().any(|row| row.contains(TOKEN))
    };
    tell(subject.store(), &story).await;
    let open = subject.store().operation(story.payment.id, 1).await.unwrap().unwrap();
    assert_eq!(open.payment_method.as_deref(), Some(TOKEN));
    assert!(holds_token(subject.contents().await));
    done(subject.store(), &story.rival(Story::authorized)).await;
    let closed = subject.store().operation(story.payment.id, 1).await.unwrap().unwrap();
    assert_eq!((closed.state, closed.payment_method), (OperationState::Succeeded, None));
    assert!(!holds_token(subject.contents().await));
}

/// Audit rows have no guard but their id.
pub async fn an_audit_row_written_twice_is_one<S: Subject>(subject: &S) {
    let samples = Samples::new(9);
    let story = samples.opened();
    tell(subject.store(), &story).await;
    let mut set = ChangeSet::beside(samples.change_id());
    set.calls = vec![samples.call(&story), samples.call(&story)];
    done(subject.store(), &set).await;
    let before = subject.contents().await;
    done(subject.store(), &set).await;
    set.change_id = samples.change_id();
    done(subject.store(), &set).await;
    assert_eq!(subject.contents().await, before);
    let rows = subject.store().timeline(story.payment.id).await.unwrap();
    assert_eq!(rows.len(), 3, "the opening and two calls");
}

/// The largest amounts, the farthest times, the longest and the shortest words.
pub async fn extreme_values_come_back_unchanged<S: Subject>(subject: &S) {
    let samples = Samples::new(10);
    let far = Timestamp::from_microsecond(Timestamp::MAX.as_microsecond() - 10_000_000_000_000).unwrap();
    // The earliest that every store holds: in year 1.
    let early = Timestamp::from_microsecond(-62_135_596_800_000_000 + 1).unwrap();
    for (amount, provider, now) in [
        (money(999_999_999_999, "KWD"), ProviderName::Bank, early),
        (money(1, "USD"), ProviderName::Paypal, far),
        (yen(999_999_999_999), ProviderName::Stripe, Timestamp::from_microsecond(-1).unwrap()),
    ] {
        let mut new = samples.new_payment();
        (new.amount, new.provider) = (amount, provider);
        new.details.merchant_reference = Some(String::new());
        new.details.description = Some("注文 🧾 “\u{0}\u{1f}\\\"'\u{2028}” — ".repeat(40));
        new.details.metadata = (0..20).map(|n| (format!("{n}é").repeat(10), "値\n".repeat(160))).collect();
        new.details.return_url = Some(String::new());
        new.payment_method = "\"".repeat(255);
        let mut story = Story::open(&samples, new, now);
        let call = extreme_call(samples.call(&story));
        story.last_mut().calls.push(call.clone());
        for set in &story.sets {
            done(subject.store(), set).await;
            step_is_there(subject, "extreme", set).await;
        }
        story_is_there(subject, "extreme", &story).await;
    }
    let mut story = samples.opened();
    story.payment.open.as_mut().unwrap().number = u32::MAX;
    let change = story.last_mut().payment.as_mut().unwrap();
    let open: &mut Operation = change.payment.open.as_mut().unwrap();
    (open.number, open.transaction_id) = (u32::MAX, Some(String::new()));
    change.operations = vec![open.clone()];
    (change.payment.operations, change.payment.events) = (u32::MAX, u32::MAX);
    change.history.detail = Some(String::new());
    done(subject.store(), story.last()).await;
    step_is_there(subject, "extreme numbers", story.last()).await;
}

fn extreme_call(call: ProviderCall) -> ProviderCall {
    ProviderCall {
        http_status: Some(u16::MAX),
        reference: Some(String::new()),
        provider_code: Some("💥".to_owned()),
        duration: std::time::Duration::from_secs(u64::from(u32::MAX)),
        correlation_id: "é".repeat(128),
        ..call
    }
}
