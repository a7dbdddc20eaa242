//! A payment as it shows in a trace: the function as a process, and a collector of our own.

use http::{HeaderValue, Method};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use tollgate_runtime::{
    Variables,
    logs::{self, LogOptions},
    trace::{TraceOptions, Traces},
};
use tollgate_sandbox::collector::Collector;
use tollgate_tests::stage::eventually;
use tracing::subscriber::DefaultGuard;

use crate::separate_functions::{Deployment, card};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// The names of a span's attributes.
pub(crate) fn attributes(span: &Span) -> Vec<&str> {
    span.attributes.iter().map(|attribute| attribute.key.as_str()).collect()
}

/// Exports the spans of this thread, while the guard lives.
pub(crate) fn exporting(url: &str) -> (Traces, DefaultGuard) {
    let mut vars = Variables::of([("OTEL_EXPORTER_OTLP_ENDPOINT", url)]);
    let traces = Traces::start(&TraceOptions::read(&mut vars, "test").unwrap().unwrap()).unwrap();
    let subscriber = logs::traced_subscriber(&LogOptions::default(), &traces, std::io::sink());
    let guard = tracing::subscriber::set_default(subscriber);
    // What other tests' threads have seen of spans just now may have been of before this subscriber.
    tracing::callsite::rebuild_interest_cache();
    (traces, guard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_one_trace_of_its_request_commits_provider_call_message_and_webhook_over_two_processes() {
    let collector = Collector::start().await.unwrap();
    let mut deployment = Deployment::prepare().await;
    deployment.environment.push(("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone()));
    let payments = deployment.start("payments").await;
    let create = format!("{}/v1/payments", payments.url);
    let mut request = deployment.request(Method::POST, &create, Some("traced"), Some(card()));
    let traceparent = HeaderValue::from_str(&format!("00-{TRACE}-{CALLER}-01")).unwrap();
    request.headers_mut().insert("traceparent", traceparent);
    assert_eq!(deployment.send(request).await.status(), 201);
    assert_eq!(payments.terminate().await, Some(0));
    // Whoever published is gone when its message is handled.
    deployment.environment.push(("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()));
    let delivery = deployment.start("webhook-delivery").await;
    eventually("the message is handled", async || {
        collector.trace(TRACE).iter().any(|span| span.name == "payment-events")
    })
    .await;
    assert_eq!(delivery.terminate().await, Some(0));

    let spans = collector.trace(TRACE);
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let [root] = named("POST /v1/payments")[..] else { panic!("one request: {spans:#?}") };
    assert_eq!((hex::encode(&root.parent_span_id).as_str(), root.kind()), (CALLER, SpanKind::Server));
    for (name, kind, times) in [
        ("store commit", SpanKind::Client, 2),
        ("stripe authorize", SpanKind::Client, 1),
        ("publish", SpanKind::Producer, 1),
    ] {
        let children: Vec<_> = named(name).into_iter().filter(|span| span.parent_span_id == root.span_id).collect();
        assert_eq!(children.len(), times, "{name} in {spans:#?}");
        assert!(children.iter().all(|span| span.kind() == kind), "{children:#?}");
    }
    let [message] = named("payment-events")[..] else { panic!("one message: {spans:#?}") };
    assert_eq!(message.kind(), SpanKind::Consumer);
    assert_eq!(message.parent_span_id, named("publish")[0].span_id);
    let [webhook] = named("webhook")[..] else { panic!("one try: {spans:#?}") };
    assert_eq!(webhook.parent_span_id, message.span_id);
    let call = named("stripe authorize")[0];
    assert_eq!(attributes(call), ["provider", "operation", "payment", "outcome"]);
    assert_eq!(attributes(named("publish")[0]), ["operation", "messages", "payment"], "found by the payment");
    let text = format!("{spans:?}");
    for secret in ["pm_card_visa", "sk_test", "hunter", "traced"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
