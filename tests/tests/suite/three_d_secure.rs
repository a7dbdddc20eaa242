//! The payer's turn: the issuer's page, the way back, and everything that can happen before, beside and after it.

use bytes::Bytes;
use futures::future::join_all;
use http::{Request, Response, header};
use serde_json::{Value, json};
use tollgate_sandbox::client::Client;
use tollgate_tests::stage::{Http, Stage, eventually, times};

const SHOP: &str = "https://shop.example/thanks?order=7#top";

async fn asked(client: &Client, key: &str) -> Value {
    let body = json!({
        "amount": 1000, "currency": "JPY", "return_url": SHOP,
        "payment_method": {"stripe": "pm_card_threeDSecure2Required"},
    });
    let answer = client.create_as(key, &body).await.unwrap();
    assert_eq!((answer.status, answer.text("status")), (202, "PENDING"), "{}", answer.body);
    assert_eq!(answer.body["next_action"]["type"], "redirect");
    answer.body
}

fn location(answer: &Response<Bytes>) -> String {
    assert_eq!(answer.status(), 303, "{answer:?}");
    answer.headers()[header::LOCATION].to_str().unwrap().to_owned()
}

/// Opens the issuer's page, presses a button as a browser would, and answers where that leads.
async fn press(http: &Http, payment: &Value, button: &str) -> String {
    let action = opened(http, payment, button).await;
    location(&http.send(Request::post(action).body(Bytes::new()).unwrap()).await)
}

/// Opens the issuer's page, and answers what a button there would ask for.
async fn opened(http: &Http, payment: &Value, button: &str) -> String {
    let url = payment["next_action"]["url"].as_str().unwrap();
    let page = http.get(url).await;
    assert_eq!(page.status(), 200);
    let html = String::from_utf8(page.body().to_vec()).unwrap();
    let action = html.split("action=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let action = action.into_iter().find(|action| action.ends_with(button)).unwrap();
    let (folder, _) = url.rsplit_once('/').unwrap();
    format!("{folder}/{action}")
}

/// The gateway's own address that Stripe was given for this payment.
async fn return_link(stage: &Stage, payment: &Value) -> String {
    let intent =
        stage.stripe(&format!("payment_intents/{}", payment["provider_transaction_id"].as_str().unwrap())).await;
    intent["next_action"]["redirect_to_url"]["return_url"].as_str().unwrap().to_owned()
}

fn back_at_the_shop(payment: &Value) -> String {
    format!("https://shop.example/thanks?order=7&payment_id={}#top", payment["id"].as_str().unwrap())
}

async fn status(stage: &Stage, payment: &Value) -> Value {
    stage.agreed(payment["id"].as_str().unwrap()).await["status"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_approves_comes_back_to_the_shop_with_an_authorized_payment() {
    // Without events it is the return that tells, and with them they race: once in both.
    for events in [false, true] {
        let stage = Stage::start().await;
        if !events {
            stage.lasting_fault("drop_webhooks").await;
        }
        let client = stage.client();
        let payment = asked(&client, "approve").await;
        let way_back = press(stage.http(), &payment, "approve").await;
        assert!(way_back.starts_with(&format!("{}/return/", stage.url())), "{way_back}");
        assert_eq!(location(&stage.http().get(&way_back).await), back_at_the_shop(&payment));
        stage.quiet().await;
        assert_eq!(status(&stage, &payment).await, "AUTHORIZED");
        let timeline = client.timeline(payment["id"].as_str().unwrap()).await.unwrap();
        assert_eq!(times(&timeline, "authorized"), 1, "{timeline:#?}");
        let again = client.capture(payment["id"].as_str().unwrap(), "take", None).await.unwrap();
        assert_eq!(again.text("status"), "CAPTURED");
        assert_eq!(stage.transactions().await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_fails_comes_back_to_the_shop_with_a_failed_payment() {
    let stage = Stage::start().await;
    stage.lasting_fault("drop_webhooks").await;
    let payment = asked(&stage.client(), "fail").await;
    let way_back = press(stage.http(), &payment, "fail").await;
    assert_eq!(location(&stage.http().get(&way_back).await), back_at_the_shop(&payment));
    assert_eq!(status(&stage, &payment).await, "FAILED");
    let shown = stage.client().payment(payment["id"].as_str().unwrap()).await.unwrap();
    assert!(shown["failure"]["code"].is_string() && shown["next_action"].is_null(), "{shown:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_returns_at_once_authorize_once() {
    let stage = Stage::start().await;
    stage.lasting_fault("drop_webhooks").await;
    let payment = asked(&stage.client(), "ten").await;
    let way_back = press(stage.http(), &payment, "approve").await;
    for answer in join_all((0..10).map(|_| stage.http().get(&way_back))).await {
        assert_eq!(location(&answer), back_at_the_shop(&payment));
    }
    assert_eq!(status(&stage, &payment).await, "AUTHORIZED");
    let timeline = stage.client().timeline(payment["id"].as_str().unwrap()).await.unwrap();
    assert_eq!(times(&timeline, "authorized"), 1, "{timeline:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_returns_before_acting_is_still_awaited() {
    let stage = Stage::start().await;
    let client = stage.client();
    let payment = asked(&client, "early").await;
    let link = return_link(&stage, &payment).await;
    assert_eq!(location(&stage.http().get(&link).await), back_at_the_shop(&payment));
    let shown = stage.agreed(payment["id"].as_str().unwrap()).await;
    assert_eq!((&shown["status"], &shown["next_action"]), (&json!("PENDING"), &payment["next_action"]));
    let replay = client.get(&format!("/v1/payments/{}", payment["id"].as_str().unwrap())).await.unwrap();
    assert_eq!(replay.status, 200);
    // He goes back to the page, and acts.
    press(stage.http(), &payment, "approve").await;
    stage.quiet().await;
    assert_eq!(status(&stage, &payment).await, "AUTHORIZED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_link_that_we_did_not_make_leads_nowhere() {
    let stage = Stage::start().await;
    let client = stage.client();
    let (mine, other) = (asked(&client, "mine").await, asked(&client, "other").await);
    let (mine, other) = (return_link(&stage, &mine).await, return_link(&stage, &other).await);
    let (head, proof) = mine.rsplit_once('.').unwrap();
    let (_, foreign_proof) = other.rsplit_once('.').unwrap();
    let base = stage.url();
    for forged in [
        format!("{head}.{foreign_proof}"),
        format!("{head}.{}", "0".repeat(proof.len())),
        format!("{head}."),
        head.to_owned(),
        format!("{mine}0"),
        format!("{base}/return/x"),
    ] {
        let answer = stage.http().get(&forged).await;
        assert_eq!(answer.status(), 404, "{forged}");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
        let browser = Request::get(&forged).header(header::ACCEPT, "text/html,*/*").body(Bytes::new()).unwrap();
        let page = stage.http().send(browser).await;
        assert_eq!(page.status(), 404, "{forged}");
        assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(answer.headers().get(header::LOCATION).is_none());
    }
    assert_eq!(stage.http().get(&mine).await.status(), 303, "the real one does");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_while_the_payer_is_away_is_carried_out_after_he_approves() {
    let stage = Stage::start().await;
    let client = stage.client();
    let payment = asked(&client, "void").await;
    let id = payment["id"].as_str().unwrap();
    let remembered = client.void(id, "void").await.unwrap();
    assert_eq!((remembered.status, remembered.text("status")), (202, "PENDING"), "{}", remembered.body);
    assert_eq!(client.void(id, "void").await.unwrap().status, 202, "its key gives the same");
    assert_eq!(client.void(id, "another").await.unwrap().text("code"), "operation_in_progress");
    assert_eq!(client.capture(id, "capture", None).await.unwrap().text("code"), "operation_in_progress");

    let way_back = press(stage.http(), &payment, "approve").await;
    assert_eq!(location(&stage.http().get(&way_back).await), back_at_the_shop(&payment));
    eventually("voided", async || client.payment(id).await.unwrap()["status"] == "VOIDED").await;
    stage.quiet().await;
    let shown = stage.agreed(id).await;
    assert_eq!((&shown["status"], &shown["amount_captured"]), (&json!("VOIDED"), &json!(0)));
    let replay = client.void(id, "void").await.unwrap();
    assert_eq!((replay.status, replay.replayed, replay.body), (200, true, shown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_while_the_payer_is_away_is_dropped_when_he_fails() {
    let stage = Stage::start().await;
    let client = stage.client();
    let payment = asked(&client, "dropped").await;
    let id = payment["id"].as_str().unwrap();
    assert_eq!(client.void(id, "void").await.unwrap().status, 202);
    press(stage.http(), &payment, "fail").await;
    stage.quiet().await;
    assert_eq!(status(&stage, &payment).await, "FAILED");
    let replay = client.void(id, "void").await.unwrap();
    assert_eq!((replay.status, replay.replayed, replay.text("status")), (200, true, "FAILED"), "{}", replay.body);
}

/// An automatic payment: the approval takes the money.
async fn asked_automatically(client: &Client, key: &str) -> Value {
    let body = json!({
        "amount": 1000, "currency": "JPY", "return_url": SHOP, "capture_method": "automatic",
        "payment_method": {"stripe": "pm_card_threeDSecure2Required"},
    });
    client.create_as(key, &body).await.unwrap().body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_ends_the_turn_of_a_payer_whose_approval_would_take_the_money() {
    let stage = Stage::start().await;
    let client = stage.client();
    let payment = asked_automatically(&client, "automatic").await;
    let id = payment["id"].as_str().unwrap();
    let approval = opened(stage.http(), &payment, "approve").await;
    let voided = client.void(id, "void").await.unwrap();
    assert_eq!((voided.status, voided.text("status")), (200, "FAILED"), "{}", voided.body);
    assert_eq!((&voided.body["failure"]["code"], &voided.body["next_action"]), (&json!("voided"), &json!(null)));
    // His page is still open, and he presses.
    stage.http().send(Request::post(approval).body(Bytes::new()).unwrap()).await;
    stage.quiet().await;
    let shown = stage.agreed(id).await;
    assert_eq!((&shown["status"], &shown["amount_captured"]), (&json!("FAILED"), &json!(0)));
    let replay = client.void(id, "void").await.unwrap();
    assert_eq!((replay.status, replay.replayed, replay.text("status")), (200, true, "FAILED"), "{}", replay.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_void_and_an_approval_that_takes_the_money_one_comes_first_and_both_sides_say_which() {
    let stage = Stage::start().await;
    let client = stage.client();
    for round in 0..8 {
        let key = format!("race-{round}");
        let payment = asked_automatically(&client, &key).await;
        let id = payment["id"].as_str().unwrap();
        let approval = Request::post(opened(stage.http(), &payment, "approve").await).body(Bytes::new()).unwrap();
        let (_, voided) = futures::future::join(stage.http().send(approval), client.void(id, &key)).await;
        let voided = voided.unwrap();
        stage.quiet().await;
        eventually("decided", async || client.payment(id).await.unwrap()["status"] != "PENDING").await;
        stage.quiet().await;
        let shown = stage.agreed(id).await;
        let replay = client.void(id, &key).await.unwrap();
        match shown["status"].as_str().unwrap() {
            "FAILED" => assert_eq!((replay.status, &shown["amount_captured"]), (200, &json!(0)), "{voided:?}"),
            "CAPTURED" => {
                assert_eq!((replay.status, replay.text("code")), (422, "provider_refused"), "{voided:?} {replay:?}");
            }
            other => panic!("{other}: {voided:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_and_an_approval_at_once_end_in_a_void() {
    let stage = Stage::start().await;
    let client = stage.client();
    for round in 0..8 {
        let key = format!("race-{round}");
        let payment = asked(&client, &key).await;
        let id = payment["id"].as_str().unwrap();
        let (way_back, voided) =
            futures::future::join(press(stage.http(), &payment, "approve"), client.void(id, &key)).await;
        let voided = voided.unwrap();
        // The approval may just be adopted, and nothing is open: then it is voided at once.
        assert!([200, 202].contains(&voided.status), "{voided:?}");
        assert_eq!(location(&stage.http().get(&way_back).await), back_at_the_shop(&payment));
        stage.quiet().await;
        eventually("voided", async || client.payment(id).await.unwrap()["status"] == "VOIDED").await;
        stage.quiet().await;
        assert_eq!(status(&stage, &payment).await, "VOIDED");
    }
}
