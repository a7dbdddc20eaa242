//! The bank behind real sockets, beside the other providers: its paths, its faults and books, and events that arrive.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, routing::post};
use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tollgate_simulators::{SandboxTime, Settings, Simulators, serve};

use super::client::{AUDIENCE, CONSENTS, Client, HOST, PAYMENTS, consent, id_of, payment, status, verified};
use crate::{
    account::noon,
    ports::{client as http_client, ports},
};

/// What a receiver of events got.
type Inbox = Arc<Mutex<Vec<String>>>;

async fn receive(State(inbox): State<Inbox>, token: String) -> StatusCode {
    inbox.lock().unwrap().push(token);
    StatusCode::ACCEPTED
}

struct Town {
    url: String,
    http: reqwest::Client,
    inbox: Inbox,
}

impl Town {
    async fn open() -> Self {
        let ports = ports(Arc::new(SandboxTime::simulated(noon())));
        let settings = Settings { data: None, public_url: Some("http://bank.test".into()) };
        let simulators = Simulators::open(settings, ports.clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        ports.spawn.spawn(Box::pin(async move {
            serve(listener, simulators, std::future::pending()).await.unwrap();
        }));
        let inbox = Inbox::default();
        let hooks = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hook = format!("http://{}/hook", hooks.local_addr().unwrap());
        let router = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&inbox));
        ports.spawn.spawn(Box::pin(async move { axum::serve(hooks, router).await.unwrap() }));
        let town = Self { url, http: http_client(), inbox };
        let endpoint = json!({"provider": "bank", "url": hook, "secret": AUDIENCE});
        town.send(
            Request::put(format!("{}/control/webhook-endpoint", town.url)).body(endpoint.to_string().into()).unwrap(),
        )
        .await;
        town
    }

    /// Sends `request` to where the bank really is.
    async fn send(&self, request: Request<Bytes>) -> (u16, Value) {
        let mut request = reqwest::Request::try_from(request).unwrap();
        let there = request.url().as_str().replace("http://bank.test", &self.url);
        *request.url_mut() = there.parse().unwrap();
        let answer = self.http.execute(request).await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        self.send(Request::get(format!("{}{path}", self.url)).body(Bytes::new()).unwrap()).await.1
    }

    async fn token(&self, client: &mut Client) -> String {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let assertion = client.assertion();
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "payments"),
            ("client_assertion_type", kind),
            ("client_assertion", &assertion),
        ];
        let request = Request::post(format!("{HOST}/oauth2/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(serde_urlencoded::to_string(form).unwrap().into())
            .unwrap();
        self.send(request).await.1["access_token"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn the_bank_is_served_beside_the_others() {
    let town = Town::open().await;
    let mut client = Client::new();
    let token = town.token(&mut client).await;
    let (code, made) = town.send(client.request(&token, CONSENTS, "k", &consent("debtor-ok"))).await;
    assert_eq!((code, status(&made).as_str()), (201, "AUTH"));
    let id = id_of(&made, "ConsentId");

    let fault = json!({"kind": "charge_then_timeout", "times": 1, "ms": 20}).to_string();
    let faults = format!("{}/sandbox/providers/bank/faults", town.url);
    assert_eq!(town.send(Request::post(faults).body(fault.into()).unwrap()).await.0, 200);
    let request = client.request(&token, PAYMENTS, "p", &payment(&id, &consent("debtor-ok")));
    let mut lost = reqwest::Request::try_from(request.clone()).unwrap();
    *lost.url_mut() = lost.url().as_str().replace("http://bank.test", &town.url).parse().unwrap();
    assert!(town.http.execute(lost).await.unwrap_err().is_request());
    let (code, paid) = town.send(request).await;
    assert_eq!((code, status(&paid).as_str()), (201, "ACSC"));

    let books = town.get("/sandbox/providers/bank/transactions").await;
    assert_eq!(books.as_array().unwrap().len(), 1);
    assert_eq!((&books[0]["provider_transaction_id"], &books[0]["captured"]), (&json!(id), &json!(1000)));
    assert_eq!(town.get("/control/quiet?timeout_ms=5000").await["quiet"], true);
    let keys = town.get("/bank/jwks").await;
    let tokens = std::mem::take(&mut *town.inbox.lock().unwrap());
    assert_eq!(tokens.len(), 3);
    for token in tokens {
        assert_eq!(verified(&keys, &token, None).1["iss"], HOST);
    }
}

#[tokio::test]
async fn moving_the_clock_settles_what_is_slow() {
    let town = Town::open().await;
    let mut client = Client::new();
    let token = town.token(&mut client).await;
    let (_, made) = town.send(client.request(&token, CONSENTS, "k", &consent("debtor-slow"))).await;
    let body = payment(&id_of(&made, "ConsentId"), &consent("debtor-slow"));
    let (_, paid) = town.send(client.request(&token, PAYMENTS, "p", &body)).await;
    assert_eq!(status(&paid), "RCVD");
    assert_eq!(town.get("/control/due").await["next_due"], "2026-11-20T12:00:05Z");
    let clock = json!({"now": "2026-11-20T12:01:00Z"}).to_string();
    town.send(Request::put(format!("{}/control/clock", town.url)).body(clock.into()).unwrap()).await;
    assert_eq!(town.get("/sandbox/providers/bank/transactions").await[0]["status"], "ACSC");
    assert_eq!(town.inbox.lock().unwrap().len(), 5);
}
