//! A merchant's client of a sandbox, for the demo, the drills and the tests: plain HTTP and JSON, nothing shared with
//! the gateway's own types.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tollgate_gateway::ports::{HttpClient, Time};
use tollgate_providers::{HttpSettings, ReqwestClient};
use tollgate_runtime::SystemClock;

use crate::{clock, exposition::Scrape};

/// The providers' books can be long.
const LONG_ANSWER: usize = 256 << 20;
/// Longer than any answer takes. A job's answer waits until nothing is under way any more, and a message that a killed
/// process held is under way until its lease is over.
const TIMEOUT: Duration = clock::STEP_PATIENCE.saturating_add(Duration::from_secs(30));
const PAUSE: Duration = Duration::from_millis(10);

/// Talks to one sandbox as one merchant.
#[derive(Clone)]
pub struct Client {
    url: String,
    api_key: String,
    traceparent: Option<String>,
    http: Arc<dyn HttpClient>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Whether it says `Idempotent-Replayed: true`.
    pub replayed: bool,
    /// How many seconds `Retry-After` asks to wait.
    pub retry_after: Option<u64>,
    /// Its body; null where it is no JSON.
    pub body: Value,
}

impl Answer {
    /// A text field of the body, or nothing.
    pub fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }
}

impl Client {
    /// A client of the sandbox at `url`, with a merchant's key, on connections of its own.
    pub fn connect(url: &str, api_key: &str) -> anyhow::Result<Self> {
        let http =
            Arc::new(ReqwestClient::new(HttpSettings { max_body_bytes: LONG_ANSWER, ..HttpSettings::default() })?);
        Ok(Self { url: url.to_owned(), api_key: api_key.to_owned(), traceparent: None, http })
    }

    /// Another merchant on the same connections.
    #[must_use]
    pub fn with_key(&self, api_key: &str) -> Self {
        Self { api_key: api_key.to_owned(), ..self.clone() }
    }

    /// The same client, within a trace of its own: a W3C `traceparent`.
    #[must_use]
    pub fn in_trace(&self, traceparent: &str) -> Self {
        Self { traceparent: Some(traceparent.to_owned()), ..self.clone() }
    }

    /// Sends any request. An error: no answer came.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("x-api-key", &self.api_key)
            .header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(traceparent) = &self.traceparent {
            request = request.header("traceparent", traceparent);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Bytes::from(body))?;
        let answer = self.http.send(request, TIMEOUT).await.with_context(|| format!("asking for {path}"))?;
        Ok(Answer {
            status: answer.status().as_u16(),
            replayed: answer.headers().get("idempotent-replayed").is_some_and(|value| value == "true"),
            retry_after: answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok()),
            body: serde_json::from_slice(answer.body()).unwrap_or(Value::Null),
        })
    }

    /// Makes a payment by card.
    pub async fn create(&self, key: &str, amount: i64, card: &str) -> anyhow::Result<Answer> {
        let body = json!({"amount": amount, "currency": "JPY", "payment_method": {"stripe": card}});
        self.create_as(key, &body).await
    }

    /// Makes a payment of any body.
    pub async fn create_as(&self, key: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, "/v1/payments", Some(key), Some(body)).await
    }

    /// Captures a payment whole, or a part of it.
    pub async fn capture(&self, id: &str, key: &str, amount: Option<i64>) -> anyhow::Result<Answer> {
        let body = amount.map(|amount| json!({"amount": amount}));
        self.send(Method::POST, &format!("/v1/payments/{id}/capture"), Some(key), body.as_ref()).await
    }

    /// Voids a payment.
    pub async fn void(&self, id: &str, key: &str) -> anyhow::Result<Answer> {
        self.send(Method::POST, &format!("/v1/payments/{id}/void"), Some(key), None).await
    }

    /// Refunds a payment whole, or a part of it.
    pub async fn refund(&self, id: &str, key: &str, amount: Option<i64>) -> anyhow::Result<Answer> {
        let body = amount.map(|amount| json!({"amount": amount}));
        self.send(Method::POST, &format!("/v1/payments/{id}/refund"), Some(key), body.as_ref()).await
    }

    /// How the webhooks of a payment stand.
    pub async fn deliveries(&self, id: &str) -> anyhow::Result<Vec<Value>> {
        let body = self.ok(self.get(&format!("/v1/webhooks/{id}/status")).await?)?;
        Ok(body["deliveries"].as_array().context("deliveries are a list")?.clone())
    }

    /// Has the webhooks of a payment sent again.
    pub async fn redeliver(&self, id: &str) -> anyhow::Result<()> {
        let path = format!("/v1/webhooks/{id}/redeliver");
        self.ok(self.send(Method::POST, &path, None, None).await?).map(drop)
    }

    /// What the built-in merchant endpoint has received.
    pub async fn inbox(&self) -> anyhow::Result<Vec<Value>> {
        let body = self.ok(self.get("/sandbox/inbox").await?)?;
        Ok(body.as_array().context("the inbox is a list")?.clone())
    }

    /// How the built-in merchant endpoint answers next.
    pub async fn inbox_answers(&self, status: u16, times: Option<u32>) -> anyhow::Result<()> {
        let body = json!({"status": status, "times": times});
        self.ok(self.send(Method::POST, "/sandbox/inbox/behaviour", None, Some(&body)).await?).map(drop)
    }

    /// The built-in merchant endpoint takes its time for the next webhooks.
    pub async fn inbox_is_slow(&self, delay_ms: u64, times: usize) -> anyhow::Result<()> {
        let body = json!({"status": 200, "times": times, "delay_ms": delay_ms});
        self.ok(self.send(Method::POST, "/sandbox/inbox/behaviour", None, Some(&body)).await?).map(drop)
    }

    /// Runs a job now; answers what it saw, did and could not do.
    pub async fn run_job(&self, job: &str) -> anyhow::Result<Value> {
        self.ok(self.send(Method::POST, &format!("/sandbox/jobs/{job}"), None, None).await?)
    }

    /// Waits a moment before looking again.
    pub async fn pause(&self) {
        SystemClock::start().sleep(PAUSE).await;
    }

    /// The value of a metric: the first line that starts like this. 0 where there is none.
    pub async fn metric(&self, line: &str) -> anyhow::Result<f64> {
        let text = self.get_text("/metrics").await?;
        let value = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
        Ok(value.unwrap_or_default())
    }

    /// Everything that it says at `/metrics`, now.
    pub async fn metrics(&self) -> anyhow::Result<Scrape> {
        Ok(Scrape::parse(&self.get_text("/metrics").await?))
    }

    async fn get_text(&self, path: &str) -> anyhow::Result<String> {
        let request = Request::builder().uri(format!("{}{path}", self.url)).body(Bytes::new())?;
        let answer = self.http.send(request, TIMEOUT).await?;
        Ok(String::from_utf8_lossy(answer.body()).into_owned())
    }

    /// Looks at anything.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, None, None).await
    }

    /// A payment as it now is.
    pub async fn payment(&self, id: &str) -> anyhow::Result<Value> {
        self.ok(self.get(&format!("/v1/payments/{id}")).await?)
    }

    /// A payment's timeline, in order.
    pub async fn timeline(&self, id: &str) -> anyhow::Result<Vec<Value>> {
        let body = self.ok(self.get(&format!("/v1/payments/{id}/timeline")).await?)?;
        Ok(body["data"].as_array().context("a timeline has entries")?.clone())
    }

    /// The provider's own truth.
    pub async fn transactions(&self, provider: &str) -> anyhow::Result<Vec<Value>> {
        let body = self.ok(self.get(&format!("/sandbox/providers/{provider}/transactions")).await?)?;
        Ok(body.as_array().context("transactions are a list")?.clone())
    }

    /// Arms a fault at a provider.
    pub async fn fault(&self, provider: &str, fault: &Value) -> anyhow::Result<()> {
        let path = format!("/sandbox/providers/{provider}/faults");
        self.ok(self.send(Method::POST, &path, None, Some(fault)).await?).map(drop)
    }

    /// Clears what was armed at a provider.
    pub async fn clear_faults(&self, provider: &str) -> anyhow::Result<()> {
        let path = format!("/sandbox/providers/{provider}/faults");
        self.ok(self.send(Method::DELETE, &path, None, None).await?).map(drop)
    }

    /// Turns a provider `off` for new payments, or `on` again.
    pub async fn switch(&self, provider: &str, state: &str, by: &str, why: &str) -> anyhow::Result<()> {
        let body = json!({"state": state, "by": by, "why": why});
        let path = format!("/sandbox/providers/{provider}/switch");
        self.ok(self.send(Method::POST, &path, None, Some(&body)).await?).map(drop)
    }

    /// Shares new payments out among providers; null: as if that had never been done.
    pub async fn weigh(&self, weights: &Value, by: &str, why: &str) -> anyhow::Result<()> {
        let body = json!({"weights": weights, "by": by, "why": why});
        self.ok(self.send(Method::POST, "/sandbox/weights", None, Some(&body)).await?).map(drop)
    }

    /// Makes the sandbox die at a fail point.
    pub async fn crash_at(&self, point: &str) -> anyhow::Result<()> {
        let body = json!({"point": point});
        self.ok(self.send(Method::POST, "/sandbox/fail-points", None, Some(&body)).await?).map(drop)
    }

    /// Moves a simulated clock.
    pub async fn advance(&self, seconds: u64) -> anyhow::Result<()> {
        let body = json!({"advance_seconds": seconds});
        self.ok(self.send(Method::POST, "/sandbox/clock", None, Some(&body)).await?).map(drop)
    }

    #[allow(clippy::unused_self, reason = "reads as part of the call")]
    fn ok(&self, answer: Answer) -> anyhow::Result<Value> {
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        bail!("answered {}: {}", answer.status, answer.body)
    }
}
