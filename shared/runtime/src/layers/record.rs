//! What is kept of a request: one log line in Cloud Logging's `httpRequest` shape, one count, one duration.
//!
//! Must not know: headers, bodies or concrete paths. They may hold what must not be kept.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    http::{Method, StatusCode},
    response::Response,
};
use tollgate_api::{Problem, ProblemCode};
use tollgate_gateway::ports::Time;
use tracing::Span;

use super::Edge;
use crate::{metrics::Metrics, trace};

/// A request being answered. Dropped before it is finished, the caller has gone away: that is recorded as status 499,
/// which is never sent.
pub(super) struct Record {
    function: &'static str,
    method: &'static str,
    route: Arc<str>,
    started: Duration,
    time: Arc<dyn Time>,
    metrics: &'static Metrics,
    span: Span,
    finished: bool,
}

impl Record {
    pub(super) fn start(edge: &Edge, method: &Method, route: Arc<str>, span: Span) -> Self {
        let time = Arc::clone(&edge.system.time);
        let (function, metrics, started) = (edge.function, edge.metrics, time.monotonic());
        Self { function, method: known_method(method), route, started, time, metrics, span, finished: false }
    }

    pub(super) fn finish(mut self, response: &Response) {
        self.finished = true;
        let problem = response.extensions().get::<Problem>();
        let code = problem.map_or("", |problem| problem.code.as_str());
        self.record(response.status(), code, problem.and_then(Problem::cause));
    }

    fn record(&self, status: StatusCode, code: &'static str, cause: Option<&(dyn Error + 'static)>) {
        let now = self.time.monotonic();
        let duration = now.saturating_sub(self.started);
        self.count(status, code, duration);
        self.metrics.keep_up(now);
        self.span.in_scope(|| self.log(status, code, duration, cause));
        trace::answered(&self.span, self.method, &self.route, status.as_u16(), code);
    }

    fn count(&self, status: StatusCode, code: &'static str, duration: Duration) {
        let (function, method) = (self.function, self.method);
        let route = || Arc::clone(&self.route);
        metrics::counter!(
            "http_requests_total",
            "function" => function, "route" => route(), "method" => method,
            "status" => status.as_str().to_owned(), "code" => code,
        )
        .increment(1);
        metrics::histogram!(
            "http_request_duration_seconds", "function" => function, "route" => route(), "method" => method,
        )
        .record(duration.as_secs_f64());
    }

    fn log(&self, status: StatusCode, code: &'static str, duration: Duration, error: Option<&(dyn Error + 'static)>) {
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    httpRequest.requestMethod = self.method,
                    httpRequest.requestUrl = &*self.route,
                    httpRequest.status = status.as_u16(),
                    httpRequest.latency = format_args!("{:.6}s", duration.as_secs_f64()),
                    code = (!code.is_empty()).then_some(code),
                    error,
                    "{} {} {}",
                    self.method,
                    self.route,
                    status.as_u16(),
                )
            };
        }
        match status.as_u16() {
            // Its own line says how many there were: a warning for each would be load, when there is too much of it.
            503 if code == ProblemCode::Overloaded.as_str() => line!(info),
            503 => line!(warn),
            500.. => line!(error),
            ..400 if is_probe(&self.route) => line!(debug),
            _ => line!(info),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.finished {
            let gone = StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT);
            self.record(gone, "", None);
        }
    }
}

/// Probes and scrapes come every few seconds.
pub(super) fn is_probe(route: &str) -> bool {
    route.starts_with("/health/") || route == "/metrics"
}

/// Methods are a metric's label, and callers may send any: those nobody knows are one.
pub(super) fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
