//! What an armed fault does, and what it leaves behind.

use crate::account::{Account, payment, read, request};
use http::{Method, Request};
use tollgate_simulators::{Ending, Fault, FaultKind};

fn create(key: &str) -> Request<bytes::Bytes> {
    request(Method::POST, "/v1/payment_intents", Some(key), &payment("pm_card_visa", "manual"))
}

#[test]
fn a_timeout_leaves_nothing_behind() {
    let mut account = Account::new();
    account.simulator.arm(Fault { kind: FaultKind::Timeout, times: Some(1), ms: Some(1234) }).unwrap();
    let answer = account.call(&create("k"));
    assert_eq!((answer.ending, answer.after.as_millis()), (Ending::HungUp, 1234));
    assert!(account.simulator.transactions().is_empty());
    read(account.call(&create("k"))).ok();
}

#[test]
fn charge_then_timeout_leaves_the_payment_under_its_key() {
    let mut account = Account::new();
    account.arm(FaultKind::ChargeThenTimeout, 1);
    account.get("/v1/balance", &[]).ok();
    let lost = account.call(&create("k"));
    assert_eq!((lost.ending, lost.after.as_secs()), (Ending::HungUp, 60));
    let replayed = read(account.call(&create("k"))).ok();
    assert_eq!(replayed.headers["idempotent-replayed"], "true");
    assert_eq!(account.simulator.transactions().len(), 1);
}

#[test]
fn a_proxys_page_and_a_server_error_leave_nothing_behind() {
    let mut account = Account::new();
    account.arm(FaultKind::Html502, 1);
    account.arm(FaultKind::Error500, 1);
    let page = read(account.call(&create("a")));
    assert_eq!((page.status, page.headers["content-type"].to_str().unwrap()), (502, "text/html"));
    let error = read(account.call(&create("b")));
    assert_eq!((error.status, error.json["error"]["type"].as_str()), (500, Some("api_error")));
    assert!(account.simulator.transactions().is_empty());
    read(account.call(&create("a"))).ok();
}

#[test]
fn faults_come_in_order_and_as_often_as_armed() {
    let mut account = Account::new();
    account.arm(FaultKind::RateLimit, 2);
    account.arm(FaultKind::Html502, 1);
    let statuses: Vec<u16> = (0..4).map(|_| account.get("/v1/balance", &[]).status).collect();
    assert_eq!(statuses, [429, 429, 502, 200]);
    account.simulator.arm(Fault { kind: FaultKind::RateLimit, times: None, ms: None }).unwrap();
    assert!((0..20).all(|_| account.get("/v1/balance", &[]).status == 429));
    account.simulator.clear_faults();
    account.get("/v1/balance", &[]).ok();
}

#[test]
fn a_decline_waits_for_a_payment() {
    let mut account = Account::new();
    account.arm(FaultKind::Decline, 1);
    account.get("/v1/balance", &[]).ok();
    account.post("/v1/payment_intents", &[("amount", "5"), ("currency", "jpy")]).ok();
    account.pay("pm_card_unheard_of", "manual").refused(400, "resource_missing");
    let error = account.pay("pm_card_visa", "manual").refused(402, "card_declined");
    assert_eq!(error["decline_code"], "generic_decline");
    account.pay("pm_card_visa", "manual").ok();
}

#[test]
fn answers_can_be_garbled_on_the_way() {
    let mut account = Account::new();
    let other = account.authorized();
    account.arm(FaultKind::MalformedJson, 1);
    let got = read(account.call(&create("a")));
    assert_eq!((got.status, got.json.is_null()), (200, true));
    account.arm(FaultKind::TruncatedBody, 1);
    assert_eq!(account.call(&create("b")).ending, Ending::Truncated);
    account.arm(FaultKind::WrongId, 1);
    let wrong = account.get(&format!("/v1/payment_intents/{other}"), &[]).ok();
    assert_ne!(wrong.id(), other);
    assert_eq!(account.simulator.transactions().len(), 3);
}

#[test]
fn what_cannot_be_played_here_is_refused() {
    let mut account = Account::new();
    assert!(account.simulator.arm(Fault { kind: FaultKind::Unreachable, times: None, ms: None }).is_err());
    assert!(account.simulator.arm(Fault { kind: FaultKind::Slow, times: Some(0), ms: None }).is_err());
}
