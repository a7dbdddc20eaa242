//! A sandbox and its simulated providers as processes of their own: to be killed, started again on the same data, and
//! compared with the providers' own books. Everything ends with the test, whatever becomes of it.
#![allow(clippy::unwrap_used, reason = "a test whose stage breaks fails right there")]

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_gateway::ports::{HttpClient, Time};
use tollgate_providers::{HttpSettings, ReqwestClient};
use tollgate_runtime::SystemClock;
use tollgate_sandbox::{
    client::Client,
    process::{Process, client_of, identity_of},
    serve::ClockMode,
};

use crate::program::program;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
/// The same over every restart, unlike the sandbox's port: what is sent again is then the same to the byte.
const PUBLIC_URL: (&str, &str) = ("PUBLIC_URL", "http://127.0.0.1:9");
/// A call that hangs is given up sooner than in production, so that tests are short.
const SHORT_CALLS: (&str, &str) = ("PROVIDER_TIMEOUT_MS", "1500");

/// A test breaks a provider more often than a circuit breaker would bear: drill C2 is about that.
const NO_BREAKER: (&str, &str) = ("BREAKER_WINDOW", "1000");

/// The processes and their folder.
pub struct Stage {
    sandbox: Option<Process>,
    providers: Process,
    clock: ClockMode,
    environment: Vec<(&'static str, &'static str)>,
    http: Http,
    folder: TempDir,
}

impl Stage {
    /// Providers and a sandbox, whose clock stands at noon.
    pub async fn start() -> Self {
        Self::start_with(ClockMode::NOON, &[]).await
    }

    /// A sandbox that goes by the same public address after every restart.
    pub async fn with_a_public_address() -> Self {
        Self::start_with(ClockMode::NOON, &[PUBLIC_URL]).await
    }

    /// Its clock stands at the present, so that what knows the real time alone can go on with its data.
    pub async fn at_the_present() -> Self {
        Self::start_with(ClockMode::KEPT, &[]).await
    }

    /// With these variables set, at noon.
    pub async fn with(environment: &[(&'static str, &'static str)]) -> Self {
        Self::start_with(ClockMode::NOON, environment).await
    }

    async fn start_with(clock: ClockMode, environment: &[(&'static str, &'static str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let providers =
            Process::providers(&program("tollgate-sandbox"), &folder.path().join("providers")).await.unwrap();
        let environment = [SHORT_CALLS, NO_BREAKER].into_iter().chain(environment.iter().copied()).collect();
        let mut stage = Self { sandbox: None, providers, clock, environment, http: Http::new(), folder };
        stage.restart().await;
        stage
    }

    /// Starts the sandbox again on the same data.
    pub async fn restart(&mut self) {
        let program = program("tollgate-sandbox");
        let (data, url) = (self.data(), &self.providers.url);
        self.sandbox = Some(Process::sandbox(&program, &data, url, self.clock, &self.environment).await.unwrap());
        self.clock = ClockMode::KEPT;
    }

    /// SIGKILL to the sandbox.
    pub async fn kill(&mut self) {
        self.sandbox.take().unwrap().kill().await.unwrap();
    }

    /// Waits until the sandbox died at its fail point.
    pub async fn died(&mut self) {
        self.sandbox.take().unwrap().died().await.unwrap();
    }

    /// Where the sandbox keeps its data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("sandbox")
    }

    /// Where the sandbox serves.
    pub fn url(&self) -> &str {
        &self.sandbox.as_ref().unwrap().url
    }

    /// Where the providers are.
    pub fn providers_url(&self) -> &str {
        &self.providers.url
    }

    /// The first merchant, on fresh connections: those to a process that was killed are dead.
    pub fn client(&self) -> Client {
        client_of(&self.data()).unwrap()
    }

    /// The second merchant.
    pub fn other_merchant(&self) -> Client {
        self.client().with_key(identity_of(&self.data()).unwrap()["other_api_key"].as_str().unwrap())
    }

    /// Plain HTTP, for what is neither merchant nor provider.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// Arms a fault at Stripe, for so many calls or events.
    pub async fn fault(&self, kind: &str, times: u32, ms: u64) {
        self.arm("stripe", &json!({"kind": kind, "times": times, "ms": ms})).await;
    }

    /// Arms a fault at Stripe until it is cleared.
    pub async fn lasting_fault(&self, kind: &str) {
        self.arm("stripe", &json!({"kind": kind})).await;
    }

    /// Arms a fault at any provider.
    pub async fn arm(&self, provider: &str, fault: &Value) {
        let url = format!("{}/sandbox/providers/{provider}/faults", self.providers.url);
        assert_eq!(self.http.json(Method::POST, &url, fault).await.0, 200, "{fault}");
    }

    /// Disarms everything at a provider.
    pub async fn disarm(&self, provider: &str) {
        let url = format!("{}/sandbox/providers/{provider}/faults", self.providers.url);
        assert_eq!(self.http.json(Method::DELETE, &url, &Value::Null).await.0, 200);
    }

    /// Waits until no event is on its way.
    pub async fn quiet(&self) {
        let url = format!("{}/control/quiet?timeout_ms=20000", self.providers.url);
        let (_, body) = self.http.json(Method::GET, &url, &Value::Null).await;
        assert_eq!(body["quiet"], true, "the providers' events do not come to an end");
    }

    /// Stripe's own books.
    pub async fn transactions(&self) -> Vec<Value> {
        self.books("stripe").await
    }

    /// A provider's own books.
    pub async fn books(&self, provider: &str) -> Vec<Value> {
        let url = format!("{}/sandbox/providers/{provider}/transactions", self.providers.url);
        self.http.json(Method::GET, &url, &Value::Null).await.1.as_array().unwrap().clone()
    }

    /// What Stripe's books have of a payment.
    pub async fn charges_of(&self, payment: &str) -> Vec<Value> {
        let mut transactions = self.transactions().await;
        transactions.retain(|transaction| transaction["payment_id"] == payment);
        transactions
    }

    /// Asks Stripe's API.
    pub async fn stripe(&self, path: &str) -> Value {
        let request = Request::get(format!("{}/stripe/v1/{path}", self.providers.url))
            .header("authorization", "Bearer sk_test_onlooker")
            .body(Bytes::new());
        let answer = self.http.send(request.unwrap()).await;
        assert_eq!(answer.status(), 200, "{path}");
        serde_json::from_slice(answer.body()).unwrap()
    }

    /// The payment as the gateway shows it, which must be what Stripe's books say, by way of a timeline without gaps.
    pub async fn agreed(&self, payment: &str) -> Value {
        let client = self.client();
        let shown = client.payment(payment).await.unwrap();
        assert_true_to_the_books(&shown, &self.charges_of(payment).await);
        assert_timeline(&shown, &client.timeline(payment).await.unwrap());
        shown
    }
}

/// Asserts that `payment` is what the provider's `charges` for it say: one charge at most, in the same state.
pub fn assert_true_to_the_books(payment: &Value, charges: &[Value]) {
    let status = payment["status"].as_str().unwrap();
    let told = format!("{payment:#}\n{charges:#?}");
    let [charge] = charges else {
        assert!(charges.is_empty(), "charged more than once: {told}");
        assert!(matches!(status, "PENDING" | "FAILED"), "nothing was charged: {told}");
        return;
    };
    let fits = match charge["status"].as_str().unwrap() {
        "requires_capture" => status == "AUTHORIZED",
        "succeeded" => status == "CAPTURED",
        // A payer whose turn was ended never held anything.
        "canceled" => status == "VOIDED" || (status == "FAILED" && payment["failure"]["code"] == "voided"),
        "requires_action" => {
            let (sent_there, given_up) = (&payment["next_action"]["type"], &payment["pending_operation"]["type"]);
            status == "PENDING" && (sent_there == "redirect" || given_up == "void")
        }
        "requires_payment_method" => status == "FAILED",
        _ => false,
    };
    assert!(fits, "the books say otherwise: {told}");
    assert_eq!(charge["captured"], payment["amount_captured"], "{told}");
    assert_eq!(charge["amount"], payment["amount"], "{told}");
    assert_eq!(charge["provider_transaction_id"], payment["provider_transaction_id"], "{told}");
    assert_eq!(charge["provider_request_id"], payment["provider_request_id"], "{told}");
}

/// Asserts that a timeline leads to the payment as it is: versions without gaps, each status from the one before.
pub fn assert_timeline(payment: &Value, timeline: &[Value]) {
    let mut version = 0;
    let mut status = Value::Null;
    for entry in timeline.iter().filter(|entry| entry["type"] == "change") {
        version += 1;
        assert_eq!(entry["version"], version, "a gap: {timeline:#?}");
        for step in entry["transitions"].as_array().unwrap() {
            assert_eq!(step["from"], status, "a leap: {timeline:#?}");
            status = step["to"].clone();
        }
    }
    assert_eq!(payment["version"], version, "{timeline:#?}");
    assert_eq!(payment["status"], status, "{timeline:#?}");
}

/// How often a timeline says that `what` happened.
pub fn times(timeline: &[Value], what: &str) -> usize {
    timeline.iter().filter(|entry| entry["what"] == what).count()
}

/// Waits until `reached` holds, within reason.
pub async fn eventually(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let clock = SystemClock::start();
    while !reached().await {
        assert!(clock.monotonic() < PATIENCE, "it never came to this: {what}");
        clock.sleep(PAUSE).await;
    }
}

/// Plain HTTP without redirects.
pub struct Http(ReqwestClient);

impl Http {
    /// A client with connections of its own.
    pub fn new() -> Self {
        Self(ReqwestClient::new(HttpSettings::default()).unwrap())
    }

    /// Sends anything.
    pub async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.0.send(request, PATIENCE).await.unwrap()
    }

    /// Sends anything that may not be answered.
    pub async fn try_send(&self, request: Request<Bytes>) -> Option<Response<Bytes>> {
        self.0.send(request, PATIENCE).await.ok()
    }

    /// Looks at a page.
    pub async fn get(&self, url: &str) -> Response<Bytes> {
        self.send(Request::get(url).body(Bytes::new()).unwrap()).await
    }

    /// Sends JSON; answers status and JSON.
    pub async fn json(&self, method: Method, url: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(url).header("content-type", "application/json");
        let answer = self.send(request.body(Bytes::from(body.to_string())).unwrap()).await;
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}
