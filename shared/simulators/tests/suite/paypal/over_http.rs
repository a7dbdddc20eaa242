//! The shell: PayPal over real sockets, beside the others.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, routing::post};
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tollgate_simulators::{SandboxTime, Settings, Simulators, serve};

use super::account::{order, vault};
use crate::{
    account::noon,
    ports::{client, ports},
};

type Received = Arc<Mutex<Vec<(HeaderMap, String)>>>;

struct House {
    url: String,
    client: reqwest::Client,
    token: String,
    received: Received,
}

impl House {
    async fn open() -> Self {
        async fn receive(State(received): State<Received>, headers: HeaderMap, body: String) {
            received.lock().unwrap().push((headers, body));
        }
        let ports = ports(Arc::new(SandboxTime::simulated(noon())));
        let simulators = Simulators::open(Settings::default(), ports.clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        ports.spawn.spawn(Box::pin(async move {
            serve(listener, simulators, std::future::pending()).await.unwrap();
        }));
        let received = Received::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hook = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&received));
        ports.spawn.spawn(Box::pin(async move { axum::serve(listener, router).await.unwrap() }));
        let mut house = Self { url, client: client(), token: String::new(), received };
        let endpoint = json!({"provider": "paypal", "url": hook, "secret": "WEBHOOK1"});
        house
            .send(house.client.put(format!("{}/control/webhook-endpoint", house.url)).body(endpoint.to_string()))
            .await;
        let asked = house.client.post(format!("{}/paypal/v1/oauth2/token", house.url)).basic_auth("a", Some("b"));
        let form =
            asked.header("content-type", "application/x-www-form-urlencoded").body("grant_type=client_credentials");
        let answer = house.send(form).await;
        answer["access_token"].as_str().unwrap().clone_into(&mut house.token);
        house
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let text = request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}/paypal{path}", self.url)).bearer_auth(&self.token);
        let request = request.header("paypal-request-id", key).header("content-type", "application/json");
        self.send(request.body(body.to_string())).await
    }

    async fn get(&self, path: &str) -> Value {
        self.send(self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token)).await
    }
}

#[tokio::test]
async fn a_payment_its_books_its_faults_and_its_webhooks() {
    let house = House::open().await;
    let id = house.post("/v2/checkout/orders", "order-1", &order("AUTHORIZE")).await["id"].as_str().unwrap().to_owned();
    house.post(&format!("/v2/checkout/orders/{id}/authorize"), "authorize-1", &vault("vault-ok")).await;
    let books = house.get("/sandbox/providers/paypal/transactions").await;
    assert_eq!((&books[0]["provider_transaction_id"], &books[0]["payment_id"]), (&id.into(), &"pay_1".into()));
    assert_eq!(house.get("/sandbox/providers/stripe/transactions").await, json!([]));

    assert_eq!(house.get("/control/quiet?timeout_ms=30000").await["quiet"], true);
    let received = house.received.lock().unwrap().clone();
    let kinds: Vec<bool> = received.iter().map(|(_, body)| body.contains("PAYMENT.AUTHORIZATION.CREATED")).collect();
    assert_eq!(kinds, [true, false]);
    let certificate = received[0].0["paypal-cert-url"].to_str().unwrap();
    assert!(certificate.starts_with(&format!("{}/paypal/v1/notifications/certs/CERT-", house.url)), "{certificate}");
    let pem = house.client.get(certificate).send().await.unwrap().text().await.unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n"), "{pem}");

    let faults = house.client.post(format!("{}/sandbox/providers/paypal/faults", house.url));
    let armed = house.send(faults.body(json!({"kind": "html_502", "times": 1}).to_string())).await;
    assert_eq!(armed[0]["kind"], "html_502");
    let url = format!("{}/paypal/v2/checkout/orders/0", house.url);
    let page = house.client.get(url).bearer_auth(&house.token).send().await.unwrap();
    assert_eq!(page.status(), 502);
}
