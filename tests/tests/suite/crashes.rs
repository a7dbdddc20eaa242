//! The process dies at every place between commit, call, commit and answer, and is started again on the same data.
//! The merchant sends the same request with the same key: what is then shown is what the provider did, once.

use serde_json::{Value, json};
use tollgate_sandbox::client::{Answer, Client};
use tollgate_tests::stage::{Stage, eventually};

/// Around a request of the merchant's own.
const IN_REQUESTS: [&str; 4] = ["before_intent", "after_intent", "after_call", "after_outcome"];
/// Around an event of the provider's.
const IN_EVENTS: [&str; 2] = ["before_event", "after_event"];
const THREE_D_SECURE: &str = "pm_card_threeDSecure2Required";
const DAY: u64 = 24 * 3600;

/// Plays `request` on a sandbox that dies at `point`, and again once it was started again.
async fn retried(stage: &mut Stage, point: &str, request: impl AsyncFn(Client) -> anyhow::Result<Answer>) -> Answer {
    stage.client().crash_at(point).await.unwrap();
    let cut_off = request(stage.client()).await;
    // The answer and the provider's event race; a crash in the request itself leaves nothing to answer.
    assert!(cut_off.is_err() || IN_EVENTS.contains(&point), "{point}: answered {cut_off:?}");
    stage.died().await;
    stage.restart().await;
    request(stage.client()).await.unwrap()
}

/// What happened is final: the key gives it again, the provider's events, late as they are, change nothing, and it is
/// what the provider's books say.
async fn assert_final(stage: &Stage, known: &Answer, request: impl AsyncFn(Client) -> anyhow::Result<Answer>) -> Value {
    assert!([200, 201].contains(&known.status), "{known:?}");
    let id = known.text("id");
    let shown = stage.agreed(id).await;
    let again = request(stage.client()).await.unwrap();
    assert_eq!((again.status, again.replayed, &again.body), (200, true, &shown), "the key gives what is there");
    stage.client().advance(120).await.unwrap();
    stage.quiet().await;
    let later = stage.agreed(id).await;
    assert_eq!(later["status"], shown["status"]);
    // An event, which told of the hold first, does not carry its end: that may be learned afterwards.
    let timeline = stage.client().timeline(id).await.unwrap();
    let new = timeline.iter().filter(|entry| entry["version"].as_u64() > shown["version"].as_u64());
    let new: Vec<_> = new.filter(|entry| entry["what"] != "expiry_learned").collect();
    assert!(new.is_empty(), "the events told nothing new: {new:#?}");
    later
}

fn card(amount: i64, token: &str, capture_method: &str) -> Value {
    json!({"amount": amount, "currency": "JPY", "payment_method": {"stripe": token}, "capture_method": capture_method})
}

async fn creates(token: &str, capture_method: &str, becomes: &str) {
    let mut stage = Stage::with_a_public_address().await;
    let body = card(900, token, capture_method);
    for point in IN_REQUESTS.into_iter().chain(IN_EVENTS) {
        let request = async |client: Client| client.create_as(point, &body).await;
        let known = retried(&mut stage, point, request).await;
        let expected = if point == "before_intent" { 201 } else { 200 };
        assert_eq!((known.status, known.text("status")), (expected, becomes), "{point}: {}", known.body);
        assert_eq!(stage.charges_of(known.text("id")).await.len(), 1, "{point}: one charge");
        assert_final(&stage, &known, request).await;
    }
    assert_eq!(stage.transactions().await.len(), 6, "one charge for each of the six");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_dies_anywhere_authorizes_once() {
    creates("pm_card_visa", "manual", "AUTHORIZED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_automatic_capture_that_dies_anywhere_takes_the_money_once() {
    creates("pm_card_visa", "automatic", "CAPTURED").await;
}

/// There the capture is an operation of its own, which the key of the create takes up as well.
#[tokio::test(flavor = "multi_thread")]
async fn an_automatic_capture_at_paypal_or_the_bank_is_taken_up_with_the_key_of_its_create() {
    for (provider, token) in [("paypal", "vault-ok"), ("bank", "debtor-ok")] {
        let mut stage = Stage::with_a_public_address().await;
        // Nothing but the merchant's retry tells of what happened.
        stage.client().fault(provider, &json!({"kind": "drop_webhooks"})).await.unwrap();
        let method = json!({provider: token});
        let body = json!({"amount": 900, "currency": "GBP", "payment_method": method, "capture_method": "automatic"});
        for point in IN_REQUESTS {
            let request = async |client: Client| client.create_as(point, &body).await;
            let known = retried(&mut stage, point, request).await;
            let expected = if point == "before_intent" { 201 } else { 200 };
            assert_eq!((known.status, known.text("status")), (expected, "CAPTURED"), "{point}: {}", known.body);
            let books = stage.client().transactions(provider).await.unwrap();
            let charges: Vec<_> = books.iter().filter(|row| row["payment_id"] == known.body["id"]).collect();
            assert_eq!(charges.len(), 1, "{point}: one charge: {charges:?}");
            assert_eq!(charges[0]["captured"], 900, "{point}: taken once");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decline_that_dies_anywhere_is_the_same_decline() {
    creates("pm_card_visa_chargeDeclined", "manual", "FAILED").await;
}

/// Acts for the payer on the issuer's page.
async fn approve(stage: &Stage, payment: &Value) {
    let page = payment["next_action"]["url"].as_str().unwrap();
    let request = http::Request::post(format!("{page}/approve")).body(bytes::Bytes::new()).unwrap();
    assert_eq!(stage.http().send(request).await.status(), 303, "the page sends the payer back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_is_asked_once_wherever_it_dies() {
    let mut stage = Stage::with_a_public_address().await;
    for point in IN_REQUESTS.into_iter().chain(IN_EVENTS) {
        let request = async |client: Client| client.create(point, 900, THREE_D_SECURE).await;
        let asked = retried(&mut stage, point, request).await;
        assert_eq!((asked.status, asked.text("status")), (202, "PENDING"), "{point}: {}", asked.body);
        stage.agreed(asked.text("id")).await;
        approve(&stage, &asked.body).await;
        stage.quiet().await;
        assert_eq!(stage.agreed(asked.text("id")).await["status"], "AUTHORIZED", "{point}");
        let known = request(stage.client()).await.unwrap();
        assert_final(&stage, &known, request).await;
    }
    assert_eq!(stage.transactions().await.len(), 6);
}

async fn changes(
    operation: impl AsyncFn(Client, String, &'static str) -> anyhow::Result<Answer>,
    becomes: &str,
    taken: i64,
) {
    let mut stage = Stage::with_a_public_address().await;
    for point in IN_REQUESTS.into_iter().chain(IN_EVENTS) {
        let made = stage.client().create(point, 900, "pm_card_visa").await.unwrap();
        stage.quiet().await;
        let request = async |client: Client| operation(client, made.text("id").to_owned(), point).await;
        let known = retried(&mut stage, point, request).await;
        assert_eq!((known.status, known.text("status")), (200, becomes), "{point}: {}", known.body);
        let payment = assert_final(&stage, &known, request).await;
        assert_eq!(payment["amount_captured"], taken, "{point}");
    }
    assert_eq!(stage.transactions().await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_dies_anywhere_takes_the_money_once() {
    changes(async |client, id, key| client.capture(&id, key, None).await, "CAPTURED", 900).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_capture_that_dies_anywhere_takes_its_part_once() {
    changes(async |client, id, key| client.capture(&id, key, Some(350)).await, "CAPTURED", 350).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_that_dies_anywhere_releases_the_money() {
    changes(async |client, id, key| client.void(&id, key).await, "VOIDED", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_asked_for_while_the_payer_is_away_survives_every_crash() {
    let mut stage = Stage::with_a_public_address().await;
    for point in IN_REQUESTS.into_iter().chain(IN_EVENTS) {
        let made = stage.client().create(point, 900, THREE_D_SECURE).await.unwrap();
        stage.quiet().await;
        let id = made.text("id").to_owned();
        let void = async |client: Client| client.void(&id, point).await;
        // The first two lie within the void's own request, the others in what follows from the approval.
        let remembered = if ["before_intent", "after_intent"].contains(&point) {
            let remembered = retried(&mut stage, point, void).await;
            approve(&stage, &made.body).await;
            remembered
        } else {
            let remembered = void(stage.client()).await.unwrap();
            stage.client().crash_at(point).await.unwrap();
            approve(&stage, &made.body).await;
            stage.died().await;
            stage.restart().await;
            stage.client().advance(10).await.unwrap();
            remembered
        };
        assert_eq!((remembered.status, remembered.text("status")), (202, "PENDING"), "{point}: {}", remembered.body);
        stage.quiet().await;
        // The event is answered before the void that follows from it is carried out.
        let mut known = void(stage.client()).await.unwrap();
        eventually("the void is not under way any more", async || {
            known = void(stage.client()).await.unwrap();
            known.text("code") != "idempotency_key_in_use"
        })
        .await;
        assert_eq!((known.status, known.text("status")), (200, "VOIDED"), "{point}: {}", known.body);
        assert_final(&stage, &known, void).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_under_another_address_sends_the_same_request_again() {
    // The address that payers come back to is part of the request. Were it another one now, the provider would refuse
    // it under the same key.
    let mut stage = Stage::start().await;
    stage.lasting_fault("drop_webhooks").await;
    let address = stage.url().to_owned();
    let request = async |client: Client| client.create("moved", 900, "pm_card_visa").await;
    let known = retried(&mut stage, "after_call", request).await;
    assert_ne!(stage.url(), address);
    assert_eq!((known.status, known.text("status")), (200, "AUTHORIZED"), "{}", known.body);
    let timeline = stage.client().timeline(known.text("id")).await.unwrap();
    let calls: Vec<_> = timeline.iter().filter(|entry| entry["type"] == "provider_call").collect();
    let [sent] = calls.as_slice() else { panic!("one call brought it: {calls:#?}") };
    assert_eq!((&sent["call"], &sent["outcome"]), (&json!("authorize"), &json!("succeeded")));
    assert_final(&stage, &known, request).await;
    assert_eq!(stage.transactions().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_that_dies_at_two_in_tokyo_is_gone_on_with_by_the_next_move_of_the_clock() {
    let mut stage = Stage::start().await;
    let client = stage.client();
    let made = client.create_as("order", &card(900, "pm_card_visa", "automatic")).await.unwrap();
    // The settlement of the day before is over, so that the next one is the one that dies.
    client.run_job("settlement").await.unwrap();
    client.crash_at("before_chunk").await.unwrap();
    assert!(client.advance(DAY).await.is_err(), "it dies in the settlement");
    stage.died().await;
    stage.restart().await;
    // The clock stands at 02:00 sharp. What runs then has not run to its end, and tomorrow is a day too late.
    stage.client().advance(60).await.unwrap();
    assert_eq!(stage.client().payment(made.text("id")).await.unwrap()["status"], "SETTLED");
}
