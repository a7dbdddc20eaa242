//! What an armed fault does, and what it leaves behind.

use super::account::{Account, Got, With, order, vault};
use http::{Method, Request};
use serde_json::Value;
use tollgate_simulators::{Ending, Fault, FaultKind};

const ORDERS: &str = "/v2/checkout/orders";

fn create(account: &mut Account) -> Request<bytes::Bytes> {
    account.request(&Method::POST, ORDERS, With { id: Some("order-1"), whole: true }, &order("AUTHORIZE"))
}

#[test]
fn a_timeout_leaves_nothing_behind_and_a_lost_answer_leaves_the_order() {
    for (kind, orders, status) in [(FaultKind::Timeout, 0, 201), (FaultKind::ChargeThenTimeout, 1, 200)] {
        let mut account = Account::new();
        let request = create(&mut account);
        account.simulator.arm(Fault { kind, times: Some(1), ms: Some(1234) }).unwrap();
        let answer = account.call(&request);
        assert_eq!((answer.ending, answer.after.as_millis()), (Ending::HungUp, 1234));
        assert_eq!(account.simulator.transactions().len(), orders);
        assert_eq!(Got::from(account.call(&request)).status, status);
    }
}

#[test]
fn a_lost_answer_to_an_authorization_is_found_again_by_a_get() {
    let mut account = Account::new();
    let id = account.ordered("AUTHORIZE", "order-1");
    account.arm(FaultKind::ChargeThenTimeout);
    let path = format!("{ORDERS}/{id}/authorize");
    account.get(&format!("{ORDERS}/{id}")).is(200);
    let request = account.request(&Method::POST, &path, With { id: Some("a"), whole: true }, &vault("vault-ok"));
    assert_eq!(account.call(&request).ending, Ending::HungUp);
    let found = account.order(&id);
    assert_eq!(found["purchase_units"][0]["payments"]["authorizations"][0]["status"], "CREATED");
}

#[test]
fn a_decline_waits_for_a_payment() {
    let mut account = Account::new();
    account.arm(FaultKind::Decline);
    let id = account.ordered("AUTHORIZE", "order-1");
    let path = format!("{ORDERS}/{id}/authorize");
    account.post(&path, "a", &Value::Null).refused(422, "ORDER_NOT_APPROVED");
    account.post(&path, "b", &vault("vault-ok")).refused(422, "INSTRUMENT_DECLINED");
    account.post(&path, "c", &vault("vault-ok")).is(201);
}

#[test]
fn faults_leave_tokens_alone() {
    let mut account = Account::new();
    account.arm(FaultKind::Html502);
    account.token();
    let request = create(&mut account);
    assert_eq!(Got::from(account.call(&request)).status, 502);
    assert_eq!(Got::from(account.call(&request)).status, 201);
}

#[test]
fn answers_can_be_garbled_on_the_way() {
    let mut account = Account::new();
    let id = account.ordered("AUTHORIZE", "order-0");
    account.arm(FaultKind::MalformedJson);
    let request = create(&mut account);
    let got = Got::from(account.call(&request));
    assert_eq!((got.status, got.json.is_null()), (201, true));
    account.arm(FaultKind::TruncatedBody);
    assert_eq!(account.call(&request).ending, Ending::Truncated);
    account.arm(FaultKind::WrongId);
    let wrong = account.get(&format!("{ORDERS}/{id}")).is(200);
    assert_ne!(wrong.id(), id);
    account.get(&format!("{ORDERS}/{}", wrong.id())).is(200);
    assert_eq!(account.simulator.transactions().len(), 2);
}
