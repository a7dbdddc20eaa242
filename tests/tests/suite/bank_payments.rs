//! Payments through the bank over the gateway's API: from exempt accounts and with the payer's consent, over lost returns, foreign
//! returns and crashes, to settlement and refund. The bank's own books say what happened.

use bytes::Bytes;
use http::{Request, Response, header};
use serde_json::{Value, json};
use tollgate_sandbox::client::Client;
use tollgate_tests::{
    locked_store::LockedStore,
    stage::{Stage, eventually, times},
};

const SHOP: &str = "https://shop.example/thanks";
/// Longer than a lease, shorter than the bank's code lives.
const A_LEASE: u64 = 30;

/// A stage whose bank has made its key: that takes longer than a call may here.
pub(crate) async fn stage() -> Stage {
    let stage = Stage::start().await;
    assert_eq!(stage.http().get(&format!("{}/bank/jwks", stage.providers_url())).await.status(), 200);
    stage
}

fn order(debtor: &str) -> Value {
    json!({"amount": 1000, "currency": "GBP", "return_url": SHOP, "payment_method": {"bank": debtor}})
}

async fn create(client: &Client, key: &str, debtor: &str) -> Value {
    client.create_as(key, &order(debtor)).await.unwrap().body
}

fn id(payment: &Value) -> &str {
    payment["id"].as_str().unwrap()
}

async fn shown(client: &Client, payment: &Value) -> Value {
    client.payment(id(payment)).await.unwrap()
}

fn location(answer: &Response<Bytes>) -> String {
    assert_eq!(answer.status(), 303, "{answer:?}");
    answer.headers()[header::LOCATION].to_str().unwrap().to_owned()
}

/// The payer on the bank's page; answers where he is sent, below the gateway's address.
async fn decides(stage: &Stage, payment: &Value, does: &str) -> String {
    let page = payment["next_action"]["url"].as_str().unwrap();
    assert_eq!(stage.http().get(page).await.status(), 200);
    let request = Request::post(page).header("content-type", "application/x-www-form-urlencoded");
    let answer = stage.http().send(request.body(Bytes::from(format!("decision={does}"))).unwrap()).await;
    let back = location(&answer);
    back[back.find("/return/").unwrap()..].to_owned()
}

async fn comes_back(stage: &Stage, way: &str) {
    let shop = location(&stage.http().get(&format!("{}{way}", stage.url())).await);
    assert!(shop.starts_with(SHOP), "{shop}");
}

async fn becomes(client: &Client, payment: &Value, status: &str) -> Value {
    eventually(status, async || shown(client, payment).await["status"] == status).await;
    shown(client, payment).await
}

/// What was taken and given back, by the bank's books.
async fn books(client: &Client, payment: &Value) -> Vec<(Value, Value)> {
    let mut books = client.transactions("bank").await.unwrap();
    books.retain(|row| row["payment_id"] == id(payment));
    books.into_iter().map(|row| (row["captured"].clone(), row["refunded"].clone())).collect()
}

async fn waiting(client: &Client, key: &str) -> Value {
    let payment = create(client, key, "debtor-needs-consent").await;
    assert_eq!((&payment["status"], &payment["next_action"]["type"]), (&json!("PENDING"), &json!("redirect")));
    payment
}

async fn captured(client: &Client, payment: &Value) {
    let answer = client.capture(id(payment), &format!("take-{}", id(payment)), None).await.unwrap();
    assert_eq!(answer.text("status"), "CAPTURED", "{}", answer.body);
    assert_eq!(books(client, payment).await, [(json!(1000), json!(0))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_from_an_exempt_account_lives_its_whole_life() {
    let stage = stage().await;
    let client = stage.client();
    let payment = create(&client, "whole", "debtor-ok").await;
    assert_eq!((&payment["status"], &payment["provider"]), (&json!("AUTHORIZED"), &json!("bank")), "{payment}");
    assert_eq!(create(&client, "whole", "debtor-ok").await["id"], payment["id"]);
    let part = client.capture(id(&payment), "part", Some(700)).await.unwrap();
    assert_eq!((part.status, part.text("code")), (422, "partial_capture_not_supported"));
    captured(&client, &payment).await;
    client.advance(24 * 3600).await.unwrap();
    assert_eq!(shown(&client, &payment).await["status"], "SETTLED");
    for (amount, key) in [(300, "back"), (700, "rest")] {
        let refund = client.refund(id(&payment), key, Some(amount)).await.unwrap();
        assert_eq!(refund.text("status"), "COMPLETED", "{}", refund.body);
    }
    assert_eq!(shown(&client, &payment).await["status"], "REFUNDED");
    for job in ["provider-truth", "invariants"] {
        let report = client.run_job(job).await.unwrap();
        assert_eq!(report["could_not"], json!({}), "{job}: {report}");
    }
    assert_eq!(books(&client, &payment).await, [(json!(1000), json!(1000))]);
}

/// Nobody but the payer's browser has what the bank gave him, and it is good for a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_comes_back_while_the_store_is_away_sees_a_page_that_comes_again() {
    let stage = Stage::with(&[("STORE_TIMEOUT_MS", "400")]).await;
    eventually("the bank has its key", async || {
        stage.http().get(&format!("{}/bank/jwks", stage.providers_url())).await.status() == 200
    })
    .await;
    let client = stage.client();
    let payment = waiting(&client, "away").await;
    let way = format!("{}{}", stage.url(), decides(&stage, &payment, "approve").await);
    let browser = || Request::get(&way).header(header::ACCEPT, "text/html,*/*").body(Bytes::new()).unwrap();

    let locked = LockedStore::of(&stage.data());
    let answer = stage.http().send(browser()).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key(header::RETRY_AFTER));
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(String::from_utf8_lossy(answer.body()).contains("http-equiv=\"refresh\""));
    let program = stage.http().get(&way).await;
    assert_eq!(program.headers()[header::CONTENT_TYPE], "application/problem+json");

    drop(locked);
    eventually("the page comes again", async || stage.http().send(browser()).await.status() == 303).await;
    // What was given up may have been written after all: whoever began it counts as at it until its lease is over.
    client.advance(A_LEASE).await.unwrap();
    comes_back(&stage, way.strip_prefix(stage.url()).unwrap()).await;
    becomes(&client, &payment, "AUTHORIZED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_without_money_is_a_result_and_what_is_voided_or_captured_at_once_is_so_once() {
    let stage = stage().await;
    let client = stage.client();
    let declined = create(&client, "poor", "debtor-no-funds").await;
    assert_eq!((&declined["status"], &declined["failure"]["code"]), (&json!("FAILED"), &json!("insufficient_funds")));
    let held = create(&client, "held", "debtor-ok").await;
    assert_eq!(client.void(id(&held), "void").await.unwrap().text("status"), "VOIDED");
    assert_eq!(books(&client, &held).await, [(json!(0), json!(0))]);
    let mut at_once = order("debtor-ok");
    at_once["capture_method"] = json!("automatic");
    let mut automatic = client.create_as("at once", &at_once).await.unwrap().body;
    // Taken at once, or, on a busy machine, still being taken: then the same key takes that up.
    let is_being_taken = automatic["pending_operation"]["type"] == "capture";
    assert!(automatic["status"] == "CAPTURED" || is_being_taken, "{automatic}");
    eventually("it is captured", async || {
        automatic = client.create_as("at once", &at_once).await.unwrap().body;
        automatic["status"] == "CAPTURED"
    })
    .await;
    assert_eq!(books(&client, &automatic).await, [(json!(1000), json!(0))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_approves_and_comes_back_pays_once_however_often_he_comes() {
    let stage = stage().await;
    let client = stage.client();
    for events in [true, false] {
        if !events {
            client.fault("bank", &json!({"kind": "drop_webhooks"})).await.unwrap();
        }
        let payment = waiting(&client, &format!("approve {events}")).await;
        let way = decides(&stage, &payment, "approve").await;
        assert!(way.contains("code=") && way.contains("state="), "{way}");
        comes_back(&stage, &way).await;
        comes_back(&stage, &way).await;
        let held = becomes(&client, &payment, "AUTHORIZED").await;
        comes_back(&stage, &way).await;
        comes_back(&stage, way.split_once('?').unwrap().0).await;
        let timeline = client.timeline(id(&payment)).await.unwrap();
        assert_eq!((times(&timeline, "payer_approved"), times(&timeline, "authorized")), (1, 1), "{timeline:#?}");
        let code = way.split("code=").nth(1).unwrap().split('&').next().unwrap();
        assert!(!format!("{held}{timeline:?}").contains(code), "what he brought is shown to nobody");
        assert!(!kept_by(&stage).windows(code.len()).any(|bytes| bytes == code.as_bytes()), "nor kept in the clear");
        let row = kept_with(&stage, &payment).unwrap();
        assert!(row.starts_with("token:"), "{row}");
        captured(&client, &payment).await;
        let row = kept_with(&stage, &payment).unwrap();
        assert!(row.starts_with("dp-"), "what is of no more use is erased: {row}");
    }
}

/// What the adapter keeps with a payment.
fn kept_with(stage: &Stage, payment: &Value) -> Option<String> {
    let store = rusqlite::Connection::open(stage.data().join("tollgate.sqlite")).unwrap();
    store.query_row("SELECT provider_state FROM payments WHERE id = ?1", [id(payment)], |row| row.get(0)).unwrap()
}

/// Every byte of the sandbox's own store.
fn kept_by(stage: &Stage) -> Vec<u8> {
    let files = std::fs::read_dir(stage.data()).unwrap().map(|entry| entry.unwrap().path());
    let store = files.filter(|file| file.is_file() && file.to_string_lossy().contains("tollgate.sqlite"));
    let bytes: Vec<u8> = store.flat_map(|file| std::fs::read(file).unwrap()).collect();
    assert!(bytes.len() > 10_000);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_that_answers_another_question_or_says_no_brings_nothing() {
    let stage = stage().await;
    let client = stage.client();
    let (payment, other) = (waiting(&client, "one").await, waiting(&client, "other").await);
    let way = decides(&stage, &payment, "approve").await;
    let others = decides(&stage, &other, "approve").await;
    let path = way.split_once('?').unwrap().0;
    // Somebody else's approval, on the way back of this payment.
    comes_back(&stage, &format!("{path}?{}", others.split_once('?').unwrap().1)).await;
    comes_back(&stage, &format!("{path}?{}&x={}", way.split_once('?').unwrap().1, "x".repeat(5000))).await;
    comes_back(&stage, path).await;
    let still = shown(&client, &payment).await;
    assert_eq!((&still["status"], &still["next_action"]), (&json!("PENDING"), &payment["next_action"]), "{still}");
    comes_back(&stage, &way).await;
    becomes(&client, &payment, "AUTHORIZED").await;
    captured(&client, &payment).await;

    let refused = waiting(&client, "no").await;
    let way = decides(&stage, &refused, "refuse").await;
    assert!(way.contains("error=access_denied"), "{way}");
    comes_back(&stage, &way).await;
    let refused = becomes(&client, &refused, "FAILED").await;
    assert_eq!(refused["failure"]["code"], "approval_refused", "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_approves_and_never_comes_back_ends_the_payment_and_his_return_is_too_late() {
    let stage = stage().await;
    let client = stage.client();
    let (gone, away) = (waiting(&client, "gone").await, waiting(&client, "away").await);
    let way = decides(&stage, &gone, "approve").await;
    stage.quiet().await;
    client.advance(20 * 60).await.unwrap();
    let still = shown(&client, &gone).await;
    assert_eq!((&still["status"], &still["next_action"]), (&json!("PENDING"), &gone["next_action"]), "{still}");
    client.advance(11 * 60).await.unwrap();
    for payment in [&gone, &away] {
        let ended = shown(&client, payment).await;
        assert_eq!((&ended["status"], &ended["failure"]["code"]), (&json!("FAILED"), &json!("approval_expired")));
    }
    comes_back(&stage, &way).await;
    let late = decides(&stage, &away, "approve").await;
    comes_back(&stage, &late).await;
    client.advance(2 * 3600).await.unwrap();
    for payment in [&gone, &away] {
        assert_eq!(shown(&client, payment).await["status"], "FAILED");
        assert_eq!(books(&client, payment).await, [(json!(0), json!(0))]);
        assert_eq!(kept_with(&stage, payment), None);
    }
    let report = client.run_job("provider-truth").await.unwrap();
    assert_eq!(report["could_not"], json!({}), "{report}");
}

/// What was to follow from the authorization follows from the payer's return.
#[tokio::test(flavor = "multi_thread")]
async fn an_automatic_capture_and_a_void_that_was_asked_for_follow_the_payers_return() {
    let stage = stage().await;
    let client = stage.client();
    let mut automatic = order("debtor-needs-consent");
    automatic["capture_method"] = json!("automatic");
    let automatic = client.create_as("at once", &automatic).await.unwrap().body;
    let way = decides(&stage, &automatic, "approve").await;
    comes_back(&stage, &way).await;
    becomes(&client, &automatic, "CAPTURED").await;
    assert_eq!(books(&client, &automatic).await, [(json!(1000), json!(0))]);

    let given_up = waiting(&client, "given up").await;
    assert_eq!(client.void(id(&given_up), "void").await.unwrap().status, 202);
    let way = decides(&stage, &given_up, "approve").await;
    comes_back(&stage, &way).await;
    becomes(&client, &given_up, "VOIDED").await;
    assert_eq!(books(&client, &given_up).await, [(json!(0), json!(0))]);
    assert_eq!(kept_with(&stage, &given_up), None);
}

/// The code comes once: that the bank cannot be reached just then does not lose it.
#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_comes_back_while_the_bank_is_away_need_not_come_again() {
    let stage = stage().await;
    let client = stage.client();
    let payment = waiting(&client, "away").await;
    let way = decides(&stage, &payment, "approve").await;
    stage.quiet().await;
    client.fault("bank", &json!({"kind": "unreachable"})).await.unwrap();
    comes_back(&stage, &way).await;
    eventually("the next step was tried", async || {
        times(&client.timeline(id(&payment)).await.unwrap(), "provider_not_reached") == 1
    })
    .await;
    assert_eq!(shown(&client, &payment).await["status"], "PENDING");
    client.clear_faults("bank").await.unwrap();
    client.advance(A_LEASE).await.unwrap();
    client.run_job("stuck-payments").await.unwrap();
    becomes(&client, &payment, "AUTHORIZED").await;
    captured(&client, &payment).await;

    // If he does come again, nobody waits for the job.
    let payment = waiting(&client, "again").await;
    let way = decides(&stage, &payment, "approve").await;
    stage.quiet().await;
    client.fault("bank", &json!({"kind": "unreachable"})).await.unwrap();
    comes_back(&stage, &way).await;
    eventually("the next step was tried", async || {
        times(&client.timeline(id(&payment)).await.unwrap(), "provider_not_reached") == 1
    })
    .await;
    client.clear_faults("bank").await.unwrap();
    comes_back(&stage, &way).await;
    becomes(&client, &payment, "AUTHORIZED").await;
}

/// After the code is committed, after it was used, and after what it led to is committed.
#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_payers_return_it_is_one_charge_or_none() {
    let mut stage = stage().await;
    let expected = [("after_return", "AUTHORIZED"), ("after_call", "FAILED"), ("after_outcome", "AUTHORIZED")];
    for (point, status) in expected {
        let client = stage.client();
        let payment = waiting(&client, point).await;
        let way = decides(&stage, &payment, "approve").await;
        stage.quiet().await;
        client.crash_at(point).await.unwrap();
        let back = Request::get(format!("{}{way}", stage.url())).body(Bytes::new()).unwrap();
        stage.http().try_send(back).await;
        stage.died().await;
        stage.restart().await;
        let client = stage.client();
        comes_back(&stage, &way).await;
        client.advance(A_LEASE).await.unwrap();
        client.run_job("stuck-payments").await.unwrap();
        let after = becomes(&client, &payment, status).await;
        if status == "AUTHORIZED" {
            captured(&client, &payment).await;
            continue;
        }
        // The code is used, and the token that it was changed for is lost with the process.
        assert_eq!(after["failure"]["code"], "approval_not_usable", "{point}: {after}");
        client.advance(2 * 3600).await.unwrap();
        assert_eq!(shown(&client, &payment).await["status"], "FAILED");
        assert_eq!(books(&client, &payment).await, [(json!(0), json!(0))], "{point}");
        assert_eq!(kept_with(&stage, &payment), None, "{point}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorization_that_nobody_captures_ends_and_its_consent_is_left_unused() {
    let stage = stage().await;
    let client = stage.client();
    let payment = waiting(&client, "idle").await;
    let way = decides(&stage, &payment, "approve").await;
    comes_back(&stage, &way).await;
    becomes(&client, &payment, "AUTHORIZED").await;
    client.advance(7 * 24 * 3600 + 60).await.unwrap();
    assert_eq!(shown(&client, &payment).await["status"], "VOIDED");
    assert_eq!(kept_with(&stage, &payment), None);
    assert_eq!(client.capture(id(&payment), "late", None).await.unwrap().text("code"), "payment_state_conflict");
    assert_eq!(books(&client, &payment).await, [(json!(0), json!(0))]);
}
