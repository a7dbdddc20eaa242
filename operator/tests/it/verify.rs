//! `verify`: a payment over HTTP against a sandbox, and everything that must make it fail.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use serde_json::{Value, json};
use tollgate_sandbox::{
    client::Client,
    serve::{ClockMode, Sandbox, ServeOptions},
};

use crate::command::{Environment, Ran};

/// Enough for what never comes.
const SOON: &str = "--timeout-seconds 3";

async fn sandbox() -> Sandbox {
    let options = ServeOptions { port: 0, data: None, providers_url: None, clock: ClockMode::Real, environment: false };
    Sandbox::start(options).await.unwrap()
}

fn verify(sandbox: &Sandbox, words: &str) -> Ran {
    verify_with(sandbox.url(), sandbox.api_key(), words)
}

fn verify_with(url: &str, key: &str, words: &str) -> Ran {
    let ran = Environment::new([("VERIFY_API_KEY", key.to_owned())]).run(&format!("verify --url {url} {words}"));
    assert!(key.is_empty() || !ran.stdout.contains(key) && !ran.stderr.contains(key), "the key is never said: {ran:?}");
    ran
}

/// The step that failed, and why; those before it did not.
#[track_caller]
fn failed(ran: &Ran) -> (String, String) {
    assert_eq!(ran.code, 1, "{ran:?}");
    let said: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(said["verified"], false);
    let (last, before) = said["steps"].as_array().unwrap().split_last().unwrap();
    assert!(last["ok"] == false && before.iter().all(|step| step["ok"] == true), "{said}");
    let text = |field: &str| last[field].as_str().unwrap().to_owned();
    (text("step"), text("detail"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_takes_a_payment_and_delivers_its_webhooks_is_verified() {
    let sandbox = sandbox().await;
    let said = verify(&sandbox, "--json").json();
    assert_eq!(said["verified"], true, "{said}");
    let steps: Vec<&str> = said["steps"].as_array().unwrap().iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(steps, ["create", "replay", "void", "webhook", "events"]);
    let client = Client::connect(sandbox.url(), sandbox.api_key()).unwrap();
    let all = client.transactions("stripe").await.unwrap();
    assert_eq!((all.len(), &all[0]["captured"]), (1, &json!(0)), "one charge, released: {all:?}");
    let words = verify(&sandbox, "--capture --amount 700").answer();
    assert!(
        words.contains("CAPTURED") && words.trim_end().ends_with(&format!("verified: {}", sandbox.url())),
        "{words}"
    );
    let said = verify(&sandbox, "--payment-method bank=debtor-ok --currency GBP --capture --json").json();
    assert_eq!(said["verified"], true, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_fails_at_once() {
    let sandbox = sandbox().await;
    let (step, why) = failed(&verify_with(sandbox.url(), "tgk_wrong", "--json"));
    assert_eq!(step, "create");
    assert!(why.starts_with("answered 401 unauthenticated (correlation id "), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_payment_fails_with_its_code() {
    let sandbox = sandbox().await;
    let (step, why) = failed(&verify(&sandbox, "--json --payment-method stripe=pm_card_visa_chargeDeclined"));
    assert!(step == "create" && why.contains("is FAILED: "), "{step}: {why}");
}

/// As with a provider's live keys, which take no test token.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_expected_to_be_refused_is_as_good_a_sign_and_one_that_is_not_is_none() {
    let sandbox = sandbox().await;
    let declined = "--json --expect failed --payment-method stripe=pm_card_visa_chargeDeclined";
    let said = verify(&sandbox, declined).json();
    assert_eq!(said["verified"], true, "{said}");
    let steps: Vec<&str> = said["steps"].as_array().unwrap().iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(steps, ["create", "replay", "webhook"]);
    let (step, why) = failed(&verify(&sandbox, "--json --expect failed"));
    assert!(step == "create" && why.contains("is AUTHORIZED"), "{step}: {why}");
    let client = Client::connect(sandbox.url(), sandbox.api_key()).unwrap();
    client.inbox_answers(500, None).await.unwrap();
    assert_eq!(failed(&verify(&sandbox, &format!("{declined} {SOON}"))).0, "webhook");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_would_have_to_act_fails() {
    let sandbox = sandbox().await;
    let (step, why) = failed(&verify(&sandbox, "--json --payment-method stripe=pm_card_threeDSecure2Required"));
    assert!(step == "create" && why.ends_with("is PENDING"), "{step}: {why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_not_delivered_in_time_fails_and_says_what_the_endpoint_answered() {
    let sandbox = sandbox().await;
    let client = Client::connect(sandbox.url(), sandbox.api_key()).unwrap();
    client.inbox_answers(500, None).await.unwrap();
    let (step, why) = failed(&verify(&sandbox, &format!("--json {SOON}")));
    assert_eq!(step, "webhook");
    assert!(why.contains("is \"RETRYING\" (last answer 500"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_off_fails_once_the_time_is_up() {
    let sandbox = sandbox().await;
    let client = Client::connect(sandbox.url(), sandbox.api_key()).unwrap();
    client.switch("stripe", "off", "ann", "a test").await.unwrap();
    let (step, why) = failed(&verify(&sandbox, &format!("--json {SOON}")));
    assert!(step == "create" && why.starts_with("answered 503 provider_unavailable"), "{step}: {why}");
}

#[test]
fn a_longer_wait_is_said_with_what_it_is_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = || {
        for head in ["503 Service Unavailable\r\nretry-after: 5", "401 Unauthorized"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).unwrap() > 0);
            let answer = format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    };
    let ran = std::thread::scope(|scope| {
        scope.spawn(serve);
        verify_with(&url, "tgk_any", "--json")
    });
    assert_eq!(ran.stderr, "/v1/payments answered 503; it is asked again in 5 s\n");
    assert_eq!(failed(&ran).1, "answered 401");
}

#[test]
fn a_gateway_that_is_away_fails_once_the_time_is_up() {
    let ran = verify_with("http://127.0.0.1:1", "tgk_any", "--json --timeout-seconds 1");
    assert_eq!(ran.stderr.matches("/v1/payments: no answer (").count(), 1, "what it waits for is said, once: {ran:?}");
    let (step, why) = failed(&ran);
    assert!(step == "create" && why.starts_with("no answer in time: not reached"), "{step}: {why}");
}

#[test]
fn a_wrong_command_line_or_environment_is_refused() {
    for (key, words) in [
        ("tgk_any", "verify --url http://shop.example"),
        ("tgk_any", "verify --url https://ann:secret@shop.example"),
        ("tgk_any", "verify --url https://shop.example --payment-method pm_card_visa"),
        ("tgk_any", "verify"),
        ("", "verify --url https://shop.example"),
    ] {
        let ran = Environment::new([("VERIFY_API_KEY", key.to_owned())]).run(words);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words}: {ran:?}");
    }
}
