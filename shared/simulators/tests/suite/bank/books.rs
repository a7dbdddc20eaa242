//! The journal: what a bank knows after a kill.

use std::fs;

use super::client::{CONSENTS, Client, OURS, PAYMENTS, consent, id_of, payment, verified};
use serde_json::json;

fn everything(client: &Client) -> Vec<String> {
    client.simulator.snapshot().iter().map(|record| record.get().to_owned()).collect()
}

#[test]
fn everything_is_known_after_a_kill_even_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::open(folder.path()).with_endpoint();
    let keys = client.jwks();
    let token = client.client_token();
    client.pay("debtor-ok");
    let waiting = client.consent("debtor-needs-consent");
    let (_, slow) = client.pay("debtor-slow");
    let asked = consent("debtor-ok");
    let kept = client.post_as(&token, CONSENTS, "k", &asked).made();
    let paid = client.post_as(&token, PAYMENTS, "k", &payment(&id_of(&kept, "ConsentId"), &asked)).made();
    let first = client.simulator.take_webhook(client.now).unwrap();
    let before = everything(&client);
    let books = client.simulator.transactions();
    for _ in 0..2 {
        drop(client);
        client = Client::open(folder.path());
        assert_eq!(everything(&client), before);
        assert_eq!(client.simulator.transactions(), books);
    }
    assert_eq!(client.jwks(), keys, "the bank's key is the same");
    let replayed = client.post_as(&token, PAYMENTS, "k", &payment(&id_of(&kept, "ConsentId"), &asked)).made();
    assert_eq!(replayed, paid, "with a token and a key from before");
    let again = client.simulator.take_webhook(client.now).unwrap();
    assert_eq!(again.event_id, first.event_id);
    verified(&keys, &again.body, None);
    client.pass(60);
    assert_eq!(client.payment_status(&slow), "ACSC");
    client.pass(3600);
    assert_eq!(client.consent_status(&waiting), "RJCT");
}

#[test]
fn a_clients_key_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::open(folder.path());
    let claims = client.claims();
    let assertion = OURS.token(&json!({"alg": "PS256", "kid": "k1", "jwk": OURS.jwk()}), &claims);
    let form = [("grant_type", "client_credentials"), ("scope", "payments")];
    client.ask_token(&assertion, &form).ok();
    let mut client = Client::open(folder.path());
    client.ask_token(&assertion, &form).denied(401, "invalid_client");
    let claims = client.claims();
    let claims = json!({"jti": "after the kill", "iss": claims["iss"], "sub": claims["sub"], "aud": claims["aud"],
        "exp": claims["exp"]});
    client.ask_token(&OURS.token(&json!({"alg": "PS256", "kid": "k1"}), &claims), &form).ok();
}

#[test]
fn a_change_cut_anywhere_is_gone_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.journal");
    let mut client = Client::open(folder.path());
    let id = client.consent("debtor-ok");
    let whole = fs::read(&file).unwrap().len();
    client.submit("debtor-ok", &id).made();
    drop(client);
    let bytes = fs::read(&file).unwrap();
    for cut in (whole + 1..bytes.len()).step_by(197) {
        fs::write(&file, &bytes[..cut]).unwrap();
        let client = Client::open(folder.path());
        let books = client.simulator.transactions();
        assert_eq!((books[0].status.as_str(), books[0].captured), ("AUTH", 0), "cut at {cut}");
    }
}

#[test]
fn no_secret_of_a_client_is_in_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::open(folder.path());
    let token = client.client_token();
    client.pay("debtor-ok");
    let journal = fs::read_to_string(folder.path().join("bank.journal")).unwrap();
    assert!(!journal.contains(&token));
}
