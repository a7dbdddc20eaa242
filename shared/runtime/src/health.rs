//! `GET /health/live`, `/health/ready`, and `/health/deep` for people and dashboards.
//!
//! Must not know: what a check asks. The answer names the checks that fail, never why: that goes to the log.

mod fact;

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
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{
    logs::Chain,
    system::{System, within},
};

pub use fact::Fact;

/// How long a check may take unless it says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a result is good for: however many ask, each check runs at most once in this time.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// A process whose tasks run later than this is not alive: something blocks its workers, and only a new process helps.
const ALIVE_WITHIN: Duration = Duration::from_secs(10);

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
    /// How long each check took.
    #[serde(skip)]
    took: BTreeMap<&'static str, Duration>,
}

/// What `/health/deep` says.
#[derive(Debug, Serialize)]
struct DeepReport {
    status: &'static str,
    version: &'static str,
    checks: BTreeMap<&'static str, DeepOutcome>,
    /// How late tasks run.
    executor_delay_ms: u64,
    /// Each as it is named; null where it could not be found out in time.
    #[serde(flatten)]
    facts: BTreeMap<&'static str, Value>,
}

#[derive(Debug, Serialize)]
struct DeepOutcome {
    outcome: Outcome,
    needed: bool,
    latency_ms: u64,
}

/// A function's health routes.
pub struct Health {
    function: &'static str,
    system: System,
    checks: Vec<Check>,
    facts: Vec<Fact>,
    alive_within: Duration,
    latest: Mutex<Option<(Duration, Report)>>,
    latest_facts: Mutex<Option<(Duration, BTreeMap<&'static str, Value>)>>,
}

impl Health {
    /// The health of `function`, which is ready when every check says so.
    pub fn new(function: &'static str, system: &System, checks: Vec<Check>) -> Self {
        Self {
            function,
            system: system.clone(),
            checks,
            facts: Vec::new(),
            alive_within: ALIVE_WITHIN,
            latest: Mutex::new(None),
            latest_facts: Mutex::new(None),
        }
    }

    /// Shows these in `/health/deep`, too.
    #[must_use]
    pub fn showing(mut self, facts: impl IntoIterator<Item = Fact>) -> Self {
        self.facts.extend(facts);
        self
    }

    /// Changes how late tasks may run in a process that is alive.
    #[must_use]
    pub fn alive_within(mut self, delay: Duration) -> Self {
        self.alive_within = delay;
        self
    }

    /// `GET /health/live`: the process answers, and its tasks run. `GET /health/ready`: it can do its work. `GET /health/deep`: the
    /// same with how long each check took, and what else is worth a look.
    pub fn router(self) -> Router {
        let health = Arc::new(self);
        let (live, deep) = (Arc::clone(&health), Arc::clone(&health));
        Router::new()
            .route(
                "/health/live",
                get(async move || {
                    let report = live.live();
                    (status_of(report.is_ready()), Json(report)).into_response()
                }),
            )
            .route(
                "/health/ready",
                get(async move || {
                    let report = health.report().await;
                    (status_of(report.is_ready()), Json(report)).into_response()
                }),
            )
            .route(
                "/health/deep",
                get(async move || {
                    let report = deep.report().await;
                    (status_of(report.is_ready()), Json(deep.deep(report).await)).into_response()
                }),
            )
    }

    /// Asks nobody: what is elsewhere does not come back by a new process here.
    fn live(&self) -> Report {
        let delay = self.system.heartbeat.delay();
        if delay < self.alive_within {
            return Report::new(BTreeMap::new(), false);
        }
        tracing::error!(delay_ms = delay.as_millis(), "tasks do not run: this process is not alive");
        Report::new(BTreeMap::from([("executor", Outcome::TimedOut)]), true)
    }

    async fn deep(&self, report: Report) -> DeepReport {
        let needed = |name| self.checks.iter().any(|check| check.name == name && check.is_needed);
        let checks = report.checks.into_iter().map(|(name, outcome)| {
            let latency_ms = millis(report.took.get(name).copied().unwrap_or_default());
            (name, DeepOutcome { outcome, needed: needed(name), latency_ms })
        });
        DeepReport {
            status: report.status,
            version: crate::VERSION,
            checks: checks.collect(),
            executor_delay_ms: millis(self.system.heartbeat.delay()),
            facts: self.facts().await,
        }
    }

    /// The latest facts, or new ones where those are too old. Whoever asks meanwhile waits for the same ones.
    async fn facts(&self) -> BTreeMap<&'static str, Value> {
        let mut latest = self.latest_facts.lock().await;
        if let Some((at, facts)) = &*latest
            && self.system.time.monotonic().saturating_sub(*at) < GOOD_FOR
        {
            return facts.clone();
        }
        let looks = self.facts.iter().map(|fact| fact.look(&*self.system.time));
        let facts: BTreeMap<_, _> = all(looks).await.into_iter().collect();
        *latest = Some((self.system.time.monotonic(), facts.clone()));
        facts
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
        let runs = self.checks.iter().map(|check| async {
            let started = self.system.time.monotonic();
            let outcome = check.run(self.function, &self.system).await;
            (outcome, self.system.time.monotonic().saturating_sub(started))
        });
        let (outcomes, took): (Vec<_>, Vec<_>) = all(runs).await.into_iter().unzip();
        let needed_fails =
            self.checks.iter().zip(&outcomes).any(|(check, outcome)| check.is_needed && *outcome != Outcome::Ok);
        let names = || self.checks.iter().map(|check| check.name);
        let mut report = Report::new(names().zip(outcomes).collect(), needed_fails);
        report.took = names().zip(took).collect();
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
        Self { status, checks, took: BTreeMap::new() }
    }

    fn is_ready(&self) -> bool {
        self.status != "unavailable"
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn status_of(is_ready: bool) -> StatusCode {
    if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
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
