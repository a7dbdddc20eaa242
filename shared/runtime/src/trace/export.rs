//! Exports spans in the background: a bounded queue, batches from a thread of its own, and nobody who waits for them.
//!
//! Must not know: which spans there are.

use std::time::Duration;

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchSpanProcessor, SdkTracerProvider},
};
use tollgate_gateway::SPAN_TARGET;
use tracing::Subscriber;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use super::{TraceOptions, collector::Collector, outgoing::Outgoing};
use crate::{logs::REQUEST_TARGET, system::beside};

/// The exporter at work. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts to export to where `options` say, from the task runtime that this is called on. The queue's and batches' bounds
    /// are the SDK's (2,048 spans, 512 a batch, every 5 s), and its `OTEL_BSP_*` variables change them.
    pub fn start(options: &TraceOptions) -> anyhow::Result<Self> {
        metrics::describe_counter!(
            "trace_spans_total",
            "Spans that were exported, or lost because the collector was away."
        );
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new())
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_endpoint(options.url.to_string())
            .build()?;
        let resource = Resource::builder()
            .with_service_name(options.service.clone())
            .with_attribute(KeyValue::new("service.version", crate::VERSION))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_sampler(options.sampler.clone())
            .with_resource(resource)
            .with_span_processor(BatchSpanProcessor::builder(Outgoing::new(exporter)).build())
            .build();
        Ok(Self { provider })
    }

    /// Sends what is left and stops, within `limit`. False: some of it is lost.
    pub async fn flush(&self, limit: Duration) -> bool {
        let provider = self.provider.clone();
        beside(move || provider.shutdown_with_timeout(limit).is_ok()).await.unwrap_or(false)
    }
}

/// The layer that makes exported spans of those that are made for it. Events are log lines, and stay at home.
pub(crate) fn exporting<S>(traces: &Traces) -> impl Layer<S> + Send + Sync + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    tracing_opentelemetry::layer()
        .with_tracer(traces.provider.tracer("tollgate"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        // Nobody asks OpenTelemetry where we are: tracing knows, and entering a span stays cheap.
        .with_context_activation(false)
        .with_filter(filter_fn(|metadata| {
            metadata.is_span() && matches!(metadata.target(), REQUEST_TARGET | SPAN_TARGET)
        }))
}

/// A layer that does nothing; where it is, spans are exported.
pub(crate) struct Exporting;

impl<S: Subscriber> Layer<S> for Exporting {}
