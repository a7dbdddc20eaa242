//! Stripe's events: late, repeated, out of order, too early, for nobody, or not Stripe's at all.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::Request;
use serde_json::{Value, json};
use sha2::Sha256;
use tollgate_sandbox::client::Client;
use tollgate_tests::stage::{Stage, times};

/// A stage whose events are sent by hand: Stripe keeps its own to itself.
struct Post {
    stage: Stage,
    client: Client,
    secret: String,
}

impl Post {
    async fn start() -> Self {
        let stage = Stage::start().await;
        stage.lasting_fault("drop_webhooks").await;
        let client = stage.client();
        let key = std::fs::read_to_string(stage.data().join("stripe-webhook.key")).unwrap();
        Self { stage, client, secret: format!("whsec_{}", key.trim()) }
    }

    async fn authorized(&self, key: &str) -> String {
        let made = self.client.create(key, 1000, "pm_card_visa").await.unwrap();
        assert_eq!(made.status, 201, "{}", made.body);
        made.text("id").to_owned()
    }

    /// The event of this type that Stripe made for the payment.
    async fn event(&self, kind: &str, payment: &str) -> Value {
        let events = self.stage.stripe("events?limit=100").await;
        let events = events["data"].as_array().unwrap();
        let ours = |event: &&Value| event["type"] == kind && event.to_string().contains(payment);
        events.iter().find(ours).unwrap_or_else(|| panic!("no {kind} in {events:#?}")).clone()
    }

    async fn now(&self) -> i64 {
        let url = format!("{}/sandbox/clock", self.stage.url());
        let (_, body) = self.stage.http().json(http::Method::POST, &url, &json!({"advance_seconds": 0})).await;
        body["now"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second()
    }

    /// Delivers a body with a signature made `age` seconds ago.
    async fn deliver_signed(&self, body: &str, secret: &str, age: i64) -> u16 {
        let time = self.now().await - age;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{time}.{body}").as_bytes());
        let signature = format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()));
        self.post(body, Some(&signature)).await
    }

    async fn post(&self, body: &str, signature: Option<&str>) -> u16 {
        let mut request = Request::post(format!("{}/webhooks/providers/stripe", self.stage.url()))
            .header("content-type", "application/json");
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        self.stage.http().send(request.body(Bytes::from(body.to_owned())).unwrap()).await.status().as_u16()
    }

    async fn deliver(&self, event: &Value) -> u16 {
        self.deliver_signed(&event.to_string(), &self.secret, 0).await
    }

    /// The entries of the timeline for this event.
    async fn taken(&self, payment: &str, event: &Value) -> Vec<Value> {
        let mut timeline = self.client.timeline(payment).await.unwrap();
        timeline.retain(|entry| entry["type"] == "provider_event" && entry["event_id"] == event["id"]);
        timeline
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_taken_once_however_often_it_comes() {
    let post = Post::start().await;
    post.stage.fault("charge_then_timeout", 1, 50).await;
    let made = post.client.create("repeated", 1000, "pm_card_visa").await.unwrap();
    assert_eq!(made.status, 202);
    let id = made.text("id");
    let event = post.event("payment_intent.amount_capturable_updated", id).await;
    for _ in 0..3 {
        assert_eq!(post.deliver(&event).await, 200);
    }
    let taken = post.taken(id, &event).await;
    assert_eq!(taken.len(), 1, "{taken:#?}");
    assert_eq!(taken[0]["effect"], true);
    assert_eq!(post.stage.agreed(id).await["status"], "AUTHORIZED");
    assert_eq!(times(&post.client.timeline(id).await.unwrap(), "authorized"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_copies_of_an_event_at_once_have_one_effect() {
    let post = Post::start().await;
    post.stage.fault("charge_then_timeout", 1, 50).await;
    let made = post.client.create("copies", 1000, "pm_card_visa").await.unwrap();
    let id = made.text("id");
    let event = post.event("payment_intent.amount_capturable_updated", id).await;
    let answers = futures::future::join_all((0..10).map(|_| post.deliver(&event))).await;
    assert_eq!(answers, [200; 10]);
    assert_eq!(post.taken(id, &event).await.len(), 1);
    assert_eq!(times(&post.client.timeline(id).await.unwrap(), "authorized"), 1);
    post.stage.agreed(id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_event_never_moves_a_payment_backwards() {
    let post = Post::start().await;
    let id = post.authorized("late").await;
    let created = post.event("payment_intent.created", &id).await;
    let authorized = post.event("payment_intent.amount_capturable_updated", &id).await;
    let captured = post.client.capture(&id, "capture", Some(400)).await.unwrap();
    assert_eq!(captured.status, 200);
    for event in [&authorized, &created] {
        assert_eq!(post.deliver(event).await, 200);
        let taken = post.taken(&id, event).await;
        assert_eq!((taken.len(), &taken[0]["effect"]), (1, &json!(false)), "{taken:#?}");
    }
    assert_eq!(post.stage.agreed(&id).await, captured.body);

    let id = post.authorized("late-void").await;
    let authorized = post.event("payment_intent.amount_capturable_updated", &id).await;
    let voided = post.client.void(&id, "void").await.unwrap();
    assert_eq!(post.deliver(&authorized).await, 200);
    assert_eq!(post.stage.agreed(&id).await, voided.body, "what was held is not taken for a late success");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_the_wrong_order_lead_to_where_the_provider_is() {
    let post = Post::start().await;
    let id = post.authorized("reordered").await;
    post.stage.fault("charge_then_timeout", 1, 50).await;
    assert_eq!(post.client.capture(&id, "capture", None).await.unwrap().status, 202);
    let names = ["payment_intent.succeeded", "payment_intent.amount_capturable_updated", "payment_intent.created"];
    for kind in names {
        let event = post.event(kind, &id).await;
        assert_eq!(post.deliver(&event).await, 200, "{kind}");
        assert_eq!(post.stage.agreed(&id).await["status"], "CAPTURED", "after {kind}");
    }
    assert_eq!(times(&post.client.timeline(&id).await.unwrap(), "captured"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_event_of_a_failure_does_not_end_a_payment_that_lives() {
    let post = Post::start().await;
    let declined = post.client.create("declined", 1000, "pm_card_visa_chargeDeclined").await.unwrap();
    let failure = post.event("payment_intent.payment_failed", declined.text("id")).await;
    let id = post.authorized("alive").await;
    let shown = post.client.payment(&id).await.unwrap();
    // The same news of the payment that lives: its own ids in the failed one's event.
    let swap = |text: String, field: &str| {
        let (from, to) = (declined.body[field].as_str().unwrap(), shown[field].as_str().unwrap());
        text.replace(from, to)
    };
    let text = swap(swap(swap(failure.to_string(), "id"), "provider_transaction_id"), "provider_request_id");
    let event: Value = serde_json::from_str(&text.replace(failure["id"].as_str().unwrap(), "evt_old_news")).unwrap();
    assert_eq!(post.deliver(&event).await, 200);
    assert_eq!(post.stage.agreed(&id).await, shown);
    let calls = post.client.timeline(&id).await.unwrap();
    assert!(calls.iter().any(|entry| entry["call"] == "look_up"), "the provider was asked: {calls:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_before_the_answer_is_as_good_as_the_answer() {
    let stage = Stage::start().await;
    let client = stage.client();
    stage.fault("slow", 1, 1000).await;
    let made = client.create("early", 1000, "pm_card_visa").await.unwrap();
    assert_eq!((made.status, made.text("status")), (201, "AUTHORIZED"), "{}", made.body);
    stage.quiet().await;
    let timeline = client.timeline(made.text("id")).await.unwrap();
    let authorized: Vec<_> = timeline.iter().filter(|entry| entry["what"] == "authorized").collect();
    assert_eq!(authorized.len(), 1, "{timeline:#?}");
    assert_eq!(authorized[0]["cause"]["type"], "provider_event", "the event came first: else this shows nothing");
    let called: Vec<_> = timeline.iter().filter(|entry| entry["call"] == "authorize").collect();
    assert_eq!((called.len(), &called[0]["outcome"]), (1, &json!("succeeded")), "the answer is in the audit trail");
    stage.agreed(made.text("id")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_no_payment_of_ours_is_404_and_looked_at_again_later() {
    let post = Post::start().await;
    let id = post.authorized("known").await;
    let event = post.event("payment_intent.amount_capturable_updated", &id).await;
    let last = if id.ends_with('0') { '1' } else { '0' };
    let unknown = format!("{}{last}", &id[..id.len() - 1]);
    let stray: Value = serde_json::from_str(&event.to_string().replace(&id, &unknown)).unwrap();
    assert_eq!(post.client.get(&format!("/v1/payments/{unknown}")).await.unwrap().status, 404);
    for _ in 0..2 {
        assert_eq!(post.deliver(&stray).await, 404, "it is not remembered as received");
    }
    // The same event id, now of a payment that is known: it counts.
    assert_eq!(post.deliver(&event).await, 200);
    assert_eq!(post.taken(&id, &event).await.len(), 1);
    // Somebody else's intent, with nothing of ours on it.
    let mut foreign = event.clone();
    foreign["id"] = json!("evt_foreign");
    foreign["data"]["object"]["metadata"] = json!({});
    assert_eq!(post.deliver(&foreign).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stripe_did_not_sign_is_refused() {
    let post = Post::start().await;
    post.stage.fault("charge_then_timeout", 1, 50).await;
    let made = post.client.create("forged", 1000, "pm_card_visa").await.unwrap();
    let id = made.text("id");
    let event = post.event("payment_intent.amount_capturable_updated", id).await;
    let body = event.to_string();
    assert_eq!(post.post(&body, None).await, 401, "no signature");
    assert_eq!(post.post(&body, Some("t=1,v1=00")).await, 401, "nonsense");
    assert_eq!(post.deliver_signed(&body, "whsec_somebody_else", 0).await, 401, "another secret");
    for age in [301, 24 * 3600, -301] {
        assert_eq!(post.deliver_signed(&body, &post.secret, age).await, 401, "signed {age} s ago");
    }
    for no_event in ["", "{}", "[]", "not json", r#"{"object":"event","id":"evt_1"}"#] {
        assert_eq!(post.deliver_signed(no_event, &post.secret, 0).await, 400, "{no_event}");
    }
    assert_eq!(post.client.payment(id).await.unwrap()["status"], "PENDING", "nothing of it counted");
    assert_eq!(post.deliver_signed(&body, &post.secret, 299).await, 200, "within five minutes");
    assert_eq!(post.stage.agreed(id).await["status"], "AUTHORIZED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_body_that_was_changed_is_refused() {
    let post = Post::start().await;
    let id = post.authorized("tampered").await;
    let body = post.event("payment_intent.amount_capturable_updated", &id).await.to_string();
    let time = post.now().await;
    let mut mac = Hmac::<Sha256>::new_from_slice(post.secret.as_bytes()).unwrap();
    mac.update(format!("{time}.{body}").as_bytes());
    let signature = format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(post.post(&body.replace("requires_capture", "succeeded"), Some(&signature)).await, 401);
    assert_eq!(post.post(&body, Some(&format!("t={},v1={}", time + 1, &signature[signature.len() - 64..]))).await, 401);
    assert_eq!(post.post(&body, Some(&signature)).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_we_do_not_use_are_taken_without_effect() {
    let post = Post::start().await;
    let id = post.authorized("unused").await;
    let before = post.stage.agreed(&id).await;
    for kind in ["charge.succeeded", "customer.created", "payout.paid", "invented.tomorrow"] {
        let event =
            json!({"object": "event", "id": format!("evt_{kind}"), "type": kind, "data": {"object": {"id": "x"}}});
        assert_eq!(post.deliver(&event).await, 200, "{kind}");
    }
    assert_eq!(post.stage.agreed(&id).await, before);
    let nobody = format!("{}/webhooks/providers/nobody", post.stage.url());
    let (status, _) = post.stage.http().json(http::Method::POST, &nobody, &json!({})).await;
    assert_eq!(status, 404, "a provider that is not on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_needs_an_answer_is_not_taken_while_the_provider_is_away() {
    let post = Post::start().await;
    let id = post.authorized("away").await;
    let mut event = post.event("payment_intent.amount_capturable_updated", &id).await;
    // A cancellation can be old: the provider is asked.
    event["data"]["object"]["status"] = json!("canceled");
    post.client.fault("stripe", &json!({"kind": "unreachable", "times": 1})).await.unwrap();
    assert_eq!(post.deliver(&event).await, 503, "the provider is to send it again");
    assert!(post.taken(&id, &event).await.is_empty());
    assert_eq!(post.deliver(&event).await, 200);
    assert_eq!(post.stage.agreed(&id).await["status"], "AUTHORIZED", "it was not cancelled after all");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_does_at_the_provider_is_adopted_by_its_event() {
    let stage = Stage::start().await;
    let client = stage.client();
    for (path, becomes) in [("capture", "CAPTURED"), ("cancel", "VOIDED")] {
        let made = client.create(path, 1000, "pm_card_visa").await.unwrap();
        stage.quiet().await;
        at_the_dashboard(&stage, &made.body, path).await;
        stage.quiet().await;
        assert_eq!(stage.agreed(made.text("id")).await["status"], becomes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_did_at_the_provider_unheard_is_found_by_our_own_call() {
    let post = Post::start().await;
    for (path, becomes) in [("capture", "CAPTURED"), ("cancel", "VOIDED")] {
        for ours in ["capture", "void"] {
            let key = format!("{path}-{ours}");
            let made = post.client.create(&key, 1000, "pm_card_visa").await.unwrap();
            at_the_dashboard(&post.stage, &made.body, path).await;
            for _ in 0..2 {
                let answer = match ours {
                    "capture" => post.client.capture(made.text("id"), &key, None).await.unwrap(),
                    _ => post.client.void(made.text("id"), &key).await.unwrap(),
                };
                let wanted = (path == "capture") == (ours == "capture");
                let expected = if wanted { (200, "") } else { (422, "provider_refused") };
                assert_eq!((answer.status, answer.text("code")), expected, "{key}: {}", answer.body);
            }
            assert_eq!(post.stage.agreed(made.text("id")).await["status"], becomes, "{key}");
        }
    }
}

/// Does something to the payment's intent beside the gateway.
pub(crate) async fn at_the_dashboard(stage: &Stage, payment: &Value, path: &str) {
    let intent = payment["provider_transaction_id"].as_str().unwrap();
    let request = Request::post(format!("{}/stripe/v1/payment_intents/{intent}/{path}", stage.providers_url()))
        .header("authorization", "Bearer sk_test_dashboard")
        .header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(stage.http().send(request.body(Bytes::new()).unwrap()).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorization_that_expires_at_the_provider_is_voided() {
    let stage = Stage::start().await;
    let client = stage.client();
    let made = client.create("expires", 1000, "pm_card_visa").await.unwrap();
    client.advance(9 * 24 * 3600).await.unwrap();
    stage.quiet().await;
    assert_eq!(stage.agreed(made.text("id")).await["status"], "VOIDED");
    let late = client.capture(made.text("id"), "late", None).await.unwrap();
    assert_eq!((late.status, late.text("code")), (409, "payment_state_conflict"));
}
