//! Idempotency keys: what is kept, what is not, and for how long.

use crate::account::{Account, Got, payment, read, request};
use http::Method;
use jiff::SignedDuration;
use tollgate_simulators::{Fault, FaultKind};

const PATH: &str = "/v1/payment_intents";

fn pay(account: &mut Account, key: &str) -> Got {
    account.post_with_key(PATH, key, &payment("pm_card_visa", "manual"))
}

fn is_replay(got: &Got) -> bool {
    got.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
}

#[test]
fn the_same_key_gets_the_same_answer_and_charges_once() {
    let mut account = Account::new();
    let first = pay(&mut account, "k").ok();
    assert!(!is_replay(&first));
    account.post(&format!("{PATH}/{}/capture", first.id()), &[]).ok();
    let second = pay(&mut account, "k").ok();
    assert!(is_replay(&second));
    assert_eq!(second.text, first.text, "the stored answer, not the present state");
    assert_eq!(account.simulator.transactions().len(), 1);
}

#[test]
fn the_same_key_with_other_parameters_or_another_path_is_refused() {
    let mut account = Account::new();
    let id = pay(&mut account, "k").ok().id();
    let other = account.post_with_key(PATH, "k", &payment("pm_card_mastercard", "manual"));
    assert_eq!((other.status, other.json["error"]["type"].as_str()), (400, Some("idempotency_error")));
    let elsewhere = account.post_with_key(&format!("{PATH}/{id}/capture"), "k", &[]);
    assert_eq!(elsewhere.json["error"]["type"], "idempotency_error");
}

#[test]
fn the_order_of_parameters_does_not_matter() {
    let mut account = Account::new();
    let first = pay(&mut account, "k").ok();
    let mut params = payment("pm_card_visa", "manual");
    params.reverse();
    assert_eq!(account.post_with_key(PATH, "k", &params).ok().id(), first.id());
}

#[test]
fn declines_and_stored_server_errors_are_replayed() {
    let mut account = Account::new();
    let params = payment("pm_card_visa_chargeDeclined", "manual");
    let declined = account.post_with_key(PATH, "declined", &params);
    let replayed = account.post_with_key(PATH, "declined", &params);
    assert_eq!((declined.status, replayed.status), (402, 402));
    assert_eq!(declined.text, replayed.text);

    account.arm(FaultKind::Error500, 1);
    let failed = pay(&mut account, "failed");
    let replayed = pay(&mut account, "failed");
    assert_eq!((failed.status, replayed.status), (500, 500));
    assert!(is_replay(&replayed));
    assert_eq!(account.simulator.transactions().len(), 1, "only the declined one");
}

#[test]
fn failed_validation_and_rate_limits_leave_the_key_free() {
    let mut account = Account::new();
    account.post_with_key(PATH, "k", &payment("pm_card_unheard_of", "manual")).refused(400, "resource_missing");
    account.arm(FaultKind::RateLimit, 1);
    let limited = pay(&mut account, "k");
    assert_eq!((limited.status, limited.headers["retry-after"].to_str().unwrap()), (429, "1"));
    assert!(!is_replay(&pay(&mut account, "k").ok()));
}

#[test]
fn a_twin_of_a_running_call_conflicts_until_that_is_answered() {
    let mut account = Account::new();
    account.simulator.arm(Fault { kind: FaultKind::Slow, times: Some(1), ms: Some(10) }).unwrap();
    let call = request(Method::POST, PATH, Some("k"), &payment("pm_card_visa", "manual"));
    let slow = account.call(&call);
    assert_eq!(slow.after.as_millis(), 10);
    let twin = read(account.call(&call));
    assert_eq!(twin.headers["stripe-should-retry"], "true");
    twin.refused(409, "idempotency_key_in_use");
    account.simulator.finished(&call);
    let replayed = read(account.call(&call)).ok();
    assert!(is_replay(&replayed));
    assert_eq!(replayed.id(), read(slow).id());
}

#[test]
fn a_key_is_forgotten_after_a_day() {
    let mut account = Account::new();
    let first = pay(&mut account, "k").ok();
    account.pass(SignedDuration::from_hours(23));
    assert_eq!(pay(&mut account, "k").ok().id(), first.id());
    account.pass(SignedDuration::from_hours(1));
    assert_ne!(pay(&mut account, "k").ok().id(), first.id(), "a trap for whoever resends too late");
}

#[test]
fn a_key_is_at_most_255_characters_long() {
    let mut account = Account::new();
    assert_eq!(pay(&mut account, &"k".repeat(255)).status, 200);
    assert_eq!(pay(&mut account, &"k".repeat(256)).status, 400);
}
