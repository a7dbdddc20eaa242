//! Creating, confirming, capturing and cancelling payment intents.

use crate::account::{Account, payment, read, request};
use http::Method;

#[test]
fn a_manual_payment_is_held_then_taken() {
    let mut account = Account::new();
    let held = account.pay("pm_card_visa", "manual").ok();
    assert_eq!(held.json["status"], "requires_capture");
    assert_eq!(held.json["amount_capturable"], 1000);
    assert_eq!(held.json["amount_received"], 0);

    let taken = account.post(&format!("/v1/payment_intents/{}/capture", held.id()), &[]).ok();
    assert_eq!(taken.json["status"], "succeeded");
    assert_eq!(taken.json["amount_received"], 1000);
    assert_eq!(taken.json["amount_capturable"], 0);
}

#[test]
fn a_held_charge_says_until_when_it_can_be_captured() {
    let mut account = Account::new();
    let id = account.authorized();
    let shown = account.get(&format!("/v1/payment_intents/{id}"), &[("expand[]", "latest_charge")]).ok();
    let charge = &shown.json["latest_charge"];
    let week = 7 * 24 * 3600;
    let capture_before = charge["payment_method_details"]["card"]["capture_before"].as_i64();
    assert_eq!(capture_before, charge["created"].as_i64().map(|created| created + week));
    assert_eq!(charge["captured"], false);
}

#[test]
fn a_partial_capture_releases_the_rest() {
    let mut account = Account::new();
    let id = account.authorized();
    let taken = account.post(
        &format!("/v1/payment_intents/{id}/capture"),
        &[("amount_to_capture", "400"), ("expand[]", "latest_charge")],
    );
    let taken = taken.ok().json;
    assert_eq!(taken["amount_received"], 400);
    assert_eq!(taken["latest_charge"]["amount_captured"], 400);
    assert_eq!(taken["latest_charge"]["amount_refunded"], 600);
    assert_eq!(account.simulator.transactions()[0].captured, 400);
    assert_eq!(account.simulator.transactions()[0].refunded, 0);

    let again = account.post(&format!("/v1/payment_intents/{id}/capture"), &[]);
    let error = again.refused(400, "payment_intent_unexpected_state");
    assert_eq!(error["payment_intent"]["status"], "succeeded");
}

#[test]
fn more_than_was_held_is_not_captured() {
    let mut account = Account::new();
    let id = account.authorized();
    let answer = account.post(&format!("/v1/payment_intents/{id}/capture"), &[("amount_to_capture", "1001")]);
    answer.refused(400, "amount_too_large");
}

#[test]
fn a_cancelled_payment_stays_cancelled_and_a_taken_one_cannot_be_cancelled() {
    let mut account = Account::new();
    let held = account.authorized();
    let cancelled = account
        .post(&format!("/v1/payment_intents/{held}/cancel"), &[("cancellation_reason", "requested_by_customer")]);
    let cancelled = cancelled.ok().json;
    assert_eq!(cancelled["status"], "canceled");
    assert_eq!(cancelled["cancellation_reason"], "requested_by_customer");

    for (id, status) in [(held, "canceled"), (account.paid(), "succeeded")] {
        let refused = account.post(&format!("/v1/payment_intents/{id}/cancel"), &[]);
        let error = refused.refused(400, "payment_intent_unexpected_state");
        assert_eq!(error["payment_intent"]["status"], status);
    }
}

#[test]
fn a_declined_card_says_why_and_leaves_the_intent_open() {
    let mut account = Account::new();
    for (card, code, decline_code) in [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ] {
        let error = account.pay(card, "manual").refused(402, code);
        assert_eq!(error["type"], "card_error");
        assert_eq!(error["decline_code"], decline_code);
        let intent = &error["payment_intent"];
        assert_eq!(intent["status"], "requires_payment_method");
        assert_eq!(intent["last_payment_error"]["decline_code"], decline_code);
        assert_eq!(intent["latest_charge"], error["charge"]);
    }
    assert_eq!(account.simulator.transactions()[0].status, "requires_payment_method");
}

#[test]
fn a_declined_intent_can_be_confirmed_with_another_card() {
    let mut account = Account::new();
    let error = account.pay("pm_card_visa_chargeDeclined", "automatic").refused(402, "card_declined");
    let id = error["payment_intent"]["id"].as_str().unwrap();
    let paid = account.post(&format!("/v1/payment_intents/{id}/confirm"), &[("payment_method", "pm_card_mastercard")]);
    let paid = paid.ok().json;
    assert_eq!(paid["status"], "succeeded");
    assert_eq!(paid["last_payment_error"], serde_json::Value::Null);
}

#[test]
fn an_unconfirmed_intent_waits() {
    let mut account = Account::new();
    let made = account.post("/v1/payment_intents", &[("amount", "500"), ("currency", "usd")]).ok();
    assert_eq!(made.json["status"], "requires_payment_method");
    let refused = account.post(&format!("/v1/payment_intents/{}/confirm", made.id()), &[]);
    refused.refused(400, "payment_intent_unexpected_state");
}

#[test]
fn wrong_parameters_are_refused_and_nothing_is_made() {
    let mut account = Account::new();
    let mut refuse = |change: (&'static str, &'static str), code: &str| {
        let mut params = payment("pm_card_visa", "manual").to_vec();
        params.retain(|(name, _)| *name != change.0);
        params.push(change);
        let error = account.post("/v1/payment_intents", &params).refused(400, code);
        assert_eq!(error["param"], change.0, "{error}");
        assert!(account.simulator.transactions().is_empty());
    };
    refuse(("amount", "ten"), "parameter_invalid_integer");
    refuse(("amount", "0"), "parameter_invalid_integer");
    refuse(("amount", ""), "parameter_missing");
    refuse(("amount", "100000000"), "amount_too_large");
    refuse(("payment_method", "pm_card_unheard_of"), "resource_missing");
    refuse(("colour", "blue"), "parameter_unknown");
}

#[test]
fn currencies_have_their_own_steps() {
    let mut account = Account::new();
    for (currency, amount, taken) in
        [("kwd", "1005", false), ("kwd", "1010", true), ("isk", "150", false), ("isk", "200", true), ("jpy", "1", true)]
    {
        let params = [("amount", amount), ("currency", currency)];
        assert_eq!(account.post("/v1/payment_intents", &params).status == 200, taken, "{amount} {currency}");
    }
    assert_eq!(account.post("/v1/payment_intents", &[("amount", "1"), ("currency", "zzz")]).status, 400);
}

#[test]
fn without_a_test_key_nothing_is_answered() {
    let mut account = Account::new();
    for authorization in ["", "Bearer ", "Bearer sk_live_abc"] {
        let mut call = request(Method::GET, "/v1/balance", None, &[]);
        call.headers_mut().insert("authorization", authorization.parse().unwrap());
        let got = read(account.call(&call));
        assert_eq!((got.status, got.json["error"]["type"].as_str()), (401, Some("invalid_request_error")));
    }
}

#[test]
fn unknown_routes_and_objects_are_told_in_stripes_shape() {
    let mut account = Account::new();
    let route = account.get("/v1/unicorns", &[]);
    assert_eq!((route.status, route.json["error"]["type"].as_str()), (404, Some("invalid_request_error")));
    for path in ["/v1/payment_intents/pi_0", "/v1/charges/ch_0", "/v1/refunds/re_0", "/v1/events/evt_0"] {
        account.get(path, &[]).refused(404, "resource_missing");
    }
}

#[test]
fn answers_carry_stripes_headers() {
    let mut account = Account::new();
    let mut call = request(Method::POST, "/v1/payment_intents", Some("key-1"), &payment("pm_card_visa", "manual"));
    call.headers_mut().insert("stripe-version", "2023-08-16".parse().unwrap());
    let got = read(account.call(&call)).ok();
    assert!(got.headers["request-id"].to_str().unwrap().starts_with("req_"));
    assert_eq!(got.headers["stripe-version"], "2023-08-16");
    assert_eq!(got.headers["idempotency-key"], "key-1");
}

#[test]
fn the_books_say_what_the_contract_wants() {
    let mut account = Account::new();
    let id = account.paid();
    account.post("/v1/payment_intents", &[("amount", "5"), ("currency", "usd")]).ok();
    let books = serde_json::to_value(account.simulator.transactions()).unwrap();
    assert_eq!(
        books[0],
        serde_json::json!({
            "provider_transaction_id": id, "provider_request_id": "req-1", "payment_id": "pay_1", "amount": 1000,
            "currency": "JPY", "captured": 1000, "refunded": 0, "status": "succeeded",
        })
    );
    assert_eq!(books[1]["payment_id"], serde_json::Value::Null);
    let balance = account.get("/v1/balance", &[]).ok();
    assert_eq!(balance.json["available"][0]["amount"], 1000);
}
