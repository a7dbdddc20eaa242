//! Signatures, both ways: what clients sign is checked, and what the bank signs can be.

use bytes::Bytes;
use http::{HeaderValue, Request};
use serde_json::{Value, json};

use super::client::{CONSENTS, Client, Got, OURS, STRANGERS, consent, verified};

const ISSUED_AT: &str = "http://openbanking.org.uk/iat";
const ISSUER: &str = "http://openbanking.org.uk/iss";
const ANCHOR: &str = "http://openbanking.org.uk/tan";

fn signed_request(client: &mut Client, signature: &str) -> Request<Bytes> {
    let (token, key) = (client.client_token(), client.new_key());
    let mut request = client.request(&token, CONSENTS, &key, &consent("debtor-ok"));
    request.headers_mut().insert("x-jws-signature", HeaderValue::from_str(signature).unwrap());
    request
}

fn post(client: &mut Client, signature: &str) -> Got {
    let request = signed_request(client, signature);
    client.call(&request)
}

#[test]
fn a_body_without_a_good_signature_is_refused() {
    let mut client = Client::new();
    let body = consent("debtor-ok").to_string();
    let jose = client.jose();
    let good = OURS.detached(&jose, &body);
    let mut request = signed_request(&mut client, &good);
    request.headers_mut().remove("x-jws-signature");
    assert_eq!(client.call(&request).refused(400, "U019"), "x-jws-signature");
    let attached = OURS.token(&jose, &consent("debtor-ok"));
    for malformed in ["", "a.b", "a..b", &attached, &good.replace('.', ",")] {
        assert_eq!(post(&mut client, malformed).refused(400, "U018"), "x-jws-signature", "{malformed}");
    }
    for forged in [OURS.detached(&jose, &body.replace("10.00", "99.00")), STRANGERS.detached(&jose, &body)] {
        assert_eq!(post(&mut client, &forged).refused(400, "U015"), "x-jws-signature");
    }
    assert!(client.simulator.transactions().is_empty());
    assert_eq!(post(&mut client, &good).status, 201);
}

#[test]
fn every_claim_of_a_signatures_header_counts() {
    let mut client = Client::new();
    let body = consent("debtor-ok").to_string();
    client.client_token();
    let late = json!(client.now.as_second() + 61);
    let cases: [(&str, Value, &str); 18] = [
        ("alg", Value::Null, "U017"),
        ("kid", Value::Null, "U017"),
        ("crit", Value::Null, "U017"),
        (ISSUED_AT, Value::Null, "U017"),
        (ISSUER, Value::Null, "U017"),
        (ANCHOR, Value::Null, "U017"),
        ("alg", json!("none"), "U016"),
        ("alg", json!("RS256"), "U016"),
        ("kid", json!("k2"), "U016"),
        ("crit", json!([ISSUED_AT, ISSUER]), "U016"),
        ("crit", json!([ISSUED_AT, ISSUER, ANCHOR, "b64"]), "U016"),
        ("b64", json!(false), "U016"),
        ("typ", json!("JWT"), "U016"),
        ("cty", json!("text/plain"), "U016"),
        (ISSUED_AT, late, "U016"),
        (ISSUED_AT, json!("now"), "U016"),
        (ISSUER, json!("somebody-else"), "U016"),
        (ANCHOR, json!(""), "U016"),
    ];
    for (claim, value, code) in cases {
        let mut jose = client.jose();
        match value {
            Value::Null => _ = jose.as_object_mut().unwrap().remove(claim),
            value => jose[claim] = value,
        }
        assert_eq!(post(&mut client, &OURS.detached(&jose, &body)).refused(400, code), claim, "{jose}");
    }
    for (claim, value) in [("typ", Value::Null), ("cty", Value::Null), ("cty", json!("json"))] {
        let mut jose = client.jose();
        jose[claim] = value;
        jose.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        assert_eq!(post(&mut client, &OURS.detached(&jose, &body)).status, 201, "{jose}");
    }
}

#[test]
fn answers_are_signed_and_carry_the_interaction() {
    let mut client = Client::new();
    let keys = client.jwks();
    let key = &keys["keys"][0];
    assert_eq!((&key["kty"], &key["alg"], &key["use"]), (&json!("RSA"), &json!("PS256"), &json!("sig")));
    let made = client.post(CONSENTS, &consent("debtor-ok"));
    let refused = client.post(CONSENTS, &json!({}));
    let unknown = client.get(&format!("{CONSENTS}/dpc-0"));
    for got in [&made, &refused, &unknown] {
        let signature = got.headers["x-jws-signature"].to_str().unwrap();
        let (header, payload) = verified(&keys, signature, Some(&got.text));
        assert_eq!(payload, got.json);
        assert_eq!(header[ISSUED_AT], client.now.as_second());
        assert_eq!(
            (&header[ISSUER], &header[ANCHOR]),
            (&json!("tollgate-simulated-bank"), &json!("openbanking.org.uk"))
        );
        assert_eq!(got.headers["content-type"], "application/json; charset=utf-8");
    }
    assert_eq!(made.headers["x-fapi-interaction-id"], "93bac548-d2de-4546-b106-880a5018460d");
    assert_eq!(refused.json["Id"], "93bac548-d2de-4546-b106-880a5018460d");
    let own = unknown.headers["x-fapi-interaction-id"].to_str().unwrap();
    assert!(own.len() == 36 && own.split('-').count() == 5, "{own}");
}

#[test]
fn bodies_and_answers_are_json() {
    let mut client = Client::new();
    let token = client.client_token();
    for (name, value, status) in [("content-type", "text/plain", 415), ("accept", "text/html", 406)] {
        let mut request = client.request(&token, CONSENTS, "k", &consent("debtor-ok"));
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        client.call(&request).refused(status, "U006");
    }
}
