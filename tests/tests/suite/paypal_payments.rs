//! Payments through PayPal over the gateway's API: by the vault, with the payer's approval, over lost events and crashes, to
//! settlement and refund. PayPal's own books say what happened.

use bytes::Bytes;
use http::{Request, Response, header};
use serde_json::{Value, json};
use tollgate_sandbox::client::Client;
use tollgate_tests::stage::{Stage, eventually, times};

const SHOP: &str = "https://shop.example/thanks";

async fn create(client: &Client, key: &str, token: &str) -> Value {
    let body = json!({
        "amount": 1000, "currency": "JPY", "return_url": SHOP, "payment_method": {"paypal": token},
    });
    client.create_as(key, &body).await.unwrap().body
}

fn id(payment: &Value) -> &str {
    payment["id"].as_str().unwrap()
}

async fn status(client: &Client, payment: &Value) -> Value {
    client.payment(id(payment)).await.unwrap()["status"].clone()
}

fn location(answer: &Response<Bytes>) -> String {
    assert_eq!(answer.status(), 303, "{answer:?}");
    answer.headers()[header::LOCATION].to_str().unwrap().to_owned()
}

/// The payer on PayPal's page; answers where that leads.
async fn on_the_page(stage: &Stage, payment: &Value, does: &str) -> String {
    let page = payment["next_action"]["url"].as_str().unwrap();
    assert_eq!(stage.http().get(page).await.status(), 200);
    let (path, query) = page.split_once('?').map_or((page, String::new()), |(path, query)| (path, format!("?{query}")));
    location(&stage.http().send(Request::post(format!("{path}/{does}{query}")).body(Bytes::new()).unwrap()).await)
}

async fn books(client: &Client, payment: &Value) -> Vec<Value> {
    let mut books = client.transactions("paypal").await.unwrap();
    books.retain(|row| row["payment_id"] == id(payment));
    books
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_by_the_vault_lives_its_whole_life() {
    let stage = Stage::start().await;
    let client = stage.client();
    let payment = create(&client, "vault", "vault-ok").await;
    assert_eq!((&payment["status"], &payment["provider"]), (&json!("AUTHORIZED"), &json!("paypal")), "{payment}");
    let again = create(&client, "vault", "vault-ok").await;
    assert_eq!(again["id"], payment["id"]);
    assert_eq!(client.capture(id(&payment), "take", Some(700)).await.unwrap().text("status"), "CAPTURED");
    client.advance(24 * 3600).await.unwrap();
    assert_eq!(status(&client, &payment).await, "SETTLED");
    let refund = client.refund(id(&payment), "back", Some(300)).await.unwrap();
    assert_eq!(refund.text("status"), "COMPLETED", "{}", refund.body);
    for job in ["provider-truth", "invariants"] {
        let report = client.run_job(job).await.unwrap();
        assert_eq!(report["could_not"], json!({}), "{job}: {report}");
    }
    let books = books(&client, &payment).await;
    assert_eq!(books.len(), 1, "{books:?}");
    assert_eq!((&books[0]["captured"], &books[0]["refunded"]), (&json!(700), &json!(300)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_payer_is_a_result_and_a_void_releases_the_hold() {
    let stage = Stage::start().await;
    let client = stage.client();
    let declined = create(&client, "declined", "vault-declined").await;
    assert_eq!(
        (&declined["status"], &declined["failure"]["code"]),
        (&json!("FAILED"), &json!("payment_method_declined"))
    );
    let held = create(&client, "held", "vault-ok").await;
    assert_eq!(client.void(id(&held), "void").await.unwrap().text("status"), "VOIDED");
    assert_eq!(books(&client, &held).await[0]["status"], "VOIDED");
}

/// The return, the event, a job: whichever comes, the next step is sent once.
#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_approves_pays_once_whoever_sees_it_first() {
    for (returns, events) in [(true, false), (false, true), (true, true), (false, false)] {
        let stage = Stage::start().await;
        let client = stage.client();
        if !events {
            client.fault("paypal", &json!({"kind": "drop_webhooks"})).await.unwrap();
        }
        let payment = create(&client, "approve", "vault-needs-approval").await;
        assert_eq!(payment["status"], "PENDING", "{payment}");
        let way_back = on_the_page(&stage, &payment, "approve").await;
        assert!(way_back.starts_with(&format!("{}/return/", stage.url())), "{way_back}");
        if returns {
            let shop = location(&stage.http().get(&way_back).await);
            assert_eq!(shop, format!("{SHOP}?payment_id={}", id(&payment)));
        }
        if !returns && !events {
            client.advance(15 * 60).await.unwrap();
        }
        eventually("it is authorized", async || status(&client, &payment).await == "AUTHORIZED").await;
        let timeline = client.timeline(id(&payment)).await.unwrap();
        assert_eq!(times(&timeline, "authorized"), 1, "{returns} {events}: {timeline:#?}");
        assert_eq!(client.capture(id(&payment), "take", None).await.unwrap().text("status"), "CAPTURED");
        let books = books(&client, &payment).await;
        assert_eq!((books.len(), &books[0]["captured"]), (1, &json!(1000)), "{returns} {events}: {books:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_never_comes_back_ends_the_payment_and_cannot_pay_later() {
    let stage = Stage::start().await;
    let client = stage.client();
    let payment = create(&client, "never", "vault-needs-approval").await;
    client.advance(45 * 60).await.unwrap();
    let ended = client.payment(id(&payment)).await.unwrap();
    assert_eq!(
        (&ended["status"], &ended["failure"]["code"]),
        (&json!("FAILED"), &json!("approval_expired")),
        "{ended}"
    );
    on_the_page(&stage, &payment, "approve").await;
    client.advance(3600).await.unwrap();
    assert_eq!(status(&client, &payment).await, "FAILED");
    let books = books(&client, &payment).await;
    assert!(books.iter().all(|row| row["captured"] == 0), "{books:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_step_it_is_one_charge() {
    let mut stage = Stage::start().await;
    for point in ["before_intent", "after_intent", "after_call", "after_outcome"] {
        let client = stage.client();
        client.crash_at(point).await.unwrap();
        let body = json!({"amount": 900, "currency": "JPY", "payment_method": {"paypal": "vault-ok"}});
        assert!(client.create_as(point, &body).await.is_err(), "{point}: it dies before it answers");
        stage.died().await;
        stage.restart().await;
        let client = stage.client();
        let mut payment = client.create_as(point, &body).await.unwrap().body;
        if payment["status"] == "PENDING" {
            // The machine stood still for longer than PayPal is waited for: once the lease is over, the same key finds out.
            client.advance(30).await.unwrap();
            payment = client.create_as(point, &body).await.unwrap().body;
        }
        assert_eq!(payment["status"], "AUTHORIZED", "{point}: {payment}");
        assert_eq!(client.capture(id(&payment), point, None).await.unwrap().text("status"), "CAPTURED", "{point}");
        let books = books(&client, &payment).await;
        assert_eq!((books.len(), &books[0]["captured"]), (1, &json!(900)), "{point}: {books:?}");
    }
}

/// The merchant was answered long ago, and does not ask again: a job takes up what the approval led to.
#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_payers_return_it_is_one_charge() {
    let mut stage = Stage::start().await;
    for point in ["after_return", "after_call", "after_outcome"] {
        let client = stage.client();
        client.fault("paypal", &json!({"kind": "drop_webhooks"})).await.unwrap();
        let payment = create(&client, point, "vault-needs-approval").await;
        let way_back = on_the_page(&stage, &payment, "approve").await;
        client.crash_at(point).await.unwrap();
        stage.http().try_send(Request::get(&way_back).body(Bytes::new()).unwrap()).await;
        stage.died().await;
        stage.restart().await;
        let client = stage.client();
        client.advance(30).await.unwrap();
        client.run_job("stuck-payments").await.unwrap();
        let timeline = client.timeline(id(&payment)).await.unwrap();
        assert_eq!(status(&client, &payment).await, "AUTHORIZED", "{point}: {timeline:#?}");
        assert_eq!(client.capture(id(&payment), point, None).await.unwrap().text("status"), "CAPTURED", "{point}");
        let books = books(&client, &payment).await;
        assert_eq!((books.len(), &books[0]["captured"]), (1, &json!(1000)), "{point}: {books:?}");
    }
}

/// PayPal takes the capture on and denies it an hour later: it is refused, once, and the merchant is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_is_denied_an_hour_later_is_refused_and_not_made_again() {
    let stage = Stage::start().await;
    let client = stage.client();
    let payment = create(&client, "denied", "vault-capture-denied").await;
    let pending = client.capture(id(&payment), "take", None).await.unwrap();
    assert_eq!(
        (pending.status, &pending.body["pending_operation"]["type"]),
        (202, &json!("capture")),
        "{}",
        pending.body
    );
    client.advance(2 * 3600).await.unwrap();
    let after = client.payment(id(&payment)).await.unwrap();
    assert_eq!((&after["status"], &after["pending_operation"]), (&json!("AUTHORIZED"), &Value::Null), "{after}");
    let again = client.capture(id(&payment), "take", None).await.unwrap();
    assert_eq!((again.status, again.text("code")), (422, "provider_refused"), "its key says so, too: {}", again.body);
    let timeline = client.timeline(id(&payment)).await.unwrap();
    assert_eq!((times(&timeline, "capture_requested"), times(&timeline, "capture_refused")), (1, 1), "{timeline:#?}");
    let told = client.get(&format!("/v1/webhooks/{}/status", id(&payment))).await.unwrap();
    let told: Vec<_> = told.body["deliveries"].as_array().unwrap().iter().map(|told| told["type"].clone()).collect();
    assert!(told.contains(&json!("payment.capture_failed")), "{told:?}");
    client.advance(2 * 24 * 3600).await.unwrap();
    let report = client.run_job("provider-truth").await.unwrap();
    assert_eq!(report["could_not"], json!({}), "PayPal says the same: {report}");
    let captures = client.timeline(id(&payment)).await.unwrap();
    let captures = captures.iter().filter(|entry| entry["call"] == "capture").count();
    assert_eq!(captures, 1, "it is not made again");
    assert_eq!(client.void(id(&payment), "void").await.unwrap().text("status"), "VOIDED", "the merchant goes on");
}
