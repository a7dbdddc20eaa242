//! What leaves: spans with the attributes that are on the list, and one log line for each time that the collector is away.
//!
//! Must not know: how spans are sent.

use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::trace::Status;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanEvents, SpanExporter},
};

/// Names of attributes that may leave: ids, operations and outcomes. A field that somebody adds to a span stays here until
/// it is added to this list, too.
const ALLOWED: &[&str] = &[
    "function",
    "correlation_id",
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "code",
    "system",
    "operation",
    "provider",
    "outcome",
    "payment",
    "event",
    "attempt",
    "messages",
];

/// An exporter behind the list.
#[derive(Debug)]
pub(super) struct Outgoing<E> {
    inner: E,
    is_away: AtomicBool,
}

impl<E: SpanExporter> Outgoing<E> {
    pub(super) fn new(inner: E) -> Self {
        Self { inner, is_away: AtomicBool::new(false) }
    }

    fn record(&self, spans: usize, result: &OTelSdkResult) {
        let outcome = if result.is_ok() { "exported" } else { "lost" };
        metrics::counter!("trace_spans_total", "outcome" => outcome)
            .increment(u64::try_from(spans).unwrap_or(u64::MAX));
        let was_away = self.is_away.swap(result.is_err(), Ordering::Relaxed);
        match result {
            Err(error) if !was_away => {
                tracing::warn!(%error, "spans cannot be exported; they are lost until the collector is back");
            }
            Ok(()) if was_away => tracing::info!("spans are exported again"),
            _ => {}
        }
    }
}

impl<E: SpanExporter> SpanExporter for Outgoing<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(keep_allowed);
        let spans = batch.len();
        let result = self.inner.export(batch).await;
        self.record(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: std::time::Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Log lines are not sent along, and neither is an error's text: both say more than the list allows.
fn keep_allowed(span: &mut SpanData) {
    span.attributes.retain(|attribute| ALLOWED.contains(&attribute.key.as_str()));
    span.events = SpanEvents::default();
    if matches!(span.status, Status::Error { .. }) {
        span.status = Status::error("");
    }
}
