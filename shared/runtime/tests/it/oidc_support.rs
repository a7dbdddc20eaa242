//! Signs ID tokens as Google does, serves the keys on loopback, and a function that takes such tokens.

use std::{
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use getrandom::SysRng;
use jiff::Timestamp;
use ring::{
    rand::SystemRandom,
    signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use rsa::{PrivateKey, pkcs1::EncodeRsaPrivateKey, rand_core::UnwrapErr};
use serde_json::{Value, json};
use tollgate_gateway::ports::Time;
use tollgate_providers::{HttpSettings, ReqwestClient};
use tollgate_runtime::{Edge, InternalCallers, System, SystemClock, Variables, layered, logs::LogFormat};
use tracing::subscriber::DefaultGuard;

use crate::support::{Answer, Captured, Running};

pub(crate) const AUDIENCE: &str = "https://settlement.example.com";
pub(crate) const ACCOUNT: &str = "scheduler@shop.iam.gserviceaccount.com";
pub(crate) const REMOVED: &str = "SIGNATURE_REMOVED_BY_GOOGLE";
const NOW: i64 = 1_800_000_000;

/// A signing key: Google's, or a stranger's.
pub(crate) struct SigningKey(RsaKeyPair);

pub(crate) static GOOGLES: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);
pub(crate) static NEXT: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);

impl SigningKey {
    fn generate() -> Self {
        let key = PrivateKey::new(&mut UnwrapErr(SysRng), 2048).unwrap();
        Self(RsaKeyPair::from_der(key.to_pkcs1_der().unwrap().as_bytes()).unwrap())
    }

    /// As it stands in a key set.
    pub(crate) fn shown(&self, id: &str) -> Value {
        let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(self.0.public());
        let (n, e) = (BASE64_URL_SAFE_NO_PAD.encode(public.n), BASE64_URL_SAFE_NO_PAD.encode(public.e));
        json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": id, "n": n, "e": e })
    }

    /// The public key as bytes, as a forger would use it for a secret.
    pub(crate) fn public(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    pub(crate) fn sign(&self, head: &Value, claims: &Value) -> String {
        let message = unsigned(head, claims);
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Head and claims, without a signature and its dot.
pub(crate) fn unsigned(head: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(head), part(claims))
}

pub(crate) fn head(id: &str) -> Value {
    json!({ "alg": "RS256", "typ": "JWT", "kid": id })
}

/// What Google writes for Cloud Scheduler and Pub/Sub.
pub(crate) fn claims() -> Value {
    json!({
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "azp": "1", "sub": "1", "email": ACCOUNT,
        "email_verified": true, "iat": NOW, "exp": NOW + 3600,
    })
}

/// The claims with one changed; null takes it away.
pub(crate) fn claims_with(name: &str, value: impl Into<Value>) -> Value {
    let (mut claims, value) = (claims(), value.into());
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

/// A good token, signed by Google's key `k1`.
pub(crate) fn token() -> String {
    GOOGLES.sign(&head("k1"), &claims())
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A clock that stands until it is moved; waiting is real.
pub(crate) struct Clock {
    offset_seconds: AtomicI64,
    real: SystemClock,
}

impl Clock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.offset_seconds.fetch_add(seconds, Ordering::SeqCst);
    }
}

#[async_trait]
impl Time for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(NOW + self.offset_seconds.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.offset_seconds.load(Ordering::SeqCst)).unwrap()) + self.real.monotonic()
    }

    async fn sleep(&self, duration: Duration) {
        self.real.sleep(duration).await;
    }
}

/// The endpoint that shows keys.
#[derive(Clone)]
pub(crate) struct Endpoint(Arc<Shown>);

struct Shown {
    answer: Mutex<(StatusCode, &'static str, String)>,
    slow: Mutex<Duration>,
    asked: AtomicUsize,
    clock: SystemClock,
}

impl Endpoint {
    /// Shows these keys, good for an hour.
    pub(crate) fn shows(&self, keys: &[Value]) {
        self.answers(StatusCode::OK, json!({ "keys": keys }).to_string());
    }

    pub(crate) fn answers(&self, status: StatusCode, body: String) {
        *self.0.answer.lock().unwrap() = (status, "public, max-age=3600", body);
    }

    pub(crate) fn takes(&self, time: Duration) {
        *self.0.slow.lock().unwrap() = time;
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    fn new() -> Self {
        let answer = Mutex::new((StatusCode::OK, "", String::new()));
        let (slow, asked, clock) = (Mutex::default(), AtomicUsize::new(0), SystemClock::start());
        let endpoint = Self(Arc::new(Shown { answer, slow, asked, clock }));
        endpoint.shows(&[GOOGLES.shown("k1")]);
        endpoint
    }

    async fn answer(self) -> Response {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let slow = *self.0.slow.lock().unwrap();
        self.0.clock.sleep(slow).await;
        let (status, control, body) = self.0.answer.lock().unwrap().clone();
        (status, [("cache-control", control)], body).into_response()
    }

    fn router(&self) -> Router {
        let endpoint = self.clone();
        Router::new().route("/certs", get(move || endpoint.clone().answer()))
    }
}

/// A function with a job, and what is around it.
pub(crate) struct Function {
    pub(crate) server: Running,
    pub(crate) keys: Endpoint,
    pub(crate) clock: Arc<Clock>,
    pub(crate) captured: Captured,
    keys_server: Option<Running>,
    _guard: DefaultGuard,
}

impl Function {
    pub(crate) async fn start(mode: &str) -> Self {
        let (captured, guard) = Captured::start(LogFormat::Json, "info");
        let clock = Arc::new(Clock { offset_seconds: AtomicI64::new(0), real: SystemClock::start() });
        let system = System { time: clock.clone(), ..System::real() };
        let keys = Endpoint::new();
        let keys_server = Running::start(&System::real(), keys.router()).await;
        let url = format!("http://{}/certs", keys_server.address);
        let accounts = format!("pubsub@shop.iam.gserviceaccount.com, {ACCOUNT}");
        let audiences = format!("{AUDIENCE},https://other.example.com");
        let mut vars = Variables::of([
            ("OIDC_MODE", mode),
            ("OIDC_AUDIENCE", &*audiences),
            ("OIDC_SERVICE_ACCOUNTS", &*accounts),
            ("OIDC_JWKS_URL", &*url),
        ]);
        let http = Arc::new(ReqwestClient::new(HttpSettings::default()).unwrap());
        let callers = InternalCallers::read(&mut vars, &system, http).unwrap();
        vars.finish().unwrap();
        let routes = callers.guard(Router::new().route("/jobs/settlement", post(async || "done")));
        let server = Running::start(&system, layered(routes, Edge::new("settlement", &system))).await;
        Self { server, keys, clock, captured, keys_server: Some(keys_server), _guard: guard }
    }

    /// The keys' endpoint is not there any more.
    pub(crate) async fn take_keys_away(&mut self) {
        self.keys_server.take().unwrap().stop().await.unwrap();
    }

    /// Calls the job with these header lines.
    pub(crate) async fn call(&self, headers: &str) -> Answer {
        let head = "POST /jobs/settlement HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\nConnection: close\r\n";
        self.server.send(&format!("{head}{headers}\r\n")).await
    }

    pub(crate) async fn takes_it(&self, headers: &str) {
        let answer = self.call(headers).await;
        assert_eq!((answer.status, &*answer.body), (200, "done"), "{answer:?} {}", self.captured.text());
    }

    /// Calls the job, which must refuse for this reason; and nothing of what was sent may show up anywhere.
    pub(crate) async fn refuses(&self, headers: &str, reason: &str) {
        let answer = self.call(headers).await;
        let expected = if reason == "account" { (403, "forbidden") } else { (401, "unauthenticated") };
        assert_eq!((answer.status, &*answer.code()), expected, "{reason}: {headers}");
        assert_eq!(answer.header("www-authenticate"), (answer.status == 401).then_some("Bearer"));
        let lines = self.captured.json_lines();
        let line = lines.iter().rfind(|line| line["message"] == "an internal call was refused").unwrap();
        assert_eq!(line["reason"], reason, "{headers}");
        let secrets = headers.split(['.', ' ', '\r', '\n']).filter(|part| part.len() > 30);
        for secret in secrets {
            let shown = self.captured.text().contains(secret) || answer.body.contains(secret);
            assert!(!shown, "a token's part was shown: {reason}");
        }
    }
}
