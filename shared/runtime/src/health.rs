//! `GET /health/live` and `/health/ready`.
//!
//! Must not know: what a check asks. The answer names the checks that fail, never why: that goes to the log.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{Json, Router, http::StatusCode, response::IntoResponse, routing::get};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::{
    logs::Chain,
    system::{System, within},
};

/// How long a check may take unless it says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a result is good for: however many ask, each check runs at most once in this time.
const GOOD_FOR: Duration = Duration::from_secs(1);

type CheckFuture = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// A named question that decides whether the function can do its work.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    timeout: Duration,
    is_needed: bool,
    ask: Arc<dyn Fn() -> CheckFuture + Send + Sync>,
}

impl Check {
    /// A check that may take 1 s.
    pub fn new<F>(name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        Self { name, timeout: DEFAULT_TIMEOUT, is_needed: true, ask: Arc::new(move || Box::pin(ask())) }
    }

    /// Changes how long it may take.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The function does its work without it, only not as well: it is ready, and says that it is degraded.
    #[must_use]
    pub fn can_do_without(mut self) -> Self {
        self.is_needed = false;
        self
    }

    async fn run(&self, function: &'static str, system: &System) -> Outcome {
        let outcome = match within(&*system.time, self.timeout, (self.ask)()).await {
            Some(Ok(())) => return Outcome::Ok,
            Some(Err(error)) => {
                tracing::warn!(check = self.name, error = %Chain(&*error), "health check failed");
                Outcome::Failed
            }
            None => {
                tracing::warn!(check = self.name, timeout_ms = self.timeout.as_millis(), "health check took too long");
                Outcome::TimedOut
            }
        };
        metrics::counter!("health_check_failures_total", "function" => function, "check" => self.name).increment(1);
        outcome
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Ok,
    Failed,
    TimedOut,
}

#[derive(Debug, Clone, Serialize)]
struct Report {
    status: &'static str,
    checks: BTreeMap<&'static str, Outcome>,
}

/// A function's health routes.
pub struct Health {
    function: &'static str,
    system: System,
    checks: Vec<Check>,
    latest: Mutex<Option<(Duration, Report)>>,
}

impl Health {
    /// The health of `function`, which is ready when every check says so.
    pub fn new(function: &'static str, system: &System, checks: Vec<Check>) -> Self {
        Self { function, system: system.clone(), checks, latest: Mutex::new(None) }
    }

    /// `GET /health/live`: the process answers. `GET /health/ready`: it can do its work.
    pub fn router(self) -> Router {
        let health = Arc::new(self);
        Router::new().route("/health/live", get(async || Json(Report::new(BTreeMap::new(), false)))).route(
            "/health/ready",
            get(async move || {
                let report = health.report().await;
                let status = if report.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                (status, Json(report)).into_response()
            }),
        )
    }

    /// The latest report, or a new one where that is too old. Whoever asks meanwhile waits for the same one.
    async fn report(&self) -> Report {
        let mut latest = self.latest.lock().await;
        let now = self.system.time.monotonic();
        if let Some((at, report)) = &*latest
            && now.saturating_sub(*at) < GOOD_FOR
        {
            return report.clone();
        }
        let runs = self.checks.iter().map(|check| check.run(self.function, &self.system));
        let outcomes = all(runs).await;
        let needed_fails =
            self.checks.iter().zip(&outcomes).any(|(check, outcome)| check.is_needed && *outcome != Outcome::Ok);
        let report = Report::new(self.checks.iter().map(|check| check.name).zip(outcomes).collect(), needed_fails);
        *latest = Some((self.system.time.monotonic(), report.clone()));
        report
    }
}

impl Report {
    fn new(checks: BTreeMap<&'static str, Outcome>, needed_fails: bool) -> Self {
        let status = if needed_fails {
            "unavailable"
        } else if checks.values().all(|outcome| *outcome == Outcome::Ok) {
            "ok"
        } else {
            "degraded"
        };
        Self { status, checks }
    }

    fn is_ready(&self) -> bool {
        self.status != "unavailable"
    }
}

/// Runs futures side by side on this task, and answers their values in order.
async fn all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    let mut finished = pin!(poll_fn(|context| {
        let mut pending = false;
        for (future, value) in running.iter_mut().filter(|(_, value)| value.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(ready) => *value = Some(ready),
                Poll::Pending => pending = true,
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    }));
    finished.as_mut().await;
    running.into_iter().filter_map(|(_, value)| value).collect()
}
