//! A merchant as one should be: whatever has no final answer is asked for again with the same key, after as long as he is told.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    time::Duration,
};

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, header};
use serde_json::Value;
use tollgate_gateway::ports::Time;
use tollgate_runtime::{SystemClock, system::within};

use crate::http::Connection;

/// What the gateway promises for a whole request is 30 s; a client waits a little longer.
const PATIENCE: Duration = Duration::from_secs(35);
/// Where the answer does not say when, or there is none.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A payer waits: a merchant who is told a minute (`overloaded`) asks sooner.
const AGAIN_AT_MOST: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Create,
    Capture,
    Read,
}

/// One answer, or none.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) what: What,
    /// By the merchant's clock.
    pub(super) asked: Duration,
    pub(super) answered: Duration,
    /// 0: there was none.
    pub(super) status: u16,
    /// The problem's, or nothing.
    pub(super) code: String,
    /// It says that it is from the cache.
    pub(super) cached: bool,
}

impl Answer {
    /// Milliseconds.
    pub(super) fn took(&self) -> f64 {
        self.answered.saturating_sub(self.asked).as_secs_f64() * 1e3
    }

    /// It says that there is more to do than can be done, as may be where a build for debugging shares a busy machine.
    pub(super) fn is_overloaded(&self) -> bool {
        self.status == 503 && self.code == "overloaded"
    }

    /// It says that the store is away.
    pub(super) fn is_store_away(&self) -> bool {
        self.status == 503 && self.code == "store_unavailable"
    }
}

/// Something that is asked for until it is done.
#[derive(Debug, Clone)]
pub(super) struct Intent {
    pub(super) what: What,
    pub(super) key: String,
    pub(super) path: String,
    pub(super) body: Bytes,
}

/// The payment as an intent left it; `None`: it was not done in time.
pub(super) type Resolved = Option<Value>;

/// A merchant and what he was told.
pub(super) struct Merchant {
    address: SocketAddr,
    api_key: HeaderValue,
    pub(super) clock: SystemClock,
    idle: RefCell<Vec<Connection>>,
    pub(super) told: RefCell<Vec<Answer>>,
    /// Until when he asks again, by his clock.
    until: Cell<Duration>,
}

impl Merchant {
    pub(super) fn new(address: SocketAddr, api_key: &str) -> Result<Self> {
        let api_key = HeaderValue::from_str(api_key)?;
        let (idle, told, until) = Default::default();
        Ok(Self { address, api_key, clock: SystemClock::start(), idle, told, until })
    }

    /// Forgets what he was told, and asks again until then, by his clock.
    pub(super) fn begin(&self, until: Duration) {
        self.told.borrow_mut().clear();
        self.until.set(until);
    }

    /// Asks until there is a final answer.
    pub(super) async fn resolve(&self, intent: &Intent) -> Result<Resolved> {
        loop {
            let answer =
                self.ask(intent.what, Method::POST, &intent.path, Some(&intent.key), intent.body.clone()).await;
            let mut again = AGAIN_AFTER;
            if let Some(answer) = answer {
                let status = answer.status().as_u16();
                let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
                if status == 200 || status == 201 {
                    return Ok(Some(body));
                }
                let code = body["code"].as_str().unwrap_or_default();
                let waits = ["idempotency_key_in_use", "operation_in_progress"].contains(&code);
                ensure!(status == 202 || status >= 500 || waits, "{} was answered {status}: {body}", intent.path);
                again = retry_after(&answer).unwrap_or(AGAIN_AFTER).min(AGAIN_AT_MOST);
            }
            if self.clock.monotonic() + again > self.until.get() {
                return Ok(None);
            }
            self.clock.sleep(again).await;
        }
    }

    /// One request; `None`: it had no answer.
    pub(super) async fn ask(
        &self,
        what: What,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
    ) -> Option<Response<Bytes>> {
        let asked = self.clock.monotonic();
        let answer = within(&self.clock, PATIENCE, self.exchange(method, path, key, body)).await;
        let answer = answer.and_then(Result::ok);
        let (mut status, mut code, mut cached) = (0, String::new(), false);
        if let Some(answer) = &answer {
            status = answer.status().as_u16();
            cached = answer.headers().get("x-served-from").is_some_and(|from| from == "cache");
            if status >= 400 {
                let problem: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
                problem["code"].as_str().unwrap_or_default().clone_into(&mut code);
            }
        }
        self.told.borrow_mut().push(Answer { what, asked, answered: self.clock.monotonic(), status, code, cached });
        answer
    }

    /// What is shown at `path`; nobody notes how long it took.
    pub(super) async fn show(&self, path: &str) -> Result<Value> {
        let answer = self.exchange(Method::GET, path, None, Bytes::new()).await?;
        ensure!(answer.status() == 200, "{path} was answered {}", answer.status());
        Ok(serde_json::from_slice(answer.body())?)
    }

    async fn exchange(&self, method: Method, path: &str, key: Option<&str>, body: Bytes) -> Result<Response<Bytes>> {
        let mut headers = vec![
            (HeaderName::from_static("x-api-key"), self.api_key.clone()),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ];
        if let Some(key) = key {
            headers.push((HeaderName::from_static("idempotency-key"), HeaderValue::from_str(key)?));
        }
        let idle = self.idle.borrow_mut().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let answer = connection.exchange(method, path, &headers, body).await?;
        // One that had no answer is closed instead.
        self.idle.borrow_mut().push(connection);
        Ok(answer)
    }
}

fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
