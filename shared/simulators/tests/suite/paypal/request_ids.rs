//! Request ids: what is kept, as what, and for how long.

use super::account::{Account, Got, With, order, usd, vault};
use http::{Method, Request};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tollgate_simulators::{Fault, FaultKind};

const ORDERS: &str = "/v2/checkout/orders";

#[test]
fn a_replay_shows_the_latest_state_and_changes_nothing() {
    let mut account = Account::new();
    let created = account.post(ORDERS, "order-1", &order("AUTHORIZE")).is(201);
    let path = format!("{ORDERS}/{}/authorize", created.id());
    let paid = account.post(&path, "authorize-1", &vault("vault-ok")).is(201);
    assert_eq!(account.post(&path, "authorize-1", &vault("vault-ok")).is(200).json, paid.json);
    let replayed = account.post(ORDERS, "order-1", &order("AUTHORIZE")).is(200);
    assert_eq!((replayed.id(), &replayed.json["status"]), (created.id(), &"COMPLETED".into()));
    assert_eq!(account.simulator.transactions().len(), 1);
    assert!(account.post(ORDERS, "order-2", &order("AUTHORIZE")).is(201).id() != created.id());
}

#[test]
fn a_replayed_capture_and_refund_show_what_became_of_them() {
    let mut account = Account::new();
    let (_, held) = account.authorized();
    let path = format!("/v2/payments/authorizations/{held}/capture");
    let taken = account.post(&path, "capture-1", &usd("40.00")).is(201);
    let refunds = format!("/v2/payments/captures/{}/refund", taken.id());
    let refund = account.post(&refunds, "refund-1", &usd("10.00")).is(201);
    let again = account.post(&path, "capture-1", &usd("40.00")).is(201);
    assert_eq!((again.id(), &again.json["status"]), (taken.id(), &"PARTIALLY_REFUNDED".into()));
    assert_eq!(account.post(&refunds, "refund-1", &usd("10.00")).is(201).id(), refund.id());
    assert_eq!((account.transaction().captured, account.transaction().refunded), (4_000, 1_000));
}

#[test]
fn the_same_id_with_another_body_or_path_is_refused() {
    let mut account = Account::new();
    let id = account.post(ORDERS, "order-1", &order("AUTHORIZE")).is(201).id();
    let mut other = order("AUTHORIZE");
    other["purchase_units"][0]["amount"]["value"] = "100.01".into();
    account.post(ORDERS, "order-1", &other).refused(422, "DUPLICATE_REQUEST_ID");
    account
        .post(&format!("{ORDERS}/{id}/authorize"), "order-1", &vault("vault-ok"))
        .refused(422, "DUPLICATE_REQUEST_ID");
    assert_eq!(account.simulator.transactions().len(), 1);
}

#[test]
fn a_payment_source_needs_a_request_id() {
    let mut account = Account::new();
    let mut paid = order("AUTHORIZE");
    paid["payment_source"] = vault("vault-ok")["payment_source"].clone();
    account.send(ORDERS, With::default(), &paid).refused(400, "PAYPAL_REQUEST_ID_REQUIRED");
    let id = account.send(ORDERS, With::default(), &order("AUTHORIZE")).is(201).id();
    let path = format!("{ORDERS}/{id}/authorize");
    account.send(&path, With::default(), &vault("vault-ok")).refused(400, "PAYPAL_REQUEST_ID_REQUIRED");
    let long = "x".repeat(109);
    account.post(ORDERS, &long, &order("AUTHORIZE")).refused(400, "INVALID_STRING_LENGTH");
    account.post(ORDERS, &long[1..], &order("AUTHORIZE")).is(201);
}

#[test]
fn a_decline_binds_its_id_and_what_was_never_tried_does_not() {
    let mut account = Account::new();
    let id = account.ordered("AUTHORIZE", "order-1");
    let path = format!("{ORDERS}/{id}/authorize");
    account.arm(FaultKind::Decline);
    account.post(&path, "a", &vault("vault-ok")).refused(422, "INSTRUMENT_DECLINED");
    account.post(&path, "a", &vault("vault-ok")).refused(422, "INSTRUMENT_DECLINED");
    account.post(&path, "b", &vault("vault-unheard-of")).refused(422, "TOKEN_ID_NOT_FOUND");
    account.post(&path, "b", &vault("vault-ok")).is(201);
}

#[test]
fn server_errors_and_rate_limits_leave_the_id_free() {
    let mut account = Account::new();
    account.arm(FaultKind::Error500);
    account.arm(FaultKind::RateLimit);
    let failed = account.post(ORDERS, "order-1", &order("AUTHORIZE")).is(500);
    assert_eq!(failed.json["name"], "INTERNAL_SERVER_ERROR");
    let limited = account.post(ORDERS, "order-1", &order("AUTHORIZE")).is(429);
    assert_eq!(limited.json["name"], "RATE_LIMIT_REACHED");
    account.post(ORDERS, "order-1", &order("AUTHORIZE")).is(201);
}

#[test]
fn orders_are_kept_for_6_hours_and_payments_for_45_days() {
    let mut account = Account::new();
    let (first, held) = account.authorized();
    let path = format!("/v2/payments/authorizations/{held}/capture");
    let taken = account.post(&path, "capture-1", &usd("40.00")).is(201).id();
    let mut same = order("AUTHORIZE");
    same["purchase_units"][0]["invoice_id"] = "order-1".into();
    account.pass(SignedDuration::from_secs(6 * 3600 - 1));
    assert_eq!(account.post(ORDERS, "order-1", &same).is(200).id(), first);
    account.pass(SignedDuration::from_secs(1));
    assert_ne!(account.post(ORDERS, "order-1", &same).is(201).id(), first, "a trap for whoever resends too late");
    account.pass(SignedDuration::from_hours(44 * 24));
    account.forget_token();
    assert_eq!(account.post(&path, "capture-1", &usd("40.00")).is(201).id(), taken);
    account.pass(SignedDuration::from_hours(24));
    account.forget_token();
    account.post(&path, "capture-1", &usd("40.00")).refused(422, "AUTHORIZATION_EXPIRED");
}

#[test]
fn a_twin_of_a_running_call_conflicts_until_that_is_answered() {
    let mut account = Account::new();
    let id = account.ordered("AUTHORIZE", "order-1");
    let path = format!("{ORDERS}/{id}/authorize");
    account.simulator.arm(Fault { kind: FaultKind::Slow, times: Some(1), ms: Some(10) }).unwrap();
    let request = account.request(&Method::POST, &path, With { id: Some("a"), whole: true }, &vault("vault-ok"));
    assert_eq!(account.call(&request).after.as_millis(), 10);
    account.post(&path, "a", &vault("vault-ok")).refused(409, "PREVIOUS_REQUEST_IN_PROGRESS");
    account.post(&path, "b", &vault("vault-ok")).refused(409, "PREVIOUS_REQUEST_IN_PROGRESS");
    account.get(&format!("{ORDERS}/{id}")).is(200);
    account.simulator.finished(&request);
    account.post(&path, "a", &vault("vault-ok")).is(200);
}

#[test]
fn what_is_not_json_is_refused() {
    let mut account = Account::new();
    let token = account.token();
    let send = |account: &mut Account, kind: &str, body: &'static str| -> Got {
        let request = Request::post(format!("http://paypal.test/paypal{ORDERS}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", kind);
        account.call(&request.body(body.into()).unwrap()).into()
    };
    assert_eq!(send(&mut account, "text/plain", "{}").is(415).json["name"], "UNSUPPORTED_MEDIA_TYPE");
    send(&mut account, "application/json", "{").refused(400, "MALFORMED_REQUEST_JSON");
    send(&mut account, "application/json", "[]").refused(400, "MALFORMED_REQUEST_JSON");
    account.send("/v2/elsewhere", With::default(), &json!({})).is(404);
    account.send(ORDERS, With::default(), &Value::Null).refused(400, "MISSING_REQUIRED_PARAMETER");
}
