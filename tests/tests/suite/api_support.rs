//! A sandbox within the test's process, and a client that can say anything over HTTP, well formed or not.
//!
//! Every answer that passes through here is checked for what all answers have in common: a correlation id, and the shape
//! of a problem where it is one.

use std::{future::Future, path::Path, time::Duration};

use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};
use tollgate_runtime::{SystemClock, system::within};
use tollgate_sandbox::serve::{ClockMode, Sandbox, ServeOptions};

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(40);

/// A card number that no issuer gave to anybody.
pub(crate) const CARD: &str = "4242424242424242";

/// A sandbox that serves until it is dropped.
pub(crate) struct World {
    pub(crate) address: String,
    pub(crate) api_key: String,
    pub(crate) other_api_key: String,
    pub(crate) limited_api_key: String,
    pub(crate) data: TempDir,
    _stop: oneshot::Sender<()>,
}

impl World {
    /// Time stands at noon until it is moved.
    pub(crate) async fn start() -> Self {
        Self::start_with(ClockMode::NOON, None).await
    }

    /// Time stands at `from`.
    pub(crate) async fn start_at(from: jiff::Timestamp) -> Self {
        Self::start_with(ClockMode::Simulated { from: Some(from) }, None).await
    }

    /// Time runs by itself.
    pub(crate) async fn start_in_real_time() -> Self {
        Self::start_with(ClockMode::Real, None).await
    }

    /// On simulated providers that run elsewhere.
    pub(crate) async fn start_on(providers_url: &str) -> Self {
        Self::start_with(ClockMode::NOON, Some(providers_url.to_owned())).await
    }

    #[allow(clippy::disallowed_methods, reason = "serves beside the test")]
    async fn start_with(clock: ClockMode, providers_url: Option<String>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let options =
            ServeOptions { port: 0, data: Some(data.path().to_owned()), providers_url, clock, environment: false };
        let sandbox = Sandbox::start(options).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(sandbox.serve(async {
            // Told to stop, or the test is over.
            _ = stopped.await;
        }));
        Self::at(data, stop)
    }

    fn at(data: TempDir, stop: oneshot::Sender<()>) -> Self {
        let identity = identity(data.path());
        let text = |field: &str| identity[field].as_str().unwrap().to_owned();
        Self {
            address: text("url").strip_prefix("http://").unwrap().to_owned(),
            api_key: text("api_key"),
            other_api_key: text("other_api_key"),
            limited_api_key: text("limited_api_key"),
            data,
            _stop: stop,
        }
    }

    /// A request as the first merchant would make it.
    pub(crate) fn get(&self, path: &str) -> Request {
        Request::new("GET", path).with("x-api-key", &self.api_key)
    }

    /// Likewise, with a JSON body and a fresh key.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Request {
        self.post_bytes(path, body.to_string().as_bytes())
    }

    /// Likewise, with a body that claims to be JSON.
    pub(crate) fn post_bytes(&self, path: &str, body: &[u8]) -> Request {
        self.post_nothing(path).with("content-type", "application/json").body(body)
    }

    /// Likewise, without a body.
    pub(crate) fn post_nothing(&self, path: &str) -> Request {
        Request::new("POST", path).with("x-api-key", &self.api_key).with("idempotency-key", fresh_key())
    }

    /// Sends it on a connection of its own, and checks what every answer must have.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        let what = format!("{} {}", request.method, request.path.chars().take(120).collect::<String>());
        let answer = exchange(&self.address, &request.to_bytes()).await.unwrap_or_else(|| panic!("{what}: no answer"));
        answer.check(&what);
        super::api_openapi::is_described(&request.method, &request.path, &answer);
        answer
    }

    /// Likewise, where a problem is a page for people.
    pub(crate) async fn send_page(&self, request: Request) -> Answer {
        let answer = exchange(&self.address, &request.to_bytes()).await.expect("an answer");
        assert!(answer.header("x-correlation-id").is_some(), "{}", answer.text());
        answer
    }

    /// Something comes to the merchant's endpoint, whose answers are none of ours.
    pub(crate) async fn arrives(&self, request: Request) {
        let answer = exchange(&self.address, &request.to_bytes()).await.expect("the merchant's endpoint answers");
        answer.expect(200);
    }

    /// A payment by card that must have come to `status`.
    pub(crate) async fn payment(&self, card: &str, status: &str) -> Value {
        let answer = self.send(self.post("/v1/payments", &order(1000, card))).await;
        let payment = answer.json();
        assert_eq!(payment["status"], status, "{card}: {payment}");
        payment
    }

    /// The payment as it now is.
    pub(crate) async fn look_at(&self, id: &str) -> Value {
        self.send(self.get(&format!("/v1/payments/{id}"))).await.expect(200).json()
    }

    /// How many payments the first merchant has, up to a page.
    pub(crate) async fn count(&self) -> usize {
        let list = self.send(self.get("/v1/payments?limit=100")).await.expect(200).json();
        list["data"].as_array().unwrap().len()
    }

    /// Moves the simulated clock.
    pub(crate) async fn advance(&self, seconds: u64) {
        let body = json!({"advance_seconds": seconds});
        self.send(self.post("/sandbox/clock", &body)).await.expect(200);
    }

    /// Arms a fault at simulated Stripe.
    pub(crate) async fn fault(&self, fault: &Value) {
        self.send(self.post("/sandbox/providers/stripe/faults", fault)).await.expect(200);
    }

    /// Stripe's own books.
    pub(crate) async fn transactions(&self) -> Vec<Value> {
        let answer = self.send(self.get("/sandbox/providers/stripe/transactions")).await.expect(200);
        answer.json().as_array().unwrap().clone()
    }
}

/// `sandbox.json`.
pub(crate) fn identity(data: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(data.join("sandbox.json")).unwrap()).unwrap()
}

/// The body of a payment of so many yen.
pub(crate) fn order(amount: i64, card: &str) -> Value {
    json!({"amount": amount, "currency": "JPY", "payment_method": {"stripe": card}})
}

/// A key that was never used.
pub(crate) fn fresh_key() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("key-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Bounded in time: a test that waits for ever tells nothing.
pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> T {
    within(&SystemClock::start(), PATIENCE, work).await.expect("an answer in time")
}

/// Sends `bytes` and takes what comes until the connection ends. `None`: no HTTP answer came.
pub(crate) async fn exchange(address: &str, bytes: &[u8]) -> Option<Answer> {
    in_time(async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // A server that refuses early may close while we still send; what it answered counts.
        _ = stream.write_all(bytes).await;
        _ = stream.flush().await;
        let mut received = Vec::new();
        _ = stream.read_to_end(&mut received).await;
        Answer::read(&received)
    })
    .await
}

/// A request, down to its bytes.
#[derive(Clone)]
pub(crate) struct Request {
    method: String,
    pub(crate) path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: None }
    }

    /// Adds a header, beside any of that name.
    pub(crate) fn and(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets a header.
    pub(crate) fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).and(name, value)
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    pub(crate) fn method(mut self, method: &Method) -> Self {
        method.as_str().clone_into(&mut self.method);
        self
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", self.method, self.path).into_bytes();
        if !self.headers.iter().any(|(name, _)| name == "host") {
            bytes.extend_from_slice(b"host: sandbox\r\n");
        }
        let declared = self.headers.iter().any(|(name, _)| name == "content-length" || name == "transfer-encoding");
        if let Some(body) = self.body.as_ref().filter(|_| !declared) {
            bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// An answer, down to its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        if (100..200).contains(&status) {
            return Self::read(&bytes[end + 4..]);
        }
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Some(Self { status, headers, body: bytes[end + 4..].to_owned() })
    }

    /// The only header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} comes once");
        value
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("answers are UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The code of a problem.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The places that a problem names.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }

    /// The answer, which must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The answer, which must be this problem.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str, what: &str) -> Self {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{what}: {}", self.text());
        self
    }

    /// What every answer must have.
    fn check(&self, what: &str) {
        let id = self.header("x-correlation-id").unwrap_or_else(|| panic!("{what}: no X-Correlation-Id"));
        let visible = (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        assert!(visible, "{what}: X-Correlation-Id {id:?}");
        if self.status >= 400 && !self.body.is_empty() {
            self.check_problem(what, id);
        }
    }

    fn check_problem(&self, what: &str, correlation_id: &str) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{what}: {}", self.text());
        let problem = self.json();
        let text = |name: &str| {
            let text = problem[name].as_str();
            text.filter(|text| !text.is_empty()).unwrap_or_else(|| panic!("{what}: no {name} in {problem}"))
        };
        assert_eq!(text("type"), format!("/problems/{}", text("code")), "{what}");
        assert_eq!(problem["status"], self.status, "{what}");
        assert_eq!(text("correlation_id"), correlation_id, "{what}");
        _ = (text("title"), text("detail"));
        let mut known = vec!["type", "title", "status", "detail", "code", "correlation_id"];
        if let Some(errors) = problem.get("errors") {
            known.push("errors");
            for error in errors.as_array().unwrap() {
                assert!(error["pointer"].is_string() && error["detail"].is_string(), "{what}: {error}");
                assert_eq!(error.as_object().unwrap().len(), 2, "{what}: {error}");
            }
        }
        assert_eq!(problem.as_object().unwrap().len(), known.len(), "{what}: {problem}");
        let waits = ["idempotency_key_in_use", "operation_in_progress", "rate_limited"];
        if self.status == 503 || waits.contains(&text("code")) {
            let wait = self.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
            assert!(wait.is_some_and(|wait| wait >= 1), "{what}: Retry-After {wait:?}");
        }
    }
}
