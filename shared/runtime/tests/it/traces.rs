//! Spans: what is exported, how it hangs together, and that nobody waits for it.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tollgate_api::{Problem, ProblemCode};
use tollgate_gateway::SPAN_TARGET;
use tollgate_runtime::{
    Edge, System, Variables, layered,
    logs::{self, LogFormat, LogOptions},
    trace::{TraceOptions, Traces, consumed, current_traceparent},
};
use tracing::{Instrument, subscriber::DefaultGuard};

use crate::{
    collector::Collector,
    support::{self, Captured, Running},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A header that says whether the caller keeps the trace.
fn caller(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{CALLER}-{flags}\r\n")
}

fn traces(endpoint: &str, sampler: &str) -> Traces {
    let mut vars = Variables::of([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_TRACES_SAMPLER", sampler),
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
    ]);
    Traces::start(&TraceOptions::read(&mut vars, "payments").unwrap().unwrap()).unwrap()
}

/// A function whose spans go to a collector.
struct World {
    system: System,
    collector: Collector,
    traces: Traces,
    captured: Captured,
    server: Running,
    _guard: DefaultGuard,
}

impl World {
    async fn start(filter: &str, sampler: &str) -> Self {
        let collector = Collector::start().await;
        let traces = traces(&collector.endpoint(), sampler);
        let captured = Captured::default();
        let options = LogOptions { format: LogFormat::Json, filter: filter.to_owned() };
        let subscriber = logs::traced_subscriber(&options, &traces, captured.clone());
        let guard = tracing::subscriber::set_default(subscriber);
        let system = System::real();
        let edge = Edge::new("payments", &system).with_project(Some("shop".to_owned()));
        let server = Running::start(&system, layered(routes(&system), edge)).await;
        Self { system, collector, traces, captured, server, _guard: guard }
    }

    async fn get(&self, path: &str, headers: &str) -> String {
        self.server.send(&support::get(path, headers)).await.body
    }

    async fn flush(&self) {
        self.system.tasks.idle().await;
        assert!(self.traces.flush(Duration::from_secs(5)).await);
    }
}

fn routes(system: &System) -> Router {
    let (time, tasks) = (Arc::clone(&system.time), system.tasks.clone());
    Router::new()
        .route("/v1/payments/{id}", get(async || work().await))
        .route("/refused", get(async || Problem::new(ProblemCode::Forbidden, "Not yours.")))
        .route("/broken", get(async || Problem::internal("card 4242424242424242 in the store")))
        .route("/health/live", get(async || tracing::warn!("probed")))
        .route("/where", get(async || current_traceparent().unwrap_or_default()))
        .route(
            "/goes-on",
            get(async move || {
                tasks.start(async move {
                    time.sleep(Duration::from_millis(300)).await;
                    _ = work().await;
                });
            }),
        )
        .route("/message", get(async || consume(Some(&format!("00-{TRACE}-{CALLER}-01"))).await))
        .route("/foreign-message", get(async || consume(Some("00-nonsense")).await))
}

/// What an adapter does: a span of its own, and a line in it.
async fn work() -> String {
    let span = tracing::info_span!(
        target: SPAN_TARGET,
        "store",
        otel.kind = "client",
        otel.name = "store commit",
        operation = "commit",
        secret = "hunter2",
    );
    async {
        tracing::warn!(secret = "hunter3", "in the store");
        current_traceparent().unwrap_or_default()
    }
    .instrument(span)
    .await
}

async fn consume(traceparent: Option<&str>) -> String {
    consumed("payment-events", traceparent, async {
        tracing::info!("consuming");
        work().await
    })
    .await
}

#[tokio::test]
async fn a_requests_spans_arrive_as_children_of_the_callers() {
    let world = World::start("info", "").await;
    let traceparent = world.get("/v1/payments/pay_1", &format!("{}X-Correlation-Id: abc\r\n", caller("01"))).await;
    world.flush().await;

    let request = world.collector.span("GET /v1/payments/{id}");
    assert_eq!((&*request.trace, &*request.parent), (TRACE, CALLER));
    assert_eq!((request.kind, &*request.service, request.failed), (SpanKind::Server, "payments", false));
    let attributes = [
        ("correlation_id", "abc"),
        ("function", "payments"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/v1/payments/{id}"),
    ];
    assert_eq!(request.attributes, attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into());

    let store = world.collector.span("store commit");
    assert_eq!((&store.trace, &store.parent, store.kind), (&request.trace, &request.id, SpanKind::Client));
    assert_eq!(traceparent, format!("00-{TRACE}-{}-01", store.id));
    assert_eq!(world.collector.seen().len(), 2);
}

#[tokio::test]
async fn log_lines_carry_the_exported_spans_ids() {
    let world = World::start("info", "").await;
    world.get("/v1/payments/pay_1", &caller("01")).await;
    world.flush().await;
    let request = world.collector.span("GET /v1/payments/{id}");
    for message in ["GET /v1/payments/{id} 200", "in the store"] {
        let line = world.captured.line(message);
        assert_eq!(line["logging.googleapis.com/trace"], format!("projects/shop/traces/{TRACE}"));
        assert_eq!(line["logging.googleapis.com/spanId"], request.id);
        assert_eq!(line["logging.googleapis.com/trace_sampled"], true);
    }
    let text = world.captured.text();
    assert!(!text.contains("otel.") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_request_without_a_trace_starts_one() {
    let world = World::start("info", "").await;
    world.get("/refused", "traceparent: nonsense\r\n").await;
    world.flush().await;
    let request = world.collector.span("GET /refused");
    assert_eq!((&*request.parent, request.failed), ("", false));
    assert_eq!(request.attributes["code"], "forbidden");
    let line = world.captured.line("GET /refused 403");
    assert_eq!(line["logging.googleapis.com/trace"], format!("projects/shop/traces/{}", request.trace));
}

#[tokio::test]
async fn googles_header_counts_where_there_is_no_other() {
    let world = World::start("info", "").await;
    world.get("/refused", &format!("X-Cloud-Trace-Context: {TRACE}/255;o=1\r\n")).await;
    world.get("/where", &format!("X-Cloud-Trace-Context: {TRACE}/255;o=0\r\n")).await;
    world.flush().await;
    let request = world.collector.span("GET /refused");
    assert_eq!((&*request.trace, &*request.parent), (TRACE, "00000000000000ff"));
    assert_eq!(world.collector.seen().len(), 1);
}

#[tokio::test]
async fn what_the_caller_does_not_keep_is_not_exported_and_still_named() {
    let world = World::start("info", "").await;
    let traceparent = world.get("/v1/payments/pay_1", &caller("00")).await;
    world.flush().await;
    assert!(world.collector.seen().is_empty(), "{:?}", world.collector.seen());
    let line = world.captured.line("GET /v1/payments/{id} 200");
    assert_eq!(line["logging.googleapis.com/trace"], format!("projects/shop/traces/{TRACE}"));
    assert_eq!(line["logging.googleapis.com/trace_sampled"], false);
    assert!(traceparent.starts_with(&format!("00-{TRACE}-")) && traceparent.ends_with("-00"), "{traceparent}");
}

#[tokio::test]
async fn a_ratio_of_nothing_keeps_only_what_the_caller_keeps() {
    let world = World::start("info", "parentbased_traceidratio").await;
    world.get("/where", "").await;
    world.get("/refused", &caller("01")).await;
    world.flush().await;
    assert_eq!(world.collector.span("GET /refused").trace, TRACE);
    assert_eq!(world.collector.seen().len(), 1);
}

#[tokio::test]
async fn only_listed_attributes_leave_and_no_log_lines_or_error_texts() {
    let world = World::start("debug", "").await;
    world.get("/v1/payments/pay_1?key=hunter4", &caller("01")).await;
    world.get("/broken", &caller("01")).await;
    world.flush().await;
    assert!(world.collector.span("GET /broken").failed);
    for span in world.collector.seen() {
        assert_eq!(span.events, 0);
        let text = format!("{span:?}");
        assert!(!text.contains("hunter") && !text.contains("4242") && !text.contains("pay_1"), "{text}");
    }
    assert_eq!(world.collector.span("store commit").attributes.len(), 1);
}

#[tokio::test]
async fn a_requests_span_ends_with_its_answer_whatever_it_started() {
    let world = World::start("info", "").await;
    world.get("/goes-on", &caller("01")).await;
    world.flush().await;
    let request = world.collector.span("GET /goes-on");
    assert!(request.milliseconds < 250, "{request:?}");
    assert_eq!(world.collector.span("store commit").parent, request.id);
}

#[tokio::test]
async fn a_message_is_consumed_in_its_publishers_trace() {
    let world = World::start("info", "").await;
    let traceparent = world.get("/message", "").await;
    world.get("/foreign-message", "").await;
    world.flush().await;
    let spans = world.collector.seen();
    let consumed: Vec<_> = spans.iter().filter(|span| span.name == "payment-events").collect();
    assert_eq!(consumed.len(), 2);
    let (ours, foreign) = (consumed[0], consumed[1]);
    assert_eq!((&*ours.trace, &*ours.parent, ours.kind), (TRACE, CALLER, SpanKind::Consumer));
    assert!(foreign.trace != TRACE && foreign.parent.is_empty(), "{foreign:?}");
    assert_ne!(foreign.trace, world.collector.span("GET /foreign-message").trace);
    let store = spans.iter().find(|span| span.parent == ours.id).unwrap();
    assert_eq!(traceparent, format!("00-{TRACE}-{}-01", store.id));
    let lines = world.captured.json_lines();
    let line = lines.iter().find(|line| line["message"] == "consuming").unwrap();
    assert_eq!(line["logging.googleapis.com/trace"], format!("projects/shop/traces/{TRACE}"));
    assert_eq!(line["logging.googleapis.com/spanId"], ours.id);
    assert!(line["correlation_id"].is_string());
}

#[tokio::test]
async fn probes_are_no_traces_and_their_lines_are_still_known() {
    let world = World::start("info", "").await;
    world.get("/health/live", "X-Correlation-Id: abc\r\n").await;
    world.flush().await;
    assert!(world.collector.seen().is_empty(), "{:?}", world.collector.seen());
    assert_eq!(world.captured.line("probed")["correlation_id"], "abc");
}

#[tokio::test]
async fn spans_are_there_whatever_the_filter_says() {
    let world = World::start("error", "").await;
    world.get("/v1/payments/pay_1", &caller("01")).await;
    world.flush().await;
    assert_eq!(world.collector.seen().len(), 2);
}

#[tokio::test]
async fn without_a_collector_the_trace_is_carried_on_all_the_same() {
    let (captured, _guard) = Captured::start(LogFormat::Json, "info");
    let system = System::real();
    let server = Running::start(&system, layered(routes(&system), Edge::new("payments", &system))).await;
    let given = server.send(&support::get("/where", &caller("01"))).await.body;
    assert_eq!(given, format!("00-{TRACE}-{CALLER}-01"));
    assert_eq!(server.send(&support::get("/message", "")).await.body, given);
    assert_eq!(captured.line("consuming")["logging.googleapis.com/trace"], TRACE);

    let made = server.get("/where").await.body;
    let (trace, span) = (&made[3..35], &made[36..52]);
    let lines = captured.json_lines();
    let line = lines.iter().rfind(|line| line["message"] == "GET /where 200").unwrap();
    assert_eq!(
        (&line["logging.googleapis.com/trace"], &line["logging.googleapis.com/spanId"]),
        (&trace.into(), &span.into())
    );
    assert_eq!(line["logging.googleapis.com/trace_sampled"], false);
    assert_eq!(current_traceparent(), None);
}

#[test]
fn what_exports_spans_is_checked_at_the_start() {
    let read = |values: &[(&str, &str)]| {
        let mut vars = Variables::of(values.iter().copied());
        let options = TraceOptions::read(&mut vars, "payments");
        vars.finish().map(|()| options.unwrap().is_some()).map_err(|mistakes| mistakes.0)
    };
    assert_eq!(read(&[]), Ok(false));
    for good in ["http://127.0.0.1:4318", "http://127.0.0.1:4318/", "http://[::1]:4318", "http://collector/otlp"] {
        assert_eq!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", good)]), Ok(true), "{good}");
    }
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector?key=value"),
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "NaN"),
    ] {
        let mistakes = read(&[(name, value)]).unwrap_err();
        assert!(
            mistakes.len() == 1 && mistakes[0].starts_with(&format!("{name}=\"{value}\" is not valid")),
            "{mistakes:?}"
        );
    }
}
