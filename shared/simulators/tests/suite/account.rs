//! A Stripe account to call inline, with a clock that the test moves.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tollgate_gateway::ports::Entropy;
use tollgate_simulators::{Answer, Endpoint, Fault, FaultKind, Simulator, Stripe};

/// Randomness that repeats, but never within a test.
#[derive(Default)]
pub(crate) struct Counting(pub(crate) AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let next = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            *byte = next.to_be_bytes()[0];
        }
    }
}

pub(crate) struct Account {
    pub(crate) simulator: Simulator,
    pub(crate) now: Timestamp,
}

/// An answer that arrived.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Got {
    pub(crate) fn id(&self) -> String {
        self.json["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text);
        self
    }

    /// Asserts an error with this status and code; answers the error.
    pub(crate) fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.json["error"]["code"].as_str()), (status, Some(code)), "{}", self.text);
        self.json["error"].clone()
    }
}

pub(crate) fn noon() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

pub(crate) fn stripe() -> Stripe {
    Stripe::new(Arc::new(Counting::default()), None)
}

pub(crate) fn request(method: Method, path: &str, key: Option<&str>, params: &[(&str, &str)]) -> Request<Bytes> {
    let form = serde_urlencoded::to_string(params).unwrap();
    let posts = method == Method::POST;
    let query = if posts || form.is_empty() { String::new() } else { format!("?{form}") };
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://stripe.test/stripe{path}{query}"))
        .header("authorization", "Bearer sk_test_tollgate");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    request.body(Bytes::from(if posts { form } else { String::new() })).unwrap()
}

impl Account {
    pub(crate) fn new() -> Self {
        Self { simulator: Simulator::ephemeral(stripe()), now: noon() }
    }

    pub(crate) fn open(folder: &Path) -> Self {
        // The time goes into the ids, so that a reopened account makes others.
        let entropy = Counting(AtomicU64::new(u64::from(std::process::id()) << 32 | next_seed()));
        let stripe = Stripe::new(Arc::new(entropy), None);
        Self { simulator: Simulator::open(stripe, folder).unwrap(), now: noon() }
    }

    pub(crate) fn with_endpoint(mut self) -> Self {
        self.simulator.set_endpoint(Endpoint { url: "http://merchant.test/hook".into(), secret: "whsec_x".into() });
        self
    }

    pub(crate) fn call(&mut self, request: &Request<Bytes>) -> Answer {
        self.simulator.handle(self.now, request)
    }

    fn get_answer(&mut self, request: &Request<Bytes>) -> Got {
        read(self.call(request))
    }

    pub(crate) fn post(&mut self, path: &str, params: &[(&str, &str)]) -> Got {
        self.get_answer(&request(Method::POST, path, None, params))
    }

    pub(crate) fn post_with_key(&mut self, path: &str, key: &str, params: &[(&str, &str)]) -> Got {
        self.get_answer(&request(Method::POST, path, Some(key), params))
    }

    pub(crate) fn get(&mut self, path: &str, params: &[(&str, &str)]) -> Got {
        self.get_answer(&request(Method::GET, path, None, params))
    }

    /// A held authorization of 1000 yen; answers its id.
    pub(crate) fn authorized(&mut self) -> String {
        self.pay("pm_card_visa", "manual").ok().id()
    }

    /// A payment of 1000 yen that was taken; answers its id.
    pub(crate) fn paid(&mut self) -> String {
        self.pay("pm_card_visa", "automatic").ok().id()
    }

    pub(crate) fn pay(&mut self, card: &str, capture: &str) -> Got {
        self.post("/v1/payment_intents", &payment(card, capture))
    }

    pub(crate) fn pass(&mut self, time: SignedDuration) {
        self.now += time;
    }

    pub(crate) fn arm(&mut self, kind: FaultKind, times: u32) {
        self.simulator.arm(Fault { kind, times: Some(times), ms: None }).unwrap();
    }

    /// Delivers every webhook that is due, and answers their kinds in the order they were sent.
    pub(crate) fn delivered(&mut self) -> Vec<String> {
        std::iter::from_fn(|| {
            let webhook = self.simulator.take_webhook(self.now)?;
            self.simulator.webhook_settled(&webhook.event_id, true, self.now);
            Some(kind_of(&webhook.body))
        })
        .collect()
    }
}

pub(crate) fn kind_of(body: &str) -> String {
    let event: Value = serde_json::from_str(body).unwrap();
    event["type"].as_str().unwrap().to_owned()
}

fn next_seed() -> u64 {
    static SEED: AtomicU64 = AtomicU64::new(0);
    SEED.fetch_add(1 << 24, Ordering::Relaxed)
}

pub(crate) fn payment<'a>(card: &'a str, capture: &'a str) -> [(&'a str, &'a str); 7] {
    [
        ("amount", "1000"),
        ("currency", "jpy"),
        ("payment_method", card),
        ("confirm", "true"),
        ("capture_method", capture),
        ("metadata[tollgate_payment_id]", "pay_1"),
        ("metadata[tollgate_request_id]", "req-1"),
    ]
}

pub(crate) fn read(answer: Answer) -> Got {
    let (parts, body) = answer.response.into_parts();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let json = serde_json::from_str(&text).unwrap_or_default();
    Got { status: parts.status.as_u16(), headers: parts.headers, text, json }
}
