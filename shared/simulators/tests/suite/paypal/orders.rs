//! Orders, and their payment from the vault.

use super::account::{Account, With, order, vault};
use jiff::SignedDuration;
use serde_json::{Value, json};

const ORDERS: &str = "/v2/checkout/orders";

#[test]
fn an_order_is_authorized_from_the_vault() {
    let mut account = Account::new();
    let created = account.post(ORDERS, "order-1", &order("AUTHORIZE")).is(201);
    assert_eq!(created.json["status"], "CREATED");
    let id = created.id();
    assert_eq!(created.link("approve").unwrap(), format!("http://paypal.test/paypal/checkoutnow/{id}"));
    assert_eq!(account.transaction().status, "CREATED");

    let paid = account.post(&format!("{ORDERS}/{id}/authorize"), "order-1-authorize", &vault("vault-ok")).is(201);
    assert_eq!(paid.json["status"], "COMPLETED");
    let held = &paid.json["purchase_units"][0]["payments"]["authorizations"][0];
    assert_eq!((&held["status"], &held["custom_id"]), (&"CREATED".into(), &"pay_1".into()));
    assert_eq!(held["expiration_time"], "2026-12-19T12:00:00Z");
    let transaction = account.transaction();
    assert_eq!((transaction.provider_transaction_id, transaction.status), (id, "CREATED".to_owned()));
    assert_eq!(
        (transaction.payment_id.as_deref(), transaction.provider_request_id.as_deref()),
        (Some("pay_1"), Some("order-1"))
    );
    assert_eq!((transaction.amount, transaction.captured), (10_000, 0));
}

#[test]
fn an_order_with_a_vaulted_source_is_paid_at_once() {
    for (intent, list) in [("AUTHORIZE", "authorizations"), ("CAPTURE", "captures")] {
        let mut account = Account::new();
        let mut order = order(intent);
        order["payment_source"] = json!({"token": {"id": "vault-ok", "type": "PAYMENT_METHOD_TOKEN"}});
        let created = account.post(ORDERS, "order-1", &order).is(201);
        assert_eq!(created.json["status"], "COMPLETED");
        assert!(created.json["purchase_units"][0]["payments"][list][0]["id"].is_string());
        assert_eq!(account.transaction().captured, if intent == "CAPTURE" { 10_000 } else { 0 });
    }
}

#[test]
fn a_declined_payer_leaves_the_order_open_for_another() {
    let mut account = Account::new();
    let id = account.ordered("AUTHORIZE", "order-1");
    let path = format!("{ORDERS}/{id}/authorize");
    account.post(&path, "a", &vault("vault-declined")).refused(422, "INSTRUMENT_DECLINED");
    assert_eq!(account.order(&id)["status"], "CREATED");
    account.post(&path, "b", &vault("vault-ok")).is(201);
    account.post(&path, "c", &vault("vault-ok")).refused(422, "ORDER_ALREADY_AUTHORIZED");
}

#[test]
fn an_order_that_is_declined_as_it_is_made_is_not_made() {
    let mut account = Account::new();
    let mut order = order("CAPTURE");
    order["payment_source"] = vault("vault-declined")["payment_source"].clone();
    account.post(ORDERS, "order-1", &order).refused(422, "INSTRUMENT_DECLINED");
    assert!(account.simulator.transactions().is_empty());
}

#[test]
fn what_is_not_in_the_vault_cannot_pay() {
    let mut account = Account::new();
    let id = account.ordered("AUTHORIZE", "order-1");
    let path = format!("{ORDERS}/{id}/authorize");
    account.post(&path, "a", &vault("vault-of-nobody")).refused(422, "TOKEN_ID_NOT_FOUND");
    let token = json!({"payment_source": {"token": {"id": "B-1", "type": "BILLING_AGREEMENT"}}});
    account.post(&path, "b", &token).refused(422, "BILLING_AGREEMENT_NOT_FOUND");
    let card = json!({"payment_source": {"card": {"number": "4111"}}});
    account.post(&path, "c", &card).refused(422, "NOT_ENABLED_FOR_CARD_PROCESSING");
    let mut order = order("AUTHORIZE");
    order["payment_source"] = vault("nothing")["payment_source"].clone();
    account.post(ORDERS, "d", &order).refused(404, "INVALID_RESOURCE_ID");
}

#[test]
fn an_order_does_what_it_was_made_for_and_only_when_somebody_pays() {
    let mut account = Account::new();
    let capture = account.ordered("CAPTURE", "order-1");
    let authorize = account.ordered("AUTHORIZE", "order-2");
    let path = |id: &str, what: &str| format!("{ORDERS}/{id}/{what}");
    let nothing = json!({});
    account.post(&path(&capture, "authorize"), "a", &nothing).refused(422, "ACTION_DOES_NOT_MATCH_INTENT");
    account.post(&path(&authorize, "capture"), "b", &nothing).refused(422, "ACTION_DOES_NOT_MATCH_INTENT");
    account.post(&path(&capture, "capture"), "c", &nothing).refused(422, "ORDER_NOT_APPROVED");
    account.post(&path(&authorize, "authorize"), "d", &nothing).refused(422, "ORDER_NOT_APPROVED");
    account.post(&path("0", "authorize"), "e", &nothing).refused(404, "INVALID_RESOURCE_ID");
    account.post(&path(&capture, "capture"), "f", &vault("vault-ok")).is(201);
    account.post(&path(&capture, "capture"), "g", &vault("vault-ok")).refused(422, "ORDER_ALREADY_CAPTURED");
}

#[test]
fn a_minimal_answer_has_no_more_than_it_must() {
    let mut account = Account::new();
    let created = account.send(ORDERS, With { id: Some("order-1"), whole: false }, &order("AUTHORIZE")).is(201);
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&created.json), ["id", "links", "status"]);
    let path = format!("{ORDERS}/{}/authorize", created.id());
    let paid = account.send(&path, With { id: Some("a"), whole: false }, &vault("vault-ok")).is(201);
    assert_eq!(names(&paid.json["purchase_units"][0]), ["payments", "reference_id"]);
    let held = paid.json["purchase_units"][0]["payments"]["authorizations"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v2/payments/authorizations/{held}/capture");
    let taken = account.send(&path, With { id: Some("b"), whole: false }, &json!({})).is(201);
    assert_eq!(names(&taken.json), ["id", "links", "status"]);
}

#[test]
fn orders_that_say_too_little_or_the_wrong_thing_are_refused() {
    let mut account = Account::new();
    let cases = [
        ("/intent", Value::Null, 400, "MISSING_REQUIRED_PARAMETER"),
        ("/intent", json!("GIVE"), 400, "INVALID_PARAMETER_VALUE"),
        ("/purchase_units", json!([]), 400, "INVALID_ARRAY_MIN_ITEMS"),
        ("/purchase_units/0/amount", Value::Null, 400, "MISSING_REQUIRED_PARAMETER"),
        ("/purchase_units/0/amount/value", json!(100), 400, "INVALID_PARAMETER_SYNTAX"),
        ("/purchase_units/0/amount/value", json!("0"), 422, "CANNOT_BE_ZERO_OR_NEGATIVE"),
        ("/purchase_units/0/amount/currency_code", json!("KWD"), 422, "INVALID_CURRENCY_CODE"),
        ("/purchase_units/0/amount/value", json!("100.001"), 422, "DECIMAL_PRECISION"),
        ("/purchase_units/0/custom_id", json!("x".repeat(128)), 400, "INVALID_STRING_LENGTH"),
        ("/application_context/return_url", json!("back"), 400, "INVALID_PARAMETER_SYNTAX"),
    ];
    for (pointer, value, status, issue) in cases {
        let mut order = order("AUTHORIZE");
        *order.pointer_mut(pointer).unwrap() = value;
        let error = account.post(ORDERS, "order-1", &order).refused(status, issue);
        assert_eq!(error["details"][0]["field"], pointer);
    }
    assert!(account.simulator.transactions().is_empty());
}

#[test]
fn yen_have_no_decimals_and_forints_have_them_in_the_books_alone() {
    for (currency, value, minor) in [("JPY", "1000", 1000), ("HUF", "1000", 100_000), ("EUR", "10.5", 1050)] {
        let mut account = Account::new();
        let mut order = order("AUTHORIZE");
        order["purchase_units"][0]["amount"] = json!({"currency_code": currency, "value": value});
        order["payment_source"] = vault("vault-ok")["payment_source"].clone();
        let created = account.post(ORDERS, "order-1", &order).is(201);
        let shown = &created.json["purchase_units"][0]["payments"]["authorizations"][0]["amount"]["value"];
        assert_eq!(shown, if currency == "EUR" { "10.50" } else { value });
        assert_eq!((account.transaction().amount, account.transaction().currency.as_str()), (minor, currency));
    }
}

#[test]
fn an_invoice_is_paid_once() {
    let mut account = Account::new();
    let pay = |account: &mut Account, key: &str| {
        let id = account.post(ORDERS, key, &order("AUTHORIZE")).is(201).id();
        account.post(&format!("{ORDERS}/{id}/authorize"), &format!("{key}-authorize"), &vault("vault-ok"))
    };
    let held = pay(&mut account, "order-1").is(201);
    pay(&mut account, "order-2").refused(422, "DUPLICATE_INVOICE_ID");
    let id = held.json["purchase_units"][0]["payments"]["authorizations"][0]["id"].as_str().unwrap();
    account.post(&format!("/v2/payments/authorizations/{id}/void"), "void", &Value::Null).is(200);
    pay(&mut account, "order-3").is(201);
}

#[test]
fn an_order_that_nobody_pays_ends_after_six_hours() {
    let mut account = Account::new();
    let id = account.ordered("AUTHORIZE", "order-1");
    account.pass(SignedDuration::from_secs(6 * 3600 - 1));
    assert_eq!(account.order(&id)["status"], "CREATED");
    account.pass(SignedDuration::from_secs(1));
    assert_eq!(account.order(&id)["status"], "VOIDED");
    let path = format!("{ORDERS}/{id}/authorize");
    account.post(&path, "late", &vault("vault-ok")).refused(422, "ORDER_EXPIRED");
    assert_eq!(account.transaction().status, "VOIDED");
}
