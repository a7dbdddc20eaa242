//! Captures, voids, reauthorizations, and the end of authorizations.

use super::account::{Account, Got, With, usd};
use jiff::SignedDuration;
use serde_json::{Value, json};

fn act(account: &mut Account, id: &str, what: &str, key: &str, body: &Value) -> Got {
    account.post(&format!("/v2/payments/authorizations/{id}/{what}"), key, body)
}

fn days(account: &mut Account, days: i64) {
    account.pass(SignedDuration::from_hours(24 * days));
    account.forget_token();
}

#[test]
fn a_capture_takes_all_and_tells_what_is_left_of_it() {
    let mut account = Account::with_endpoint();
    let (order, held) = account.authorized();
    account.kinds();
    let taken = act(&mut account, &held, "capture", "capture-1", &json!({})).is(201);
    assert_eq!((&taken.json["status"], &taken.json["amount"]["value"]), (&"COMPLETED".into(), &"100.00".into()));
    assert_eq!(taken.json["supplementary_data"]["related_ids"]["order_id"], order);
    let breakdown = &taken.json["seller_receivable_breakdown"];
    assert_eq!(
        (&breakdown["paypal_fee"]["value"], &breakdown["net_amount"]["value"]),
        (&"3.60".into(), &"96.40".into())
    );
    assert_eq!(account.authorization(&held)["status"], "CAPTURED");
    assert_eq!((account.transaction().captured, account.transaction().status.as_str()), (10_000, "COMPLETED"));
    assert_eq!(account.kinds(), ["PAYMENT.CAPTURE.COMPLETED"]);
    act(&mut account, &held, "capture", "capture-2", &json!({})).refused(422, "AUTHORIZATION_ALREADY_CAPTURED");
    act(&mut account, &held, "void", "void", &Value::Null).refused(422, "PREVIOUSLY_CAPTURED");
}

#[test]
fn parts_can_be_captured_until_the_last_one() {
    let mut account = Account::new();
    let (_, held) = account.authorized();
    act(&mut account, &held, "capture", "a", &usd("30.00")).is(201);
    assert_eq!(account.authorization(&held)["status"], "PARTIALLY_CAPTURED");
    let mut last = usd("20.00");
    last["final_capture"] = true.into();
    act(&mut account, &held, "capture", "b", &last).is(201);
    assert_eq!(account.authorization(&held)["status"], "CAPTURED");
    act(&mut account, &held, "capture", "c", &usd("1.00")).refused(422, "AUTHORIZATION_ALREADY_CAPTURED");
    assert_eq!(account.transaction().captured, 5_000);
}

#[test]
fn more_than_115_percent_cannot_be_captured() {
    let mut account = Account::new();
    let (_, held) = account.authorized();
    act(&mut account, &held, "capture", "a", &usd("115.01")).refused(422, "MAX_CAPTURE_AMOUNT_EXCEEDED");
    let yen = json!({"amount": {"currency_code": "JPY", "value": "100"}});
    act(&mut account, &held, "capture", "b", &yen).refused(422, "AUTH_CAPTURE_CURRENCY_MISMATCH");
    act(&mut account, &held, "capture", "c", &usd("90.00")).is(201);
    act(&mut account, &held, "capture", "d", &usd("25.01")).refused(422, "MAX_CAPTURE_AMOUNT_EXCEEDED");
    act(&mut account, &held, "capture", "e", &usd("25.00")).is(201);
}

#[test]
fn a_void_lets_go_and_says_so_once() {
    let mut account = Account::with_endpoint();
    let (_, held) = account.authorized();
    account.kinds();
    let path = format!("/v2/payments/authorizations/{held}/void");
    let quiet = account.send(&path, With::default(), &Value::Null).is(204);
    assert_eq!(quiet.text, "");
    assert_eq!(account.kinds(), ["PAYMENT.AUTHORIZATION.VOIDED"]);
    account.send(&path, With::default(), &Value::Null).refused(422, "PREVIOUSLY_VOIDED");
    act(&mut account, &held, "capture", "a", &json!({})).refused(422, "AUTHORIZATION_VOIDED");
    act(&mut account, &held, "reauthorize", "b", &json!({})).refused(422, "AUTHORIZATION_VOIDED");
    assert_eq!(account.transaction().status, "VOIDED");
}

#[test]
fn a_void_after_a_part_keeps_the_part() {
    let mut account = Account::new();
    let (_, held) = account.authorized();
    act(&mut account, &held, "capture", "a", &usd("30.00")).is(201);
    assert_eq!(act(&mut account, &held, "void", "b", &Value::Null).is(200).json["status"], "VOIDED");
    assert_eq!((account.transaction().captured, account.transaction().status.as_str()), (3_000, "COMPLETED"));
}

#[test]
fn an_authorization_ends_after_29_days() {
    let mut account = Account::with_endpoint();
    let (_, held) = account.authorized();
    account.kinds();
    days(&mut account, 28);
    assert_eq!(account.kinds(), Vec::<String>::new());
    assert_eq!(account.simulator.next_due().unwrap().to_string(), "2026-12-19T12:00:00Z");
    days(&mut account, 1);
    let told = account.delivered();
    assert_eq!(told[0]["event_type"], "PAYMENT.AUTHORIZATION.VOIDED");
    assert_eq!((&told[0]["resource"]["id"], &told[0]["resource"]["status"]), (&held.clone().into(), &"VOIDED".into()));
    act(&mut account, &held, "capture", "a", &json!({})).refused(422, "AUTHORIZATION_EXPIRED");
    act(&mut account, &held, "void", "b", &Value::Null).refused(422, "PREVIOUSLY_VOIDED");
    act(&mut account, &held, "reauthorize", "c", &json!({})).refused(422, "AUTHORIZATION_VOIDED");
}

#[test]
fn a_capture_that_comes_too_late_finds_the_authorization_gone_even_if_nobody_looked() {
    let mut account = Account::new();
    let (_, held) = account.authorized();
    account.now += SignedDuration::from_hours(29 * 24);
    account.forget_token();
    act(&mut account, &held, "capture", "a", &json!({})).refused(422, "AUTHORIZATION_EXPIRED");
}

#[test]
fn an_authorization_is_renewed_once_from_the_fourth_day() {
    let mut account = Account::new();
    let (order, held) = account.authorized();
    days(&mut account, 2);
    act(&mut account, &held, "reauthorize", "a", &json!({})).refused(422, "TRANSACTION_REFUSED");
    days(&mut account, 1);
    act(&mut account, &held, "reauthorize", "b", &usd("115.01")).refused(422, "TRANSACTION_REFUSED");
    let yen = json!({"amount": {"currency_code": "JPY", "value": "100"}});
    act(&mut account, &held, "reauthorize", "c", &yen).refused(422, "AUTH_CURRENCY_MISMATCH");
    let renewed = act(&mut account, &held, "reauthorize", "d", &usd("100.00")).is(201);
    assert_eq!(
        (&renewed.json["status"], &renewed.json["expiration_time"]),
        (&"CREATED".into(), &"2026-12-19T12:00:00Z".into())
    );
    let id = renewed.id();
    assert_ne!(id, held);
    assert!(renewed.link("reauthorize").is_none() && renewed.link("void").is_none());
    act(&mut account, &held, "reauthorize", "e", &json!({})).refused(422, "REAUTHORIZATION_NOT_SUPPORTED");
    act(&mut account, &id, "reauthorize", "f", &json!({})).refused(422, "REAUTHORIZATION_NOT_SUPPORTED");
    act(&mut account, &id, "void", "g", &Value::Null).refused(422, "CANNOT_BE_VOIDED");
    act(&mut account, &id, "capture", "h", &usd("100.00")).is(201);
    act(&mut account, &held, "capture", "i", &usd("100.00")).refused(422, "AUTHORIZATION_ALREADY_CAPTURED");
    let payments = account.order(&order)["purchase_units"][0]["payments"].clone();
    assert_eq!(payments["authorizations"].as_array().unwrap().len(), 2);
    assert_eq!(account.transaction().captured, 10_000);
}

#[test]
fn voiding_an_authorization_voids_what_renewed_it() {
    let mut account = Account::new();
    let (_, held) = account.authorized();
    days(&mut account, 4);
    let renewed = act(&mut account, &held, "reauthorize", "a", &json!({})).is(201).id();
    act(&mut account, &held, "void", "b", &Value::Null).is(200);
    act(&mut account, &renewed, "capture", "c", &json!({})).refused(422, "AUTHORIZATION_VOIDED");
}

#[test]
fn a_pending_capture_completes_after_an_hour() {
    let mut account = Account::with_endpoint();
    let (_, capture) = account.captured_by("vault-capture-pending");
    assert_eq!(account.kinds().last().unwrap(), "PAYMENT.CAPTURE.PENDING");
    let path = format!("/v2/payments/captures/{capture}");
    assert_eq!(account.get(&path).json["status"], "PENDING");
    assert_eq!((account.transaction().captured, account.transaction().status.as_str()), (0, "PENDING"));
    account.post(&format!("{path}/refund"), "r", &json!({})).refused(422, "PENDING_CAPTURE");
    account.pass(SignedDuration::from_hours(1));
    assert_eq!(account.kinds(), ["PAYMENT.CAPTURE.COMPLETED"]);
    assert_eq!(account.get(&path).json["status"], "COMPLETED");
    assert_eq!(account.transaction().captured, 10_000);
}

#[test]
fn captures_that_fail_leave_the_money_held() {
    let mut account = Account::with_endpoint();
    let (_, held) = account.authorized_by("vault-capture-declined", "order-1");
    account.kinds();
    let declined = act(&mut account, &held, "capture", "a", &json!({})).is(201);
    assert_eq!(declined.json["status"], "DECLINED");
    assert_eq!(account.kinds(), ["PAYMENT.CAPTURE.DECLINED"]);
    assert_eq!((account.transaction().captured, account.transaction().status.as_str()), (0, "CREATED"));

    let mut account = Account::with_endpoint();
    let (_, capture) = account.captured_by("vault-capture-denied");
    account.pass(SignedDuration::from_hours(1));
    assert_eq!(account.kinds().last().unwrap(), "PAYMENT.CAPTURE.DENIED");
    let path = format!("/v2/payments/captures/{capture}");
    assert_eq!(account.get(&path).json["status"], "DECLINED");
    account.post(&format!("{path}/refund"), "r", &json!({})).refused(422, "REFUND_NOT_ALLOWED");
    assert_eq!((account.transaction().captured, account.transaction().status.as_str()), (0, "CREATED"));

    let mut account = Account::new();
    let (_, held) = account.authorized_by("vault-capture-refused", "order-1");
    act(&mut account, &held, "capture", "a", &json!({})).refused(422, "PAYER_CANNOT_PAY");
    assert_eq!(account.authorization(&held)["status"], "CREATED");
}

#[test]
fn a_chargeback_takes_a_capture_back() {
    let mut account = Account::with_endpoint();
    let (order, capture) = account.captured_by("vault-capture-reversed");
    account.kinds();
    account.pass(SignedDuration::from_hours(1));
    let told = account.delivered();
    assert_eq!(told[0]["event_type"], "PAYMENT.CAPTURE.REVERSED");
    assert_eq!(
        told[0]["resource"]["supplementary_data"]["related_ids"],
        json!({
            "order_id": order,
            "authorization_id": account.get(&format!("/v2/payments/captures/{capture}")).json["supplementary_data"]["related_ids"]["authorization_id"],
            "capture_id": capture,
        })
    );
    assert_eq!((account.transaction().captured, account.transaction().refunded), (10_000, 10_000));
    let path = format!("/v2/payments/captures/{capture}/refund");
    account.post(&path, "r", &json!({})).refused(422, "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK");
}
