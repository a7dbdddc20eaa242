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
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::system::System;

/// Upper bounds of every histogram's buckets, in seconds: from what a lookup takes to a whole request's deadline.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Upper bounds of the buckets of what takes minutes and hours. Five minutes and half an hour are what is promised (docs/slo.md).
const AGES: [f64; 12] = [1.0, 5.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0];

/// What is measured in those.
const IN_AGES: [&str; 3] = ["webhook_delivery_age_seconds", "settlement_duration_seconds", "settlement_age_seconds"];

/// Upper bounds of the buckets of how many wait.
const DEPTHS: [f64; 10] = [0.0, 1.0, 5.0, 10.0, 50.0, 100.0, 250.0, 500.0, 750.0, 1000.0];

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
        let builder = builder.set_buckets(&BUCKETS).expect("there are buckets");
        let depth = Matcher::Full("admission_queue_depth".to_owned());
        let mut builder = builder.set_buckets_for_metric(depth, &DEPTHS).expect("there are buckets");
        for name in IN_AGES {
            let named = Matcher::Full(name.to_owned());
            builder = builder.set_buckets_for_metric(named, &AGES).expect("there are buckets");
        }
        let recorder = builder.build_recorder();
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
    metrics::describe_histogram!("admission_queue_depth", "How many requests waited when another one came.");
    metrics::describe_gauge!("admission_in_flight", "Requests that are worked on.");
    metrics::describe_gauge!("admission_limit", "The most requests that are worked on at a time, as it now is.");
    metrics::describe_counter!(
        "load_shed_total",
        "Requests refused because there was too much to do, by what they were."
    );
    metrics::describe_counter!("rate_limited_total", "Requests over a limit, by whose it is.");
    metrics::describe_histogram!("tokio_delay_seconds", "How late a task ran that should run every 100 ms.");
    metrics::describe_gauge!("connections_open", "Connections of clients.");
    metrics::describe_counter!("connections_closed_total", "Connections that were ended by us, by why.");
    metrics::describe_counter!("bodies_refused_total", "Bodies refused because too many bytes of bodies were held.");
    metrics::describe_gauge!("build_info", "Always 1; the labels say which build this is.");
    metrics::gauge!("build_info", "version" => crate::VERSION).set(1.0);
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
