//! The payer's turn: the page, the way back, the code, and the token for one consent.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::client::{CLIENT, CONSENTS, Client, Got, HOST, OURS, PAYMENTS, STRANGERS, consent, payment, status};

const BACK: &str = "https://shop.test/return?order=1";

fn address(consent: &str) -> String {
    let query = [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", BACK),
        ("state", "a&b"),
        ("consent_id", consent),
    ];
    format!("/authorize?{}", serde_urlencoded::to_string(query).unwrap())
}

fn decide(client: &mut Client, address: &str, decision: &str) -> Got {
    let request = Request::post(format!("{HOST}{address}")).body(Bytes::from(format!("decision={decision}"))).unwrap();
    client.call(&request)
}

/// The parameters that the payer brings back.
fn brought(got: &Got) -> Vec<(String, String)> {
    assert_eq!(got.status, 303, "{}", got.text);
    let location = got.headers["location"].to_str().unwrap();
    assert!(location.starts_with(BACK), "{location}");
    serde_urlencoded::from_str(location.split_once('?').unwrap().1).unwrap()
}

fn code_of(got: &Got) -> String {
    let pairs = brought(got);
    assert_eq!(pairs[2], ("state".to_owned(), "a&b".to_owned()));
    assert_eq!(pairs[1].0, "code");
    pairs[1].1.clone()
}

fn change(client: &mut Client, code: &str, redirect_uri: &str) -> Got {
    let assertion = client.assertion();
    let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)];
    client.ask_token(&assertion, &form)
}

/// A consent that its payer approved, and the token for it.
fn approved(client: &mut Client) -> (String, String) {
    let id = client.consent("debtor-needs-consent");
    let code = code_of(&decide(client, &address(&id), "approve"));
    let token = change(client, &code, BACK).ok();
    (id, token["access_token"].as_str().unwrap().to_owned())
}

#[test]
fn a_payer_approves_and_the_payment_goes_through() {
    let mut client = Client::new();
    let id = client.consent("debtor-needs-consent");
    client.submit("debtor-needs-consent", &id).refused(403, "U028");
    let page = client.page(&address(&id));
    assert_eq!(page.status, 200);
    assert!(page.text.contains("10.00 GBP") && page.text.contains("value=\"approve\""), "{}", page.text);
    let code = code_of(&decide(&mut client, &address(&id), "approve"));
    assert_eq!(client.consent_status(&id), "AUTH");
    client.submit("debtor-needs-consent", &id).refused(403, "U028");
    let token = change(&mut client, &code, BACK).ok();
    assert_eq!(token["expires_in"], 90 * 24 * 3600);
    let token = token["access_token"].as_str().unwrap();
    let funds = client.get_as(token, &format!("{CONSENTS}/{id}/funds-confirmation")).ok();
    assert_eq!(funds["Data"]["FundsAvailableResult"]["FundsAvailable"], true);
    let body = payment(&id, &consent("debtor-needs-consent"));
    assert_eq!(status(&client.post_as(token, PAYMENTS, "k", &body).made()), "ACSC");
    assert!(client.page(&address(&id)).text.contains("made already"));
}

#[test]
fn a_payer_refuses() {
    let mut client = Client::new();
    let id = client.consent("debtor-needs-consent");
    let pairs = brought(&decide(&mut client, &address(&id), "refuse"));
    assert!(pairs.contains(&("error".into(), "access_denied".into())));
    assert!(pairs.contains(&("state".into(), "a&b".into())));
    let shown = client.get(&format!("{CONSENTS}/{id}")).ok();
    assert_eq!(
        (status(&shown).as_str(), &shown["Data"]["StatusReason"][0]["StatusReasonCode"]),
        ("RJCT", &json!("U037"))
    );
    assert!(client.page(&address(&id)).text.contains("You refused"));
    assert_eq!(decide(&mut client, &address(&id), "approve").status, 200, "a refusal is final");
    assert_eq!(client.simulator.transactions()[0].status, "RJCT");
}

#[test]
fn after_an_hour_it_is_too_late_to_approve() {
    let mut client = Client::new().with_endpoint();
    let id = client.consent("debtor-needs-consent");
    let due = client.simulator.next_due().unwrap();
    assert_eq!(due.duration_since(client.now).as_secs(), 3600);
    client.pass(3600);
    assert!(decide(&mut client, &address(&id), "approve").text.contains("too late"));
    let shown = client.get(&format!("{CONSENTS}/{id}")).ok();
    assert_eq!(
        (status(&shown).as_str(), &shown["Data"]["StatusReason"][0]["StatusReasonCode"]),
        ("RJCT", &json!("U036"))
    );
    assert_eq!(client.delivered().len(), 1);
    let mut asked = consent("debtor-needs-consent");
    asked["Data"]["Authorisation"] =
        json!({"AuthorisationType": "Single", "CompletionDateTime": "2026-11-20T13:10:00Z"});
    client.post(CONSENTS, &asked).made();
    assert_eq!(client.simulator.next_due().unwrap().to_string(), "2026-11-20T13:10:00Z", "the caller may say sooner");
}

#[test]
fn a_code_is_for_its_redirect_for_a_minute_and_once() {
    let mut client = Client::new();
    let id = client.consent("debtor-needs-consent");
    let code = code_of(&decide(&mut client, &address(&id), "approve"));
    change(&mut client, &code, "https://shop.test/elsewhere").denied(400, "invalid_grant");
    let token = change(&mut client, &code, BACK).ok();
    let token = token["access_token"].as_str().unwrap();
    change(&mut client, &code, BACK).denied(400, "invalid_grant");
    let body = payment(&id, &consent("debtor-needs-consent"));
    client.post_as(token, PAYMENTS, "k", &body).refused(401, "U006");
    let late = client.consent("debtor-needs-consent");
    let code = code_of(&decide(&mut client, &address(&late), "approve"));
    client.pass(60);
    change(&mut client, &code, BACK).denied(400, "invalid_grant");
    let code = code_of(&decide(&mut client, &address(&late), "approve"));
    change(&mut client, &code, BACK).ok();
}

#[test]
fn a_code_is_its_clients_own() {
    let mut client = Client::new();
    let id = client.consent("debtor-needs-consent");
    let code = code_of(&decide(&mut client, &address(&id), "approve"));
    let mut other = client.into_another("somebody-else");
    change(&mut other, &code, BACK).denied(400, "invalid_grant");
}

#[test]
fn a_payers_token_is_for_one_consent_only() {
    let mut client = Client::new();
    let (id, token) = approved(&mut client);
    let other = client.consent("debtor-needs-consent");
    let body = payment(&other, &consent("debtor-needs-consent"));
    assert_eq!(client.post_as(&token, PAYMENTS, "k", &body).refused(400, "U008"), "Data.ConsentId");
    client.post_as(&token, CONSENTS, "k", &consent("debtor-ok")).refused(403, "U006");
    client.get_as(&token, &format!("{CONSENTS}/{id}")).refused(403, "U006");
    client.pass(89 * 24 * 3600);
    let body = payment(&id, &consent("debtor-needs-consent"));
    client.post_as(&token, PAYMENTS, "k", &body).made();
}

#[test]
fn a_payer_who_comes_again_is_sent_back_again() {
    let mut client = Client::new();
    let id = client.consent("debtor-needs-consent");
    let first = code_of(&decide(&mut client, &address(&id), "approve"));
    assert!(client.page(&address(&id)).text.contains("approved this payment already"));
    assert!(decide(&mut client, &address(&id), "refuse").text.contains("approved this payment already"));
    let second = code_of(&decide(&mut client, &address(&id), "approve"));
    assert_ne!(first, second);
    change(&mut client, &second, BACK).ok();
}

#[test]
fn a_signed_request_counts_alone() {
    let mut client = Client::new();
    let id = client.consent("debtor-needs-consent");
    let claims = json!({
        "iss": CLIENT, "aud": HOST, "client_id": CLIENT, "response_type": "code", "redirect_uri": BACK, "state": "a&b",
        "scope": "openid payments", "nonce": "n", "exp": client.now.as_second() + 60,
        "claims": {"id_token": {"openbanking_intent_id": {"value": id, "essential": true}}},
    });
    let header = json!({"alg": "PS256", "kid": "k1"});
    let link =
        |object: &str| format!("/authorize?client_id={CLIENT}&redirect_uri=https%3A%2F%2Fevil.test&request={object}");
    assert_eq!(client.page(&link(&STRANGERS.token(&header, &claims))).status, 400);
    for (name, value) in [
        ("exp", json!(client.now.as_second())),
        ("aud", json!("https://another.test")),
        ("iss", json!("somebody-else")),
        ("response_type", json!("token")),
    ] {
        let mut wrong = claims.clone();
        wrong[name] = value;
        assert_eq!(client.page(&link(&OURS.token(&header, &wrong))).status, 400, "{name}");
    }
    let good = link(&OURS.token(&header, &claims));
    assert_eq!(client.page(&good).status, 200);
    code_of(&decide(&mut client, &good, "approve"));
}

#[test]
fn a_link_that_is_wrong_sends_nobody_anywhere() {
    let mut client = Client::new();
    let id = client.consent("debtor-needs-consent");
    let good = address(&id);
    for (part, instead) in [
        ("response_type=code", "response_type=token"),
        (CLIENT, "somebody-else"),
        ("https%3A%2F%2Fshop.test", "javascript%3A"),
        (id.as_str(), "dpc-0"),
        ("&state=a%26b", "&state=a&state=b"),
        ("&consent_id=", "&consent="),
    ] {
        assert!(good.contains(part), "{part}");
        let got = client.page(&good.replace(part, instead));
        assert_eq!((got.status, got.headers.get("location")), (400, None), "{instead}");
    }
    assert_eq!(decide(&mut client, &good, "perhaps").status, 400);
    let exempt = client.consent("debtor-ok");
    assert!(client.page(&address(&exempt)).text.contains("needs no approval"));
}

#[test]
fn a_challenge_wants_its_verifier() {
    let mut client = Client::new();
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let id = client.consent("debtor-needs-consent");
    let link = format!("{}&code_challenge={challenge}&code_challenge_method=S256", address(&id));
    let code = code_of(&decide(&mut client, &link, "approve"));
    change(&mut client, &code, BACK).denied(400, "invalid_grant");
    let assertion = client.assertion();
    let form =
        [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", BACK), ("code_verifier", verifier)];
    let token: Value = client.ask_token(&assertion, &form).ok();
    assert!(token["access_token"].is_string());
}
