//! The outbox: order, retries, signatures, and the faults that concern webhooks.

use crate::account::{Account, kind_of};
use jiff::SignedDuration;
use tollgate_simulators::FaultKind;

#[test]
fn without_an_endpoint_events_are_only_listed() {
    let mut account = Account::new();
    account.paid();
    let mut account = account.with_endpoint();
    assert!(account.simulator.take_webhook(account.now).is_none());
    assert_eq!(account.get("/v1/events", &[]).ok().json["data"].as_array().unwrap().len(), 2);
}

#[test]
fn webhooks_of_a_payment_come_one_after_the_other() {
    let mut account = Account::new().with_endpoint();
    account.authorized();
    account.authorized();
    let first = account.simulator.take_webhook(account.now).unwrap();
    let second = account.simulator.take_webhook(account.now).unwrap();
    assert_eq!((kind_of(&first.body), kind_of(&second.body)), (kind_of(&second.body), "payment_intent.created".into()));
    assert!(account.simulator.take_webhook(account.now).is_none(), "each payment has one under way");
    account.simulator.webhook_settled(&second.event_id, true, account.now);
    let third = account.simulator.take_webhook(account.now).unwrap();
    assert_eq!(kind_of(&third.body), "payment_intent.amount_capturable_updated");
}

#[test]
fn webhooks_are_signed_with_the_whole_secret() {
    use hmac::{Hmac, KeyInit, Mac};
    let mut account = Account::new().with_endpoint();
    account.paid();
    let webhook = account.simulator.take_webhook(account.now).unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"whsec_x").unwrap();
    let time = account.now.as_second();
    mac.update(format!("{time}.{}", webhook.body).as_bytes());
    let expected = format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(webhook.headers["stripe-signature"], expected);
}

#[test]
fn a_webhook_that_nobody_takes_is_tried_for_three_days() {
    let mut account = Account::new().with_endpoint();
    account.paid();
    account.delivered();
    let id = account.paid();
    account.delivered();
    account.post("/v1/refunds", &[("payment_intent", &id)]).ok();
    account.delivered();
    let start = account.now;
    account.post("/v1/payment_intents", &[("amount", "5"), ("currency", "jpy")]).ok();
    let mut waits = Vec::new();
    while let Some(webhook) = account.simulator.take_webhook(account.now) {
        account.simulator.webhook_settled(&webhook.event_id, false, account.now);
        let Some(due) = account.simulator.next_due() else { break };
        waits.push(due.duration_since(account.now).as_secs());
        account.now = due;
    }
    assert_eq!(&waits[..8], &[5, 30, 300, 1800, 7200, 21600, 43200, 43200]);
    let whole = account.now.duration_since(start);
    assert!(whole > SignedDuration::from_hours(48) && whole <= SignedDuration::from_hours(72), "{whole}");
    assert!(account.simulator.is_quiet(account.now + SignedDuration::from_hours(100)));
}

#[test]
fn webhooks_can_be_dropped_doubled_and_swapped() {
    let kinds = |fault: FaultKind, times: u32| {
        let mut account = Account::new().with_endpoint();
        account.arm(fault, times);
        let id = account.authorized();
        account.post(&format!("/v1/payment_intents/{id}/capture"), &[]).ok();
        let kinds = account.delivered();
        kinds.into_iter().map(|kind| kind.split_once('.').unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(FaultKind::DropWebhooks, 2), ["captured", "succeeded"]);
    assert_eq!(kinds(FaultKind::ReorderWebhooks, 1), ["created", "captured", "amount_capturable_updated", "succeeded"]);
    let mut doubled = kinds(FaultKind::DuplicateWebhooks, 1);
    doubled.sort();
    assert_eq!(doubled, ["amount_capturable_updated", "captured", "created", "created", "succeeded"]);
}

#[test]
fn a_held_webhook_goes_when_nothing_follows() {
    let mut account = Account::new().with_endpoint();
    account.arm(FaultKind::ReorderWebhooks, 1);
    account.authorized();
    assert_eq!(account.delivered(), ["payment_intent.created"]);
    assert!(!account.simulator.is_quiet(account.now));
    for event in account.simulator.take_newly_held() {
        account.simulator.release_webhook(&event);
    }
    assert_eq!(account.delivered(), ["payment_intent.amount_capturable_updated"]);
    assert!(account.simulator.is_quiet(account.now));
}
