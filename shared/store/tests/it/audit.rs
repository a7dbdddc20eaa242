//! Whatever does not add up in the file is found, and nothing is found in a file that is in order.

use rusqlite::Connection;
use tollgate_domain::{Money, PaymentId, RefundState, RefundView, SettlementId, audit::Invariant};
use tollgate_gateway::{
    contract::{Samples, Story, Subject as _, yen},
    ports::{Audit, Store, Timelines},
    records::{Cause, ChangeSet, EventRecord},
};

use crate::subject::{OnFile, options};

/// Commits the next step of a payment that the stories do not know.
async fn step(
    subject: &OnFile,
    samples: &Samples,
    story: &mut Story<'_>,
    decide: impl FnOnce(&Story<'_>) -> tollgate_domain::Change,
) {
    let change = decide(story);
    story.payment = change.payment.clone();
    let events = change.events.iter().map(|event| EventRecord {
        id: samples.event_id(),
        payment: story.payment.id,
        merchant: story.payment.merchant,
        sequence: event.sequence,
        kind: event.kind,
        body: "{}".to_owned(),
        at: event.at,
    });
    let events = events.collect();
    let set = ChangeSet::of(samples.change_id(), change, Cause::Merchant, "corr", events);
    subject.store().commit(&set).await.unwrap();
}

/// A payment with a bit of everything: settled less a fee, one refund done, one on its way, one refused.
async fn rich(subject: &OnFile, samples: &Samples) -> PaymentId {
    let mut story = samples.opened().authorized().capture_requested(900).captured(900);
    for set in &story.sets {
        subject.store().commit(set).await.unwrap();
    }
    let fee: Money = yen(30);
    step(subject, samples, &mut story, |story| {
        story.payment.settle(SettlementId::from_random(samples.bytes()), fee, story.now).unwrap()
    })
    .await;
    for state in [RefundState::Completed, RefundState::Pending] {
        let id = samples.refund_id();
        step(subject, samples, &mut story, |story| {
            let attempt = samples.attempt(story.now);
            story.payment.request_refund(id, Some(yen(200)), None, attempt, samples.key(), story.now).unwrap()
        })
        .await;
        let refund = subject.store().refund(id).await.unwrap().unwrap();
        let view = RefundView { refund_reference: format!("re_{id}"), instead_of: None, state };
        step(subject, samples, &mut story, |story| story.payment.refund_moved(&refund, &view, story.now).unwrap())
            .await;
    }
    story.payment.id
}

async fn violations(subject: &OnFile, payment: PaymentId) -> Vec<Invariant> {
    let all = subject.store().books(None, 100).await.unwrap();
    let (_, books) = all.into_iter().find(|(id, _)| *id == payment).unwrap();
    books.map_or_else(|| vec![Invariant::Readable], |books| books.violations())
}

#[tokio::test]
async fn every_violation_that_is_planted_is_found_and_nothing_else() {
    use Invariant::{
        Accounts, Amounts, Available, ChangesBalance, Deliveries, Events, Memo, Operations, Pending, Readable,
        Receivable, Refunding, Refunds, Suspense, Versions,
    };
    let plants: &[(&str, &str, &[Invariant])] = &[
        (
            "one line of a change is lost",
            "DELETE FROM postings WHERE version = 2 AND account LIKE 'memo.held%'",
            &[ChangesBalance, Memo],
        ),
        (
            "a line is of another currency",
            "UPDATE postings SET currency = 'USD' WHERE version = 2 AND line = 1",
            &[ChangesBalance, Accounts],
        ),
        (
            "a line goes to somebody else",
            "UPDATE postings SET account = 'memo.due:mer_0' WHERE version = 2 AND account LIKE 'memo.due%'",
            &[Accounts, Memo],
        ),
        (
            "a change stands in the ledger twice",
            "INSERT INTO postings SELECT payment_id, version, line + 10, account, minor, currency FROM postings
             WHERE account LIKE 'receivable%' AND minor = 900 OR account LIKE 'pending%' AND minor = -900",
            &[Pending, Receivable],
        ),
        (
            "a fee is not taken from anybody",
            "UPDATE postings SET minor = minor - 1 WHERE account = 'fee_income'",
            &[ChangesBalance, Available],
        ),
        (
            "something stands in suspense that nobody reverses",
            "INSERT INTO postings SELECT id, 1, 1, 'suspense', -5, 'JPY' FROM payments
             UNION ALL SELECT payment_id, 1, 2, account, 5, 'JPY' FROM postings WHERE account LIKE 'receivable%' AND minor = 900",
            &[Suspense],
        ),
        (
            "more is reserved than asked for",
            "UPDATE payments SET refund_reserved = refund_reserved + 1",
            &[Available, Refunding, Refunds],
        ),
        ("a refund is lost", "DELETE FROM refunds WHERE status = 'PENDING'", &[Refunds]),
        ("a refund is done that is not booked", "UPDATE refunds SET status = 'COMPLETED'", &[Refunds]),
        (
            "more is refunded than booked",
            "UPDATE payments SET refunded = refunded + 100",
            &[Available, Receivable, Refunds],
        ),
        ("more is captured than booked", "UPDATE payments SET captured = captured + 50", &[Available, Receivable]),
        ("a status moves by itself", "UPDATE payments SET status = 'CAPTURED'", &[Pending, Available]),
        ("a hold is booked that is over", "UPDATE payments SET status = 'AUTHORIZED'", &[Memo, Available]),
        ("a version is missing", "DELETE FROM history WHERE version = 3", &[Versions]),
        ("a version is too many", "UPDATE history SET version = 99 WHERE version = 3", &[Versions]),
        ("an event is missing", "DELETE FROM events WHERE sequence = 2", &[Events, Deliveries]),
        ("the last event is missing", "UPDATE payments SET events = events + 1", &[Events]),
        ("a delivery is missing", "DELETE FROM deliveries WHERE sequence = 1", &[Deliveries]),
        (
            "an operation is open beside the payment",
            "UPDATE operations SET record = json_set(record, '$.state', 'open') WHERE number = 2",
            &[Operations],
        ),
        (
            "one waits for nothing",
            "UPDATE operations SET record = json_set(record, '$.state', 'waiting') WHERE number = 2",
            &[Operations],
        ),
        ("an operation is missing", "DELETE FROM operations WHERE number = 2", &[Operations]),
        ("a row cannot be read", "UPDATE payments SET details = 'no json'", &[Readable]),
        ("a state cannot be read", "UPDATE operations SET record = json_set(record, '$.state', 'x')", &[Readable]),
    ];
    let mut found = std::collections::BTreeSet::new();
    for (name, sql, expected) in plants {
        let subject = OnFile::with(options(1).ephemeral());
        let samples = Samples::new(160);
        let payment = rich(&subject, &samples).await;
        assert_eq!(violations(&subject, payment).await, [], "it is in order before: {name}");
        assert!(plant(&subject.connection(), sql) > 0, "{name}");
        assert_eq!(violations(&subject, payment).await, *expected, "{name}");
        found.extend(expected.iter().copied());
    }
    // What the table's own checks refuse, and would have to be planted with those off.
    let subject = OnFile::with(options(1).ephemeral());
    let payment = rich(&subject, &Samples::new(161)).await;
    let connection = subject.connection();
    connection.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    plant(&connection, "UPDATE payments SET refunded = 701");
    assert!(violations(&subject, payment).await.contains(&Amounts));
    found.insert(Amounts);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), Invariant::ALL);
}

fn plant(connection: &Connection, sql: &str) -> usize {
    connection.execute(sql, []).unwrap()
}

#[tokio::test]
async fn an_open_operation_whose_row_is_closed_is_found() {
    let subject = OnFile::with(options(1).ephemeral());
    let samples = Samples::new(162);
    let story = samples.opened().authorized().capture_requested(400);
    for set in &story.sets {
        subject.store().commit(set).await.unwrap();
    }
    assert_eq!(violations(&subject, story.payment.id).await, []);
    plant(
        &subject.connection(),
        "UPDATE operations SET record = json_set(record, '$.state', 'succeeded') WHERE number = 2",
    );
    assert_eq!(violations(&subject, story.payment.id).await, [Invariant::Operations]);
}
