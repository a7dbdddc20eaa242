//! Clients and their tokens.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::client::{CONSENTS, Client, Got, HOST, OURS, PAYMENTS, STRANGERS, consent, payment};

const CLIENT_GRANT: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("scope", "payments")];

fn put_keys(client: &mut Client, id: &str, keys: &Value) -> Got {
    let body = json!({ "keys": keys }).to_string();
    let request = Request::put(format!("{HOST}/clients/{id}/jwks")).body(Bytes::from(body)).unwrap();
    client.call(&request)
}

#[test]
fn a_token_is_good_for_five_minutes() {
    let mut client = Client::new();
    let assertion = client.assertion();
    let got = client.ask_token(&assertion, &CLIENT_GRANT);
    assert_eq!(got.headers["cache-control"], "no-store");
    let token = got.ok();
    assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("Bearer"), &json!(300)));
    let token = token["access_token"].as_str().unwrap();
    client.post_as(token, CONSENTS, "k", &consent("debtor-ok")).made();
    client.pass(299);
    client.post_as(token, CONSENTS, "k", &consent("debtor-ok")).made();
    client.pass(1);
    client.post_as(token, CONSENTS, "k", &consent("debtor-ok")).refused(401, "U006");
}

#[test]
fn without_a_token_nothing_is_said() {
    let mut client = Client::new();
    let id = client.consent("debtor-ok");
    for authorization in ["", "Basic YTpi", "Bearer ", "Bearer nobodys"] {
        let mut request = client.request("x", PAYMENTS, "k", &payment(&id, &consent("debtor-ok")));
        request.headers_mut().insert("authorization", authorization.parse().unwrap());
        let got = client.call(&request);
        assert_eq!(got.refused(401, "U006"), "Authorization", "{authorization}");
        assert_eq!(got.json["Code"], "401 Unauthorized");
        assert!(got.headers.contains_key("www-authenticate"));
    }
    assert_eq!(client.simulator.transactions()[0].captured, 0);
}

#[test]
fn the_first_key_of_a_client_is_its_key() {
    let mut client = Client::new();
    let claims = client.claims();
    let bare = OURS.token(&json!({"alg": "PS256", "kid": "k1"}), &claims);
    client.ask_token(&bare, &CLIENT_GRANT).denied(401, "invalid_client");
    let bad = STRANGERS.token(&json!({"alg": "PS256", "kid": "k1", "jwk": OURS.jwk()}), &claims);
    client.ask_token(&bad, &CLIENT_GRANT).denied(401, "invalid_client");
    let first = client.assertion();
    client.ask_token(&first, &CLIENT_GRANT).ok();
    let claims = client.claims();
    let later = OURS.token(&json!({"alg": "PS256", "kid": "k1"}), &claims);
    client.ask_token(&later, &CLIENT_GRANT).ok();
    for header in [json!({"alg": "PS256", "kid": "k1", "jwk": STRANGERS.jwk()}), json!({"alg": "PS256", "kid": "k1"})] {
        let claims = client.claims();
        client.ask_token(&STRANGERS.token(&header, &claims), &CLIENT_GRANT).denied(401, "invalid_client");
    }
}

#[test]
fn keys_can_be_registered_and_changed() {
    let mut client = Client::new();
    let header = json!({"alg": "PS256", "kid": "k1"});
    let claims = client.claims();
    let registered = put_keys(&mut client, "tollgate-test", &json!([OURS.jwk()])).ok();
    assert_eq!(registered["keys"][0]["kid"], "k1");
    client.ask_token(&OURS.token(&header, &claims), &CLIENT_GRANT).ok();
    put_keys(&mut client, "tollgate-test", &json!([STRANGERS.jwk()])).ok();
    assert_eq!(client.page("/clients/tollgate-test/jwks").ok()["keys"], json!([STRANGERS.jwk()]));
    let claims = client.claims();
    client.ask_token(&OURS.token(&header, &claims), &CLIENT_GRANT).denied(401, "invalid_client");
    client.ask_token(&STRANGERS.token(&header, &claims), &CLIENT_GRANT).ok();
    put_keys(&mut client, "x", &json!([])).denied(400, "invalid_client_metadata");
    put_keys(&mut client, "x", &json!([{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]))
        .denied(400, "invalid_client_metadata");
    client.page("/clients/x/jwks").denied(404, "invalid_client");
}

#[test]
fn an_assertion_is_for_this_bank_for_a_short_time_and_once() {
    let mut client = Client::new();
    let now = client.now.as_second();
    client.client_token();
    let cases = [
        ("iss", json!("somebody-else")),
        ("sub", Value::Null),
        ("aud", json!("https://another.test/token")),
        ("aud", Value::Null),
        ("exp", json!(now)),
        ("exp", json!(now + 3 * 3600)),
        ("exp", Value::Null),
        ("iat", json!(now + 61)),
        ("nbf", json!(now + 61)),
        ("jti", Value::Null),
    ];
    let header = json!({"alg": "PS256", "kid": "k1"});
    for (claim, value) in cases {
        let mut claims = client.claims();
        claims[claim] = value;
        client.ask_token(&OURS.token(&header, &claims), &CLIENT_GRANT).denied(401, "invalid_client");
    }
    let claims = client.claims();
    client
        .ask_token(&OURS.token(&json!({"alg": "RS256", "kid": "k1"}), &claims), &CLIENT_GRANT)
        .denied(401, "invalid_client");
    for audience in [json!(HOST), json!([format!("{HOST}/"), "https://another.test"])] {
        let mut claims = client.claims();
        claims["aud"] = audience;
        let assertion = OURS.token(&header, &claims);
        client.ask_token(&assertion, &CLIENT_GRANT).ok();
        client.ask_token(&assertion, &CLIENT_GRANT).denied(401, "invalid_client");
    }
}

#[test]
fn a_token_call_that_is_malformed_says_how() {
    let mut client = Client::new();
    for (form, status, error) in [
        (&[("scope", "payments")][..], 400, "invalid_request"),
        (&[("grant_type", "password"), ("scope", "payments")], 400, "unsupported_grant_type"),
        (&[("grant_type", "client_credentials"), ("scope", "accounts")], 400, "invalid_scope"),
        (&[("grant_type", "client_credentials")], 400, "invalid_scope"),
        (&[("grant_type", "authorization_code")], 400, "invalid_request"),
        (&[("grant_type", "authorization_code"), ("code", "nobodys")], 400, "invalid_grant"),
        (&[("grant_type", "client_credentials"), ("grant_type", "client_credentials")], 400, "invalid_request"),
        (&[("client_id", "somebody-else")], 401, "invalid_client"),
    ] {
        let assertion = client.assertion();
        client.ask_token(&assertion, form).denied(status, error);
    }
    client.page("/oauth2/token").denied(405, "invalid_request");
    let configuration = client.page("/.well-known/openid-configuration").ok();
    assert_eq!(configuration["token_endpoint"], format!("{HOST}/oauth2/token"));
}
