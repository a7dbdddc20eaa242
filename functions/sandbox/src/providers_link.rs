//! The sandbox's line to its simulated providers: the same HTTP calls whether they run in this process or another.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use tollgate_gateway::ports::{HttpClient, HttpError, Time};

/// Long enough for the webhooks that moving the clock sends.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long another process may take to come up.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// The simulated providers' control plane.
#[derive(Clone)]
pub(crate) struct ProvidersLink {
    pub(crate) url: String,
    http: Arc<dyn HttpClient>,
    time: Arc<dyn Time>,
}

impl ProvidersLink {
    pub(crate) fn new(url: &str, http: Arc<dyn HttpClient>, time: Arc<dyn Time>) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), http, time }
    }

    /// Passes a call on.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Bytes>, HttpError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .body(body)
            .map_err(|error| HttpError::NotReached(error.to_string()))?;
        self.http.send(request, TIMEOUT).await
    }

    async fn control(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let started = self.time.monotonic();
        let response = loop {
            match self.call(method.clone(), path, body.to_string().into()).await {
                Err(HttpError::NotReached(_)) if self.time.monotonic().saturating_sub(started) < PATIENCE => {
                    self.time.sleep(PAUSE).await;
                }
                answered => break answered.with_context(|| format!("the providers at {} do not answer", self.url))?,
            }
        };
        if !response.status().is_success() {
            bail!("the providers answered {} to {path}", response.status());
        }
        Ok(serde_json::from_slice(response.body()).unwrap_or(Value::Null))
    }

    /// Tells a provider where its webhooks go, and what to sign them with.
    pub(crate) async fn send_webhooks_to(&self, provider: &str, url: &str, secret: &str) -> anyhow::Result<()> {
        let body = json!({"provider": provider, "url": url, "secret": secret});
        self.control(Method::PUT, "/control/webhook-endpoint", &body).await.map(drop)
    }

    /// Sets the providers' clock: standing at a time, or running.
    pub(crate) async fn set_clock(&self, now: Option<Timestamp>) -> anyhow::Result<()> {
        self.control(Method::PUT, "/control/clock", &json!({"now": now.map(|now| now.to_string())})).await.map(drop)
    }

    /// When something is due there next.
    pub(crate) async fn next_due(&self) -> anyhow::Result<Option<Timestamp>> {
        let answer = self.control(Method::GET, "/control/due", &Value::Null).await?;
        answer["next_due"].as_str().map(|due| due.parse().context("a time that is none")).transpose()
    }
}
