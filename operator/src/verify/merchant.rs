//! A merchant's client: sends with a key, again where it is told to, until the time is up.
//!
//! Must not know: what is asked, what the answers should be.

use std::{sync::Arc, time::Duration};

use anyhow::bail;
use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::Value;
use tollgate_gateway::ports::{HttpClient, Time};
use tollgate_providers::{HttpSettings, ReqwestClient};
use tollgate_runtime::{System, config::Secret};

use crate::{arguments::Verify, output::note, progress::Progress};

/// A cold start of an instance is within it.
const CONNECT: Duration = Duration::from_secs(5);
/// One request, at most: longer than the gateway works on one.
const REQUEST: Duration = Duration::from_secs(35);
/// Before asking again, where nobody says how long.
const PAUSE: Duration = Duration::from_millis(500);
/// A longer wait is told of: whoever looks on should know what for.
const TOLD_FROM: Duration = Duration::from_secs(5);

/// A merchant who has until a moment.
pub(super) struct Merchant {
    url: String,
    key: Secret,
    http: ReqwestClient,
    time: Arc<dyn Time>,
    until: Duration,
    /// Made once: what is sent again has the same keys.
    run: String,
    progress: Progress,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) replayed: bool,
    pub(super) body: Value,
    retry_after: Option<u64>,
}

impl Answer {
    /// A text field, or nothing.
    pub(super) fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    /// What it says, in short: a problem by its code, and by which it is found in the logs.
    pub(super) fn said(&self) -> String {
        let (code, correlation) = (self.text("code"), self.text("correlation_id"));
        if code.is_empty() {
            return format!("answered {}", self.status);
        }
        format!("answered {} {code} (correlation id {correlation})", self.status)
    }

    fn is_for_now(&self) -> bool {
        let is_busy =
            self.status == 409 && matches!(self.text("code"), "idempotency_key_in_use" | "operation_in_progress");
        is_busy || matches!(self.status, 429 | 500 | 502 | 503 | 504)
    }
}

impl Merchant {
    pub(super) fn new(what: &Verify, key: &Secret, system: &System, json: bool) -> anyhow::Result<Self> {
        let mut run = [0; 8];
        system.entropy.fill(&mut run);
        let http = ReqwestClient::new(HttpSettings { connect_timeout: CONNECT, ..HttpSettings::default() })?;
        let until = system.time.monotonic() + Duration::from_secs(what.timeout_seconds);
        Ok(Self {
            url: what.url.0.clone(),
            key: key.clone(),
            http,
            time: Arc::clone(&system.time),
            until,
            run: hex::encode(run),
            progress: Progress::of_steps(json),
        })
    }

    /// A step begins.
    pub(super) fn begins(&self, step: &'static str) {
        self.progress.doing(step);
    }

    /// The time, for how long a step took.
    pub(super) fn now(&self) -> Duration {
        self.time.monotonic()
    }

    /// Whether there is time left; then a moment has passed.
    pub(super) async fn waits(&self) -> bool {
        self.waits_for(PAUSE).await
    }

    async fn waits_for(&self, pause: Duration) -> bool {
        let left = self.until.saturating_sub(self.now());
        self.time.sleep(pause.min(left)).await;
        self.now() < self.until
    }

    /// Posts, under an idempotency key of this run. Null: without a body.
    pub(super) async fn post(&self, path: &str, key: &str, body: &Value) -> anyhow::Result<Answer> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(Method::POST, path, Some(format!("verify-{}-{key}", self.run)), body).await
    }

    /// Looks.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, None, String::new()).await
    }

    /// Sends until there is an answer that is not for now only. The last one, where the time is up.
    async fn send(&self, method: Method, path: &str, key: Option<String>, body: String) -> anyhow::Result<Answer> {
        let mut is_told = false;
        loop {
            let mut request = Request::builder()
                .method(method.clone())
                .uri(format!("{}{path}", self.url))
                .header("x-api-key", self.key.expose())
                .header("content-type", "application/json");
            if let Some(key) = &key {
                request = request.header("idempotency-key", key);
            }
            let Ok(request) = request.body(Bytes::from(body.clone())) else {
                // Its own words could show the key.
                bail!("the request cannot be made: is VERIFY_API_KEY a key?");
            };
            let left = self.until.saturating_sub(self.now()).min(REQUEST);
            if left.is_zero() {
                bail!("no time left");
            }
            let pause = match self.http.send(request, left).await.map(|answer| read(&answer)) {
                Ok(answer) if !answer.is_for_now() => return Ok(answer),
                Ok(answer) => {
                    let pause = answer.retry_after.map_or(PAUSE, Duration::from_secs);
                    if self.now() + pause >= self.until {
                        return Ok(answer);
                    }
                    if pause >= TOLD_FROM {
                        note(&format!("{path} {}; it is asked again in {} s", answer.said(), pause.as_secs()));
                    }
                    pause
                }
                Err(error) if self.now() + PAUSE >= self.until => bail!("no answer in time: {error}"),
                Err(error) => {
                    if !std::mem::replace(&mut is_told, true) {
                        let left = self.until.saturating_sub(self.now()).as_secs();
                        note(&format!("{path}: no answer ({error}); it is asked again for {left} s at most"));
                    }
                    PAUSE
                }
            };
            self.waits_for(pause).await;
        }
    }
}

fn read(answer: &Response<Bytes>) -> Answer {
    let text = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    Answer {
        status: answer.status().as_u16(),
        replayed: text("idempotent-replayed") == Some("true"),
        retry_after: text("retry-after").and_then(|seconds| seconds.parse().ok()),
        body: serde_json::from_slice(answer.body()).unwrap_or(Value::Null),
    }
}
