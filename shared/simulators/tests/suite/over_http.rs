//! The shell: real sockets, hanging connections, the control plane, and webhooks that arrive.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, routing::post};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tollgate_simulators::{SandboxTime, Settings, Simulators, serve};

use crate::{
    account::{kind_of, noon, payment},
    ports::{client, ports},
};

/// A merchant's endpoint that answers as told, and remembers what came.
#[derive(Default)]
struct Inbox {
    received: Mutex<Vec<String>>,
    answers: Mutex<VecDeque<u16>>,
}

struct House {
    url: String,
    client: reqwest::Client,
    inbox: Arc<Inbox>,
    ports: tollgate_simulators::Ports,
}

impl House {
    async fn open(settings: Settings) -> Self {
        let ports = ports(Arc::new(SandboxTime::simulated(noon())));
        let simulators = Simulators::open(settings, ports.clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        ports.spawn.spawn(Box::pin(async move {
            serve(listener, simulators, std::future::pending()).await.unwrap();
        }));
        let house = Self { url, client: client(), inbox: Arc::default(), ports };
        house.open_inbox().await;
        house
    }

    async fn open_inbox(&self) {
        async fn receive(State(inbox): State<Arc<Inbox>>, body: String) -> StatusCode {
            inbox.received.lock().unwrap().push(kind_of(&body));
            let status = inbox.answers.lock().unwrap().pop_front().unwrap_or(200);
            StatusCode::from_u16(status).unwrap()
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&self.inbox));
        self.ports.spawn.spawn(Box::pin(async move { axum::serve(listener, router).await.unwrap() }));
        let body = json!({"provider": "stripe", "url": url, "secret": "whsec_x"});
        self.put("/control/webhook-endpoint", &body).await;
    }

    async fn put(&self, path: &str, body: &Value) -> Value {
        let sent = self.client.put(format!("{}{path}", self.url)).body(body.to_string()).send().await;
        serde_json::from_str(&sent.unwrap().error_for_status().unwrap().text().await.unwrap()).unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let sent = self.client.get(format!("{}{path}", self.url)).bearer_auth("sk_test_x").send().await;
        serde_json::from_str(&sent.unwrap().error_for_status().unwrap().text().await.unwrap()).unwrap()
    }

    async fn arm(&self, fault: Value) -> Value {
        let path = format!("{}/sandbox/providers/stripe/faults", self.url);
        let sent = self.client.post(path).body(fault.to_string()).send().await.unwrap();
        serde_json::from_str(&sent.error_for_status().unwrap().text().await.unwrap()).unwrap()
    }

    async fn pay(&self, key: &str) -> Result<(u16, String), reqwest::Error> {
        let form = serde_urlencoded::to_string(payment("pm_card_visa", "manual")).unwrap();
        let sent = self
            .client
            .post(format!("{}/stripe/v1/payment_intents", self.url))
            .bearer_auth("sk_test_x")
            .header("idempotency-key", key)
            .body(form)
            .send()
            .await?;
        Ok((sent.status().as_u16(), sent.text().await?))
    }

    async fn received(&self) -> Vec<String> {
        assert_eq!(self.get("/control/quiet?timeout_ms=5000").await["quiet"], true);
        std::mem::take(&mut *self.inbox.received.lock().unwrap())
    }
}

#[tokio::test]
async fn webhooks_arrive_in_order() {
    let house = House::open(Settings::default()).await;
    house.pay("k").await.unwrap();
    assert_eq!(house.received().await, ["payment_intent.created", "payment_intent.amount_capturable_updated"]);
}

#[tokio::test]
async fn moving_the_clock_plays_what_is_due_on_the_way() {
    let house = House::open(Settings::default()).await;
    house.inbox.answers.lock().unwrap().extend([200, 500, 503]);
    house.pay("k").await.unwrap();
    house.received().await;
    assert_eq!(house.get("/control/due").await["next_due"], "2026-11-20T12:00:05Z");
    house.put("/control/clock", &json!({"now": "2026-11-20T12:00:36Z"})).await;
    assert_eq!(house.received().await, vec!["payment_intent.amount_capturable_updated"; 2], "after 5 s and 30 s");

    let moved = house.put("/control/clock", &json!({"now": "2026-11-30T12:00:00Z"})).await;
    assert_eq!(moved["now"], "2026-11-30T12:00:00Z");
    assert_eq!(house.received().await, ["charge.expired", "payment_intent.canceled"]);
    let event = &house.get("/stripe/v1/events?limit=1").await["data"][0];
    let expiry: jiff::Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
    assert_eq!(event["created"], expiry.as_second(), "at its own time, not at the end of the move");
    let back = house.put("/control/clock", &json!({"now": "2026-11-21T12:00:00Z"})).await;
    assert_eq!(back["now"], "2026-11-30T12:00:00Z", "the clock never moves back");
}

#[tokio::test]
async fn a_lost_answer_is_a_closed_connection() {
    let house = House::open(Settings::default()).await;
    for (kind, happened) in [("timeout", 0), ("charge_then_timeout", 1)] {
        house.arm(json!({"kind": kind, "times": 1, "ms": 20})).await;
        let error = house.pay("k").await.unwrap_err();
        assert!(error.is_request(), "{error:?}");
        let books = house.get("/sandbox/providers/stripe/transactions").await;
        assert_eq!(books.as_array().unwrap().len(), happened, "{kind}");
    }
    assert_eq!(house.pay("k").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_truncated_body_ends_too_early() {
    let house = House::open(Settings::default()).await;
    house.arm(json!({"kind": "truncated_body", "times": 1})).await;
    let error = house.pay("k").await.unwrap_err();
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert_eq!(house.pay("k").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_slow_call_keeps_its_key_busy_even_when_the_caller_hangs_up() {
    let house = House::open(Settings::default()).await;
    house.arm(json!({"kind": "slow", "times": 1, "ms": 400})).await;
    #[allow(clippy::disallowed_methods, reason = "a caller's deadline")]
    let gone = tokio::time::timeout(Duration::from_millis(100), house.pay("k")).await;
    assert!(gone.is_err());
    assert_eq!(house.pay("k").await.unwrap().0, 409);
    while house.pay("k").await.unwrap().0 == 409 {}
    let (status, _) = house.pay("k").await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(house.get("/sandbox/providers/stripe/transactions").await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn faults_are_armed_shown_and_cleared() {
    let house = House::open(Settings::default()).await;
    house.arm(json!({"kind": "drop_webhooks", "times": 1})).await;
    let armed = house.arm(json!({"kind": "slow", "ms": 5})).await;
    assert_eq!(
        armed,
        json!([{"kind": "drop_webhooks", "times": 1, "ms": null}, {"kind": "slow", "times": null, "ms": 5}])
    );
    let faults = format!("{}/sandbox/providers/stripe/faults", house.url);
    let cleared = house.client.delete(&faults).send().await.unwrap().text().await.unwrap();
    assert_eq!(cleared, "[]");
    for body in [r#"{"kind":"unreachable"}"#, r#"{"kind":"gremlins"}"#, "[]"] {
        let refused = house.client.post(&faults).body(body).send().await.unwrap();
        assert_eq!(refused.status(), 400, "{body}");
    }
    let unknown = format!("{}/sandbox/providers/nobody/transactions", house.url);
    assert_eq!(house.client.get(unknown).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_swapped_webhook_arrives_even_if_nothing_follows() {
    let house = House::open(Settings::default()).await;
    house.arm(json!({"kind": "reorder_webhooks", "times": 1})).await;
    house.pay("k").await.unwrap();
    assert_eq!(house.received().await, ["payment_intent.created", "payment_intent.amount_capturable_updated"]);
}

#[tokio::test]
async fn the_clock_and_the_endpoint_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { data: Some(folder.path().to_owned()), public_url: None };
    let house = House::open(settings.clone()).await;
    house.put("/control/clock", &json!({"now": "2026-12-01T00:00:00Z"})).await;
    house.pay("k").await.unwrap();
    house.received().await;

    let time = Arc::new(SandboxTime::real());
    let again = Simulators::open(settings, ports(Arc::clone(&time))).unwrap();
    assert!(time.is_simulated());
    let expires = "2026-12-08T00:00:00Z".parse().unwrap();
    assert_eq!(again.next_due(), Some(expires));
    again.move_clock(Some(expires)).await;
    assert_eq!(house.received().await, ["charge.expired", "payment_intent.canceled"]);
}
