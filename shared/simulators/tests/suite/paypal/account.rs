//! A PayPal account to call inline, with a clock that the test moves.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tollgate_gateway::ports::Entropy;
use tollgate_simulators::{Answer, Endpoint, Fault, FaultKind, PayPal, Simulator, Transaction};

use crate::account::{Counting, noon, read};

/// The system's randomness, for keys.
struct Random;

impl Entropy for Random {
    #[allow(clippy::disallowed_methods, reason = "a test's entropy port")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}

pub(super) struct Account {
    pub(super) simulator: Simulator,
    pub(super) now: Timestamp,
    token: String,
}

/// An answer that arrived.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) json: Value,
    pub(super) location: Option<String>,
}

impl Got {
    pub(super) fn id(&self) -> String {
        self.json["id"].as_str().unwrap().to_owned()
    }

    pub(super) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Asserts an error with this status and issue; answers the error.
    pub(super) fn refused(self, status: u16, issue: &str) -> Value {
        assert_eq!((self.status, self.json["details"][0]["issue"].as_str()), (status, Some(issue)), "{}", self.text);
        self.json
    }

    /// Where the link with this relation leads.
    pub(super) fn link(&self, rel: &str) -> Option<String> {
        let links = self.json["links"].as_array()?;
        links.iter().find(|link| link["rel"] == rel).map(|link| link["href"].as_str().unwrap().to_owned())
    }
}

impl From<Answer> for Got {
    fn from(answer: Answer) -> Self {
        let got = read(answer);
        let location = got.headers.get("location").map(|value| value.to_str().unwrap().to_owned());
        Self { status: got.status, text: got.text, json: got.json, location }
    }
}

/// What a call brings along besides its body.
#[derive(Default, Clone, Copy)]
pub(super) struct With<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) whole: bool,
}

pub(super) fn vault(id: &str) -> Value {
    json!({"payment_source": {"paypal": {"vault_id": id}}})
}

pub(super) fn usd(value: &str) -> Value {
    json!({"amount": {"currency_code": "USD", "value": value}})
}

/// An order over 100 dollars.
pub(super) fn order(intent: &str) -> Value {
    json!({
        "intent": intent,
        "purchase_units": [{
            "custom_id": "pay_1",
            "invoice_id": "inv-1",
            "description": "A book",
            "amount": {"currency_code": "USD", "value": "100.00"},
        }],
        "application_context": {
            "return_url": "https://shop.test/back?cart=7#top",
            "cancel_url": "https://shop.test/cancelled",
        },
    })
}

impl Account {
    pub(super) fn new() -> Self {
        Self::around(Simulator::ephemeral(PayPal::new(Arc::new(Counting::default()), None)))
    }

    /// An account whose webhooks are signed, by a real key.
    pub(super) fn with_endpoint() -> Self {
        let mut account = Self::around(Simulator::ephemeral(PayPal::new(Arc::new(Random), None)));
        account.set_endpoint();
        account
    }

    pub(super) fn open(folder: &Path) -> Self {
        Self::around(Simulator::open(PayPal::new(Arc::new(Random), None), folder).unwrap())
    }

    fn around(simulator: Simulator) -> Self {
        Self { simulator, now: noon(), token: String::new() }
    }

    pub(super) fn set_endpoint(&mut self) {
        let url = "http://merchant.test/hook".into();
        self.simulator.set_endpoint(Endpoint { url, secret: "8PT597110X687430LKGECATA".into() });
    }

    pub(super) fn call(&mut self, request: &Request<Bytes>) -> Answer {
        self.simulator.handle(self.now, request)
    }

    /// A token of this account, asked for once.
    pub(super) fn token(&mut self) -> String {
        if self.token.is_empty() {
            let got: Got = self.call(&token_request("Basic Y2xpZW50OnNlY3JldA==", "client_credentials")).into();
            got.clone().is(200).json["access_token"].as_str().unwrap().clone_into(&mut self.token);
        }
        self.token.clone()
    }

    pub(super) fn forget_token(&mut self) {
        self.token.clear();
    }

    pub(super) fn request(&mut self, method: &Method, path: &str, with: With, body: &Value) -> Request<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://paypal.test/paypal{path}"))
            .header("authorization", format!("Bearer {}", self.token()));
        if *method == Method::POST {
            request = request.header("content-type", "application/json");
        }
        if let Some(id) = with.id {
            request = request.header("paypal-request-id", id);
        }
        if with.whole {
            request = request.header("prefer", "return=representation");
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        request.body(body.into()).unwrap()
    }

    pub(super) fn send(&mut self, path: &str, with: With, body: &Value) -> Got {
        let request = self.request(&Method::POST, path, with, body);
        self.call(&request).into()
    }

    /// Sends with a request id, and wants the whole object back.
    pub(super) fn post(&mut self, path: &str, id: &str, body: &Value) -> Got {
        self.send(path, With { id: Some(id), whole: true }, body)
    }

    pub(super) fn get(&mut self, path: &str) -> Got {
        let request = self.request(&Method::GET, path, With::default(), &Value::Null);
        self.call(&request).into()
    }

    /// An order that waits for its payment; answers its id.
    pub(super) fn ordered(&mut self, intent: &str, key: &str) -> String {
        let mut order = order(intent);
        order["purchase_units"][0]["invoice_id"] = key.into();
        self.post("/v2/checkout/orders", key, &order).is(201).id()
    }

    /// An order of 100 dollars that is held; answers the order's id and the authorization's.
    pub(super) fn authorized_by(&mut self, token: &str, key: &str) -> (String, String) {
        let order = self.ordered("AUTHORIZE", key);
        let path = format!("/v2/checkout/orders/{order}/authorize");
        let paid = self.post(&path, &format!("{key}-authorize"), &vault(token)).is(201);
        let held = &paid.json["purchase_units"][0]["payments"]["authorizations"][0];
        (order, held["id"].as_str().unwrap().to_owned())
    }

    pub(super) fn authorized(&mut self) -> (String, String) {
        self.authorized_by("vault-ok", "order-1")
    }

    /// 100 dollars that were taken; answers the order's id and the capture's.
    pub(super) fn captured_by(&mut self, token: &str) -> (String, String) {
        let (order, held) = self.authorized_by(token, "order-1");
        let path = format!("/v2/payments/authorizations/{held}/capture");
        let capture = self.post(&path, "capture-1", &json!({"final_capture": true})).is(201);
        (order, capture.id())
    }

    pub(super) fn captured(&mut self) -> (String, String) {
        self.captured_by("vault-ok")
    }

    pub(super) fn authorization(&mut self, id: &str) -> Value {
        self.get(&format!("/v2/payments/authorizations/{id}")).is(200).json
    }

    pub(super) fn order(&mut self, id: &str) -> Value {
        self.get(&format!("/v2/checkout/orders/{id}")).is(200).json
    }

    /// The account's one transaction.
    pub(super) fn transaction(&self) -> Transaction {
        let [transaction] = self.simulator.transactions().try_into().unwrap();
        transaction
    }

    pub(super) fn pass(&mut self, time: SignedDuration) {
        self.now += time;
        self.simulator.advance(self.now);
    }

    pub(super) fn arm(&mut self, kind: FaultKind) {
        self.simulator.arm(Fault { kind, times: Some(1), ms: None }).unwrap();
    }

    /// Delivers every webhook that is due, and answers their bodies in the order they were sent.
    pub(super) fn delivered(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| {
            let webhook = self.simulator.take_webhook(self.now)?;
            self.simulator.webhook_settled(&webhook.event_id, true, self.now);
            Some(serde_json::from_str(&webhook.body).unwrap())
        })
        .collect()
    }

    /// As [`delivered`](Self::delivered), their kinds only.
    pub(super) fn kinds(&mut self) -> Vec<String> {
        self.delivered().iter().map(|event| event["event_type"].as_str().unwrap().to_owned()).collect()
    }
}

pub(super) fn token_request(authorization: &str, grant: &str) -> Request<Bytes> {
    Request::post("http://paypal.test/paypal/v1/oauth2/token")
        .header("authorization", authorization)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("grant_type={grant}").into())
        .unwrap()
}
