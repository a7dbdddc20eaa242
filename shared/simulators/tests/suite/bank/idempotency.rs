//! Idempotency keys: a replay shows the present state, for a day.

use serde_json::json;

use super::client::{CONSENTS, Client, PAYMENTS, consent, id_of, payment, status};

#[test]
fn the_same_key_makes_one_consent() {
    let mut client = Client::new();
    let token = client.client_token();
    let first = client.post_as(&token, CONSENTS, "k", &consent("debtor-ok")).made();
    client.pass(60);
    let again = client.post_as(&token, CONSENTS, "k", &consent("debtor-ok")).made();
    assert_eq!(first, again);
    assert_eq!(client.simulator.transactions().len(), 1);
}

#[test]
fn a_replay_shows_the_present_state() {
    let mut client = Client::new();
    let token = client.client_token();
    let asked = consent("debtor-slow");
    let id = id_of(&client.post_as(&token, CONSENTS, "k", &asked).made(), "ConsentId");
    let paid = client.post_as(&token, PAYMENTS, "k", &payment(&id, &asked)).made();
    assert_eq!(status(&paid), "RCVD");
    assert_eq!(status(&client.post_as(&token, CONSENTS, "k", &asked).made()), "COND");
    client.pass(60);
    let replayed = client.post_as(&token, PAYMENTS, "k", &payment(&id, &asked)).made();
    assert_eq!(status(&replayed), "ACSC");
    assert_eq!(id_of(&replayed, "DomesticPaymentId"), id_of(&paid, "DomesticPaymentId"));
}

#[test]
fn the_same_key_with_another_body_is_refused() {
    let mut client = Client::new();
    let token = client.client_token();
    let asked = consent("debtor-ok");
    let id = id_of(&client.post_as(&token, CONSENTS, "k", &asked).made(), "ConsentId");
    let mut other = asked.clone();
    other["Data"]["Initiation"]["InstructedAmount"]["Amount"] = json!("11.00");
    assert_eq!(client.post_as(&token, CONSENTS, "k", &other).refused(400, "U006"), "x-idempotency-key");
    client.post_as(&token, PAYMENTS, "k", &payment(&id, &asked)).made();
    assert_eq!(client.post_as(&token, PAYMENTS, "k", &payment(&id, &other)).refused(400, "U006"), "x-idempotency-key");
    let second = client.consent("debtor-ok");
    assert_eq!(
        client.post_as(&token, PAYMENTS, "k", &payment(&second, &asked)).refused(400, "U006"),
        "x-idempotency-key"
    );
    assert_eq!(client.consent_status(&second), "AUTH");
}

#[test]
fn after_a_day_the_key_makes_another_consent_but_no_second_payment() {
    let mut client = Client::new();
    let asked = consent("debtor-ok");
    let token = client.client_token();
    let id = id_of(&client.post_as(&token, CONSENTS, "k", &asked).made(), "ConsentId");
    client.post_as(&token, PAYMENTS, "k", &payment(&id, &asked)).made();
    client.pass(24 * 3600 - 1);
    let token = client.client_token();
    assert_eq!(id_of(&client.post_as(&token, CONSENTS, "k", &asked).made(), "ConsentId"), id);
    client.pass(1);
    client.post_as(&token, PAYMENTS, "k", &payment(&id, &asked)).refused(400, "U009");
    assert_ne!(id_of(&client.post_as(&token, CONSENTS, "k", &asked).made(), "ConsentId"), id);
}

#[test]
fn what_was_refused_leaves_the_key_free() {
    let mut client = Client::new();
    let token = client.client_token();
    client.post_as(&token, CONSENTS, "k", &consent("debtor-unheard-of")).refused(400, "U002");
    client.post_as(&token, CONSENTS, "k", &consent("debtor-ok")).made();
}

#[test]
fn a_post_needs_a_key_of_at_most_forty_characters() {
    let mut client = Client::new();
    let token = client.client_token();
    for key in ["", " k", "k ", &"k".repeat(41)] {
        let mut request = client.request(&token, CONSENTS, "k", &consent("debtor-ok"));
        request.headers_mut().insert("x-idempotency-key", key.parse().unwrap());
        assert_eq!(client.call(&request).refused(400, "U006"), "x-idempotency-key", "{key:?}");
        request.headers_mut().remove("x-idempotency-key");
        assert_eq!(client.call(&request).refused(400, "U007"), "x-idempotency-key");
    }
    client.post_as(&token, CONSENTS, &"k".repeat(40), &consent("debtor-ok")).made();
}

#[test]
fn keys_are_each_clients_own() {
    let mut client = Client::new();
    let token = client.client_token();
    client.post_as(&token, CONSENTS, "k", &consent("debtor-ok")).made();
    let mut other = client.into_another("somebody-else");
    let token = other.client_token();
    other.post_as(&token, CONSENTS, "k", &consent("debtor-slow")).made();
    assert_eq!(other.simulator.transactions().len(), 2);
}
