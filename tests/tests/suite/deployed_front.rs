//! Google Cloud's front, played: it spreads requests over the copies of a function, lets only its own callers through to internal
//! routes, and hands their tokens on as Cloud Run does, without the signature. And a merchant's endpoint.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::Request, response::Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use standardwebhooks::Webhook;
use tollgate_gateway::ports::{HttpClient, HttpError, Time};
use tollgate_runtime::SystemClock;
use tollgate_tests::ports::TestHttp;

pub(crate) const AUDIENCE: &str = "https://tollgate.example";
pub(crate) const ACCOUNT: &str = "push@tollgate.iam.gserviceaccount.com";

/// Where the copies of each function are.
pub(crate) type Copies = Arc<Mutex<HashMap<&'static str, Vec<String>>>>;

struct Front {
    copies: Copies,
    pushes: Pushes,
    http: TestHttp,
    turn: Mutex<usize>,
}

/// What becomes of Pub/Sub's pushes.
#[derive(Clone, Default)]
pub(crate) struct Pushes {
    /// A message reaches nobody, however often it is pushed, so that Pub/Sub gives it up. (More than one, and the emulator
    /// takes its time with all of them.)
    pub(crate) one_is_lost: Arc<AtomicBool>,
    /// Which.
    lost: Arc<OnceLock<String>>,
    /// How many messages Pub/Sub gave up.
    pub(crate) given_up: Arc<AtomicUsize>,
}

impl Pushes {
    /// Whether this push gets through.
    fn pass(&self, path: &str, body: &[u8]) -> bool {
        if path.starts_with("/pubsub/dead-letter") {
            self.given_up.fetch_add(1, Ordering::Relaxed);
        }
        let is_lost = || {
            let push: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            let id = push["message"]["messageId"].as_str().unwrap_or_default();
            self.lost.get_or_init(|| id.to_owned()) == id
        };
        !path.starts_with("/pubsub/payment-events") || !self.one_is_lost.load(Ordering::Relaxed) || !is_lost()
    }
}

/// Serves a router on a port of its own. Answers where.
#[allow(clippy::disallowed_methods, reason = "it stands for another machine")]
async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// Starts it. Answers where it is.
pub(crate) async fn front(copies: Copies, pushes: Pushes) -> String {
    let front = Arc::new(Front { copies, pushes, http: TestHttp::new(), turn: Mutex::new(0) });
    serve(Router::new().fallback(pass).with_state(front)).await
}

/// Whose route this is.
fn function_of(path: &str) -> Option<&'static str> {
    let routes = [
        ("/v1/", "payments"),
        ("/return/", "payments"),
        ("/webhooks/", "provider-webhooks"),
        ("/pubsub/provider-events", "provider-webhooks"),
        ("/pubsub/settlement-shards", "settlement"),
        ("/pubsub/payment-events", "webhook-delivery"),
        ("/pubsub/dead-letter", "webhook-delivery"),
        ("/jobs/deliveries", "webhook-delivery"),
        ("/jobs/settlement", "settlement"),
        ("/jobs/", "reconciliation"),
    ];
    routes.into_iter().find(|(prefix, _)| path.starts_with(prefix)).map(|(_, function)| function)
}

async fn pass(State(front): State<Arc<Front>>, request: Request<axum::body::Body>) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let Some(function) = function_of(&path) else { return answer(404) };
    if !front.pushes.pass(&path, &body) {
        return answer(503);
    }
    if path.starts_with("/pubsub/") || path.starts_with("/jobs/") {
        parts.headers.insert("authorization", format!("Bearer {}", token()).parse().unwrap());
    }
    let copies = front.copies.lock().unwrap().get(function).cloned().unwrap_or_default();
    let first = {
        let mut turn = front.turn.lock().unwrap();
        *turn += 1;
        *turn
    };
    // A copy that is gone is left out; a request that was cut off is not sent to another: nobody knows what it did.
    for place in 0..copies.len() {
        let url = format!("{}{path}", copies[(first + place) % copies.len()]);
        let mut sent = Request::builder().method(parts.method.clone()).uri(url).body(body.clone()).unwrap();
        *sent.headers_mut() = parts.headers.clone();
        sent.headers_mut().remove("host");
        sent.headers_mut().remove("content-length");
        match front.http.send(sent, Duration::from_secs(70)).await {
            Ok(got) => return got.map(axum::body::Body::from),
            Err(HttpError::NotReached(_)) => {}
            Err(_) => return answer(502),
        }
    }
    answer(503)
}

fn answer(status: u16) -> Response {
    Response::builder().status(status).body(axum::body::Body::empty()).unwrap()
}

/// What Cloud Run hands on of a Google ID token that it has verified.
pub(crate) fn token() -> String {
    let now = SystemClock::start().now().as_second();
    let claims = json!({
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "email": ACCOUNT, "email_verified": true,
        "sub": "1", "iat": now - 10, "exp": now + 3600 + 48 * 3600,
    });
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.SIGNATURE_REMOVED_BY_GOOGLE",
        part(&json!({"alg": "RS256", "kid": "1", "typ": "JWT"})),
        part(&claims)
    )
}

/// What a merchant received: bodies by `webhook-id`, each verified.
#[derive(Clone, Default)]
pub(crate) struct Inbox(Arc<Mutex<Received>>);

#[derive(Default)]
struct Received {
    secret: String,
    fails: u32,
    bodies: BTreeMap<String, String>,
    refused: usize,
}

impl Inbox {
    /// Starts a merchant's endpoint, which fails the first `fails` times. Answers where it is.
    pub(crate) async fn start(secret: &str, fails: u32) -> (Self, String) {
        let received = Received { secret: secret.to_owned(), fails, ..Received::default() };
        let inbox = Self(Arc::new(Mutex::new(received)));
        let url = serve(Router::new().fallback(receive).with_state(inbox.clone())).await;
        (inbox, format!("{url}/hooks"))
    }

    pub(crate) fn bodies(&self) -> BTreeMap<String, String> {
        self.0.lock().unwrap().bodies.clone()
    }

    /// How many came with a signature that is wrong.
    pub(crate) fn refused(&self) -> usize {
        self.0.lock().unwrap().refused
    }
}

async fn receive(State(inbox): State<Inbox>, headers: axum::http::HeaderMap, body: Bytes) -> Response {
    let mut received = inbox.0.lock().unwrap();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Signed, whenever: the second day's webhooks are a day ahead of this merchant's clock.
    let at = text("webhook-timestamp").parse().unwrap_or_default();
    let signed = Webhook::new(&received.secret).unwrap().sign(text("webhook-id"), at, &body).unwrap();
    if !text("webhook-signature").split(' ').any(|signature| signature == signed) {
        received.refused += 1;
        return answer(400);
    }
    if received.fails > 0 {
        received.fails -= 1;
        return answer(500);
    }
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let body = String::from_utf8(body.to_vec()).unwrap();
    if let Some(before) = received.bodies.get(&id) {
        assert_eq!(before, &body, "the same event says the same");
    }
    received.bodies.insert(id, body);
    answer(204)
}
