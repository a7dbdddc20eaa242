//! A payment as it shows in a trace: the function as a process, and a collector of our own.

use std::sync::{Arc, Mutex};

use axum::{Router, http::StatusCode, routing::post};
use bytes::Bytes;
use http::{HeaderValue, Method};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{Span, span::SpanKind},
};
use prost::Message;
use tokio::net::TcpListener;
use tollgate_runtime::{
    Server, System, TaskSpawner, Variables,
    logs::{self, LogOptions},
    trace::{TraceOptions, Traces},
};
use tracing::subscriber::DefaultGuard;

use crate::separate_functions::{Deployment, card};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Takes spans, and answers where.
pub(crate) async fn collector() -> (String, Arc<Mutex<Vec<Span>>>) {
    let seen = Arc::<Mutex<Vec<Span>>>::default();
    let shared = Arc::clone(&seen);
    let take = async move |body: Bytes| {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        shared.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        StatusCode::OK
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/traces", post(take));
    let server = Server::new(&System::real());
    TaskSpawner::default().start(async move { _ = server.serve(listener, router, std::future::pending()).await });
    (url, seen)
}

/// The names of a span's attributes.
pub(crate) fn attributes(span: &Span) -> Vec<&str> {
    span.attributes.iter().map(|attribute| attribute.key.as_str()).collect()
}

/// Exports the spans of this thread, while the guard lives.
pub(crate) fn exporting(url: &str) -> (Traces, DefaultGuard) {
    let mut vars = Variables::of([("OTEL_EXPORTER_OTLP_ENDPOINT", url)]);
    let traces = Traces::start(&TraceOptions::read(&mut vars, "test").unwrap().unwrap()).unwrap();
    let subscriber = logs::traced_subscriber(&LogOptions::default(), &traces, std::io::sink());
    (traces, tracing::subscriber::set_default(subscriber))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_a_trace_of_its_request_commits_provider_call_and_message() {
    let (url, seen) = collector().await;
    let mut deployment = Deployment::prepare().await;
    deployment.environment.push(("OTEL_EXPORTER_OTLP_ENDPOINT", url));
    let payments = deployment.start("payments").await;
    let create = format!("{}/v1/payments", payments.url);
    let mut request = deployment.request(Method::POST, &create, Some("traced"), Some(card()));
    let traceparent = HeaderValue::from_str(&format!("00-{TRACE}-{CALLER}-01")).unwrap();
    request.headers_mut().insert("traceparent", traceparent);
    assert_eq!(deployment.send(request).await.status(), 201);
    assert_eq!(payments.terminate().await, Some(0));

    let spans: Vec<_> =
        seen.lock().unwrap().iter().filter(|span| hex::encode(&span.trace_id) == TRACE).cloned().collect();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let [root] = named("POST /v1/payments")[..] else { panic!("one request: {spans:#?}") };
    assert_eq!((hex::encode(&root.parent_span_id).as_str(), root.kind()), (CALLER, SpanKind::Server));
    for (name, kind, times) in [
        ("store commit", SpanKind::Client, 2),
        ("stripe authorize", SpanKind::Client, 1),
        ("publish", SpanKind::Producer, 1),
    ] {
        let children = named(name);
        assert_eq!(children.len(), times, "{name} in {spans:#?}");
        assert!(
            children.iter().all(|span| span.parent_span_id == root.span_id && span.kind() == kind),
            "{children:#?}"
        );
    }
    let call = named("stripe authorize")[0];
    assert_eq!(attributes(call), ["provider", "operation", "payment", "outcome"]);
    let text = format!("{spans:?}");
    for secret in ["pm_card_visa", "sk_test", "hunter", "traced"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
