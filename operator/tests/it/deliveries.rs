//! `deliveries` and `dead-letters`: found by time, merchant, endpoint and status, and sent again, exactly those that were asked for.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_domain::{DeliveryStatus, PaymentId};
use tollgate_gateway::contract::Samples;

use crate::{
    place::{Place, on_each_store},
    stories::{given_up, merchant_at, now, told_at, tried, webhook},
};

on_each_store! {
    deliveries_are_listed_by_time_merchant_endpoint_and_status,
    a_dry_run_counts_and_changes_nothing,
    what_is_within_the_time_is_sent_again_and_nothing_else,
    a_redelivery_keeps_its_webhook_id_and_begins_its_schedule_anew,
    of_two_operators_at_once_each_delivery_is_sent_again_and_both_are_kept,
    what_is_typed_wrong_sends_nothing_again,
}

const SECOND: Duration = Duration::from_secs(1);

/// What the program lists, by payment.
fn listed(place: &Place, words: &str) -> Vec<String> {
    let list = place.tollgate.run(&format!("{words} --json")).json();
    list["data"].as_array().unwrap().iter().map(|one| one["payment_id"].as_str().unwrap().to_owned()).collect()
}

fn names(payments: &[PaymentId]) -> Vec<String> {
    payments.iter().map(PaymentId::to_string).collect()
}

async fn deliveries_are_listed_by_time_merchant_endpoint_and_status(place: Place) {
    let (mine, theirs) = (Samples::new(950), Samples::new(951));
    merchant_at(&place, mine.merchant, "https://shop.example/hooks").await;
    merchant_at(&place, theirs.merchant, "https://other.example/hooks").await;
    let start = Samples::start();
    let one = told_at(&place, &mine, start).await;
    let two = told_at(&place, &theirs, start + SECOND).await;
    let three = told_at(&place, &mine, start + SECOND * 2).await;
    tried(&place, one, 1, true).await;
    given_up(&place, two).await;
    let range = format!("--from {start} --to {}", start + SECOND * 3);
    let list = |words: &str| listed(&place, &format!("deliveries list {range} {words}"));
    assert_eq!(list(""), names(&[one, two, three]));
    assert_eq!(list(&format!("--merchant {}", mine.merchant)), names(&[one, three]));
    assert_eq!(list("--endpoint https://other.example/hooks"), names(&[two]));
    assert_eq!(list("--endpoint https://nobody.example/hooks"), names(&[]));
    assert_eq!(list("--status delivered --status pending"), names(&[one, three]));
    assert_eq!(listed(&place, &format!("dead-letters list {range}")), names(&[two]));
    let unbounded = place.tollgate.run("deliveries list").answer();
    assert!(unbounded.contains("there are no such deliveries"), "those are of long ago: {unbounded}");
    let words = place.tollgate.run(&format!("deliveries list {range}")).answer();
    for part in ["DEAD_LETTERED", "payment.authorized", &two.to_string(), &mine.merchant.to_string()] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let short = place.tollgate.run(&format!("deliveries list {range} --limit 2 --json"));
    assert!(short.stderr.contains("more than 2"), "{short:?}");
    let short = short.json();
    assert_eq!((&short["more"], short["data"].as_array().unwrap().len()), (&json!(true), 2));
    let fields: Vec<_> = short["data"][0].as_object().unwrap().keys().cloned().collect();
    let known = "attempts created_at event_id merchant_id next_attempt_at object payment_id sequence status type waits_for_endpoint";
    assert_eq!(fields.join(" "), known);
}

/// Four that were given up a second after each other, and one in their midst that was delivered.
async fn four(place: &Place, samples: &Samples) -> (Vec<PaymentId>, PaymentId) {
    let start = Samples::start();
    let mut payments = Vec::new();
    for at in 0..4 {
        let payment = told_at(place, samples, start + SECOND * at).await;
        given_up(place, payment).await;
        payments.push(payment);
    }
    let delivered = told_at(place, samples, start + SECOND).await;
    tried(place, delivered, 1, true).await;
    (payments, delivered)
}

async fn stand(place: &Place, payments: &[PaymentId]) -> Vec<DeliveryStatus> {
    let mut all = Vec::new();
    for payment in payments {
        all.push(webhook(place, *payment).await.status);
    }
    all
}

async fn a_dry_run_counts_and_changes_nothing(place: Place) {
    let samples = Samples::new(952);
    let (payments, delivered) = four(&place, &samples).await;
    let mut before = Vec::new();
    for payment in payments.iter().chain([&delivered]) {
        before.push(webhook(&place, *payment).await);
    }
    let start = Samples::start();
    for (command, found) in [("deliveries", 4), ("dead-letters", 4), ("deliveries --status delivered", 1)] {
        let (command, status) = command.split_once(' ').unwrap_or((command, ""));
        let words = format!("{command} redeliver {status} --from {start} --dry-run --by ann --why trial");
        let said = place.tollgate.run(&words).answer();
        assert!(
            said.contains(&format!("{found} deliver{} of 1 merchant", if found == 1 { "y" } else { "ies" })),
            "{said}"
        );
        assert!(said.contains("nothing was changed"), "{said}");
        let body = place.tollgate.run(&format!("{words} --json")).json();
        assert_eq!((&body["dry_run"], &body["found"], &body["redelivered"]), (&json!(true), &json!(found), &json!(0)));
    }
    for (payment, before) in payments.iter().chain([&delivered]).zip(before) {
        assert_eq!(webhook(&place, *payment).await, before);
    }
    assert_eq!(place.stores().operator_acts.acts(None, 10).await.unwrap(), [], "and nobody has to account for it");
}

async fn what_is_within_the_time_is_sent_again_and_nothing_else(place: Place) {
    use DeliveryStatus::{DeadLettered, Delivered, Pending};
    let samples = Samples::new(953);
    let (payments, delivered) = four(&place, &samples).await;
    let at = |seconds: u32| Samples::start() + SECOND * seconds;
    let nobodys = Samples::new(954).merchant;
    let others = format!("deliveries redeliver --merchant {nobodys} --from {} --yes --by ann --why x", at(0));
    let line = place.tollgate.run(&others).failure(1);
    assert_eq!(line, format!("there is no merchant {nobodys}"), "a mistyped merchant is no answer");
    assert_eq!(place.tollgate.run(&format!("deliveries list --merchant {nobodys}")).failure(1), line);
    // What was made at the beginning is inside, what was made at the end is not.
    let words = format!("deliveries redeliver --from {} --to {} --yes --by ann --why x --json", at(1), at(3));
    let body = place.tollgate.run(&words).json();
    let expected = json!({
        "object": "redelivery", "dry_run": false, "from": at(1).to_string(), "to": at(3).to_string(), "found": 2,
        "statuses": {"DEAD_LETTERED": 2}, "merchants": 1, "redelivered": 2, "moved_meanwhile": 0,
    });
    assert_eq!(body, expected);
    assert_eq!(stand(&place, &payments).await, [DeadLettered, Pending, Pending, DeadLettered]);
    assert_eq!(stand(&place, &[delivered]).await, [Delivered], "only where that is asked for");
    let words = format!("deliveries redeliver --status delivered --from {} --yes --by ann --reason x", at(0));
    assert!(place.tollgate.run(&words).answer().starts_with("1 is due again; due in a minute"));
    assert_eq!(stand(&place, &[delivered]).await, [Pending]);
    assert_eq!(stand(&place, &payments).await, [DeadLettered, Pending, Pending, DeadLettered]);
    let changes = place.tollgate.run("changes --json").json();
    let told = |act: &Value| (act["command"].clone(), act["by"].clone(), act["why"].clone(), act["outcome"].clone());
    let expected = |outcome: &str| (json!("deliveries redeliver"), json!("ann"), json!("x"), json!(outcome));
    let acts = changes["data"].as_array().unwrap();
    assert_eq!(acts.iter().map(told).collect::<Vec<_>>(), [expected("1 is due again"), expected("2 are due again")]);
    let subject = acts[1]["subject"].as_str().unwrap();
    assert!(subject.starts_with("2 ") && subject.contains(&format!("from {} to before {}", at(1), at(3))), "{subject}");
}

async fn a_redelivery_keeps_its_webhook_id_and_begins_its_schedule_anew(place: Place) {
    let samples = Samples::new(955);
    let payment = told_at(&place, &samples, Samples::start()).await;
    let before = given_up(&place, payment).await;
    let asked = now();
    let words = format!("dead-letters redeliver --from {} --yes --by ann --why x", Samples::start());
    place.tollgate.run(&words).answer();
    let after = webhook(&place, payment).await;
    assert_eq!((after.event, after.attempts, after.tries), (before.event, 7, 0));
    let due = after.next_attempt_at.unwrap();
    assert!(due > asked && due < asked + Duration::from_secs(120), "{due}");
    let claimed = place.stores().deliveries.claim_due(due, due + SECOND * 90, 10).await.unwrap();
    assert_eq!((claimed.len(), claimed[0].payment, claimed[0].attempt), (1, payment, 8), "the job takes it up");
}

async fn of_two_operators_at_once_each_delivery_is_sent_again_and_both_are_kept(place: Place) {
    let samples = Samples::new(956);
    let (payments, _) = four(&place, &samples).await;
    let run = |by: &str| {
        let words = format!("dead-letters redeliver --from {} --yes --by {by} --why x --json", Samples::start());
        place.tollgate.run(&words).json()
    };
    let (ann, bob) = std::thread::scope(|scope| {
        #[allow(clippy::disallowed_methods, reason = "two people type at once")]
        let ann = scope.spawn(|| run("ann"));
        let bob = run("bob");
        (ann.join().unwrap(), bob)
    });
    let redelivered = ann["redelivered"].as_u64().unwrap() + bob["redelivered"].as_u64().unwrap();
    assert_eq!(redelivered, 4, "each by one of them: {ann} {bob}");
    assert_eq!(stand(&place, &payments).await, [DeliveryStatus::Pending; 4]);
    let acts = place.stores().operator_acts.acts(None, 10).await.unwrap();
    assert!(!acts.is_empty() && acts.iter().all(|act| act.outcome.is_some()), "{acts:?}");
}

async fn what_is_typed_wrong_sends_nothing_again(place: Place) {
    let samples = Samples::new(957);
    let (payments, _) = four(&place, &samples).await;
    let start = Samples::start();
    for (words, code, says) in [
        (format!("deliveries redeliver --from {start} --yes --by a"), 2, "--why"),
        ("deliveries redeliver --yes --by a --why x".to_owned(), 2, "--from"),
        (format!("deliveries redeliver --from {start} --to {start} --yes --by a --why x"), 2, "must be before --to"),
        (format!("deliveries list --from {} --to {start}", start + SECOND), 2, "must be before --to"),
        ("deliveries list --from yesterday".to_owned(), 2, "must be a time"),
        ("deliveries list --status dead".to_owned(), 2, "DEAD_LETTERED"),
        ("deliveries list --merchant pay_1".to_owned(), 2, "not an id"),
        ("dead-letters redeliver --status pending --from 1h --by a --why x".to_owned(), 2, "--status"),
        // Nobody sits there to be asked.
        (format!("deliveries redeliver --from {start} --by a --why x"), 2, "say --yes, or --dry-run"),
        (format!("deliveries redeliver --from {start} --by a --why x --json"), 2, "say --yes, or --dry-run"),
    ] {
        let ran = place.tollgate.run(&words);
        assert!(ran.code == code && ran.stderr.contains(says) && ran.stdout.is_empty(), "{words}: {ran:?}");
    }
    let unnamed = place.tollgate.with("USER", "").with("LOGNAME", "");
    let ran = unnamed.run(&format!("deliveries redeliver --from {start} --yes --why x"));
    assert!(ran.code == 2 && ran.stderr.contains("say it with --by"), "{ran:?}");
    assert_eq!(stand(&place, &payments).await, [DeliveryStatus::DeadLettered; 4]);
    assert_eq!(place.stores().operator_acts.acts(None, 10).await.unwrap(), []);
}
