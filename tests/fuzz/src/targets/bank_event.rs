//! `POST /webhooks/providers/bank`. Input: the whole body, with `{token}` for a signed token; a line with the token's head; a line with
//! its claims; and what the bank answers when it is asked.
//!
//! Holds: what is taken is a token that the bank's key has signed by PS256 for us, within days; a token of which one bit was
//! changed is not.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use tollgate_gateway::ports::{EventReader, provider::EventRejected};
use tollgate_providers::{BankAccount, BankConfig, BankEvents, Secret};

use crate::{
    fakes::{Clock, NOW, Network, at_once, now},
    keys::{THEIRS, signed, unsigned},
    template::{damaged, lines},
};

const AUDIENCE: &str = "tollgate";
const DAYS: u64 = 4 * 24 * 3600;

static NETWORK: LazyLock<Arc<Network>> = LazyLock::new(|| {
    let keys = json!({"keys": [THEIRS.jwk("bank-1")]}).to_string();
    let token = json!({"access_token": "t", "token_type": "Bearer", "expires_in": 3600}).to_string();
    Arc::new(Network::answering(vec![("/jwks", keys), ("/token", token)]))
});

static EVENTS: LazyLock<BankEvents> = LazyLock::new(|| {
    let account = || BankAccount {
        scheme: "UK.OBIE.IBAN".to_owned(),
        identification: "GB33BUKB20201555555555".to_owned(),
        name: "Tollgate".to_owned(),
    };
    let config = BankConfig {
        api_url: "https://bank.example".to_owned(),
        issuer: "https://bank.example".to_owned(),
        client_id: "tollgate".to_owned(),
        signing_key: Secret::new(THEIRS.pem()),
        signing_key_id: "ours".to_owned(),
        creditor: account(),
        refunds_from: account(),
        currencies: Vec::new(),
    };
    BankEvents::new(&config, AUDIENCE, NETWORK.clone(), Arc::new(Clock)).expect("it is configured")
});

fn is_not_taken<T>(result: &Result<T, EventRejected>) -> bool {
    matches!(result, Err(EventRejected::Signature(_) | EventRejected::Unverifiable(_)))
}

pub(crate) fn run(input: &[u8]) {
    let ([template, head, claims], answer) = lines::<3>(input);
    let mut token = String::new();
    if template.contains("{token}") {
        let message = unsigned(head, claims);
        token = signed(&message, &THEIRS.ps256(message.as_bytes()));
    }
    let body = template.replace("{token}", &token);
    NETWORK.others(answer);
    let read = |body: &[u8]| at_once(EVENTS.read(&HeaderMap::new(), &Bytes::copy_from_slice(body), now()));
    let result = read(body.as_bytes());
    if is_not_taken(&result) {
        return;
    }
    assert!(!token.is_empty() && body.trim() == token, "taken, and not signed: {body}");
    let head: Value = serde_json::from_str(head).expect("what is no JSON is not taken");
    assert!(head["alg"] == "PS256" && head["kid"] == "bank-1", "taken by another key or scheme: {head}");
    if result.is_ok() {
        let claims: Value = serde_json::from_str(claims).expect("what is no JSON is not taken");
        let made = claims["iat"].as_i64().expect("without a time it is not taken");
        assert!(made.abs_diff(NOW) <= DAYS, "taken, and old: {made}");
        let audience =
            claims["aud"].as_array().map_or(claims["aud"] == AUDIENCE, |all| all.iter().any(|one| one == AUDIENCE));
        assert!(audience, "taken, and for somebody else: {claims}");
    }
    for other in damaged(token.as_bytes()) {
        let other = read(&other);
        assert!(is_not_taken(&other), "a damaged token was taken: {other:?}");
    }
}
