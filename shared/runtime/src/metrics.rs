//! The process's metrics, and `GET /metrics` in Prometheus's text format.
//!
//! Must not know: what is measured, its own process and task runtime aside.

mod process;
mod task_runtime;

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::header, response::IntoResponse, routing::get};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::system::System;

/// Upper bounds of every histogram's buckets, in seconds: from what a lookup takes to a whole request's deadline.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Samples are gathered in lists and sorted into buckets this often, or those lists would grow where nobody scrapes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

static INSTALLED: OnceLock<Metrics> = OnceLock::new();

/// The process's metrics.
#[derive(Debug)]
pub struct Metrics {
    handle: PrometheusHandle,
    next_upkeep_ms: AtomicU64,
    busy: task_runtime::Busy,
}

/// Collects the process's metrics from here on. Later calls answer the same.
pub fn install() -> &'static Metrics {
    INSTALLED.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        // Refused only for an empty list.
        let recorder = builder.set_buckets(&BUCKETS).expect("there are buckets").build_recorder();
        let handle = recorder.handle();
        // Where somebody else's recorder is in place, that one collects, and this one stays empty.
        _ = metrics::set_global_recorder(recorder);
        describe();
        Metrics { handle, next_upkeep_ms: AtomicU64::new(0), busy: task_runtime::Busy::default() }
    })
}

fn describe() {
    metrics::describe_counter!("http_requests_total", "Requests answered, by route, method, status and problem code.");
    metrics::describe_histogram!("http_request_duration_seconds", "Time from a request's headers to its answer.");
    metrics::describe_counter!("health_check_failures_total", "Readiness checks that failed or took too long.");
    metrics::describe_gauge!("build_info", "Always 1; the labels say which build this is.");
    metrics::gauge!("build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

impl Metrics {
    /// Everything, in Prometheus's text format. Reads the process's own numbers first.
    pub fn render(&self, system: &System) -> String {
        let mut text = self.handle.render();
        process::write(&mut text);
        task_runtime::write(&mut text, &self.busy, system.time.monotonic());
        text
    }

    /// Sorts the gathered samples into buckets, if it is time. Cheap enough to call on every request.
    pub(crate) fn keep_up(&self, now: Duration) {
        let now = millis(now);
        let due = self.next_upkeep_ms.load(Ordering::Relaxed);
        let next = now + millis(UPKEEP_INTERVAL);
        let ours =
            now >= due && self.next_upkeep_ms.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if ours {
            self.handle.run_upkeep();
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

/// `GET /metrics`.
pub fn router(system: &System) -> Router {
    let (metrics, system) = (install(), system.clone());
    Router::new().route(
        "/metrics",
        get(move || {
            let text = metrics.render(&system);
            async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response() }
        }),
    )
}

/// Writes one metric without labels, with its type and help.
fn write_metric(text: &mut String, name: &str, kind: &str, help: &str, value: f64) {
    use std::fmt::Write;
    // Writing to a String cannot fail.
    _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n");
}
