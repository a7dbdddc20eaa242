//! A collector of our own: takes what is exported by OTLP, and shows it as plain values.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, Span, span::SpanKind},
};
use prost::Message;
use tollgate_runtime::System;

use crate::support::Running;

/// A span as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty: it is a root.
    pub(crate) parent: String,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Its status is an error.
    pub(crate) failed: bool,
    pub(crate) events: usize,
    pub(crate) milliseconds: u64,
}

/// The collector. It runs on the test's task runtime.
pub(crate) struct Collector {
    pub(crate) server: Running,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let shared = Arc::clone(&seen);
        let take = async move |body: Bytes| {
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            shared.lock().unwrap().extend(request.resource_spans.into_iter().flat_map(spans));
            StatusCode::OK
        };
        let server = Running::start(&System::real(), Router::new().route("/v1/traces", post(take))).await;
        Self { server, seen }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.server.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The one span of this name.
    #[track_caller]
    pub(crate) fn span(&self, name: &str) -> Seen {
        let mut spans = self.seen();
        spans.retain(|span| span.name == name);
        assert_eq!(spans.len(), 1, "{name} in {:?}", self.seen());
        spans.remove(0)
    }
}

fn spans(resource: ResourceSpans) -> impl Iterator<Item = Seen> {
    let service = attributes(&resource.resource.unwrap_or_default().attributes)["service.name"].clone();
    let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
    spans.map(move |span| seen(&service, &span))
}

fn seen(service: &str, span: &Span) -> Seen {
    Seen {
        service: service.to_owned(),
        name: span.name.clone(),
        kind: span.kind(),
        trace: hex::encode(&span.trace_id),
        id: hex::encode(&span.span_id),
        parent: hex::encode(&span.parent_span_id),
        attributes: attributes(&span.attributes),
        failed: span.status.as_ref().is_some_and(|status| status.code == 2),
        events: span.events.len(),
        milliseconds: (span.end_time_unix_nano - span.start_time_unix_nano) / 1_000_000,
    }
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}
