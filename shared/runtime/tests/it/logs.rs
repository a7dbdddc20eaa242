//! What log lines look like.

use std::{error::Error, fmt, io};

use axum::{Router, routing::get};
use tollgate_api::{Problem, ProblemCode};
use tollgate_runtime::{Edge, System, layered, logs::LogFormat};
use tracing::{error, info, info_span, warn};

use crate::support::{self, Captured, Running, eventually};

const TRACEPARENT: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";

#[derive(Debug)]
struct Outer(io::Error);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot commit")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn a_line_is_one_json_object_with_its_fields_under_their_names() {
    let (captured, _guard) = Captured::start(LogFormat::Json, "info");
    let span = info_span!("outer", merchant = "m_1", attempt = 1);
    span.in_scope(|| {
        info_span!("inner", attempt = 2).in_scope(|| {
            warn!(
                amount = 1000_u64,
                ratio = 0.5,
                late = true,
                note = "two\nlines \"quoted\" \u{1}",
                "taking {}",
                "long"
            );
        });
    });
    let line = captured.line("taking long");
    assert_eq!(line["severity"], "WARNING");
    assert_eq!((&line["amount"], &line["ratio"], &line["late"]), (&1000.into(), &0.5.into(), &true.into()));
    assert_eq!(line["note"], "two\nlines \"quoted\" \u{1}");
    assert_eq!((&line["merchant"], &line["attempt"]), (&"m_1".into(), &2.into()));
    assert_eq!(line["logger"], "it::logs");
    assert!(line["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
}

#[test]
fn an_error_is_logged_with_its_causes_once_each() {
    let (captured, _guard) = Captured::start(LogFormat::Json, "info");
    let failure = Outer(io::Error::other("disk full"));
    error!(error = &failure as &dyn Error, "giving up");
    assert_eq!(captured.line("giving up")["error"], "cannot commit: disk full");
}

#[test]
fn what_the_filter_does_not_want_is_not_logged() {
    let (captured, _guard) = Captured::start(LogFormat::Json, "warn,it=debug");
    tracing::debug!("wanted");
    info!(target: "elsewhere", "unwanted");
    assert_eq!(captured.json_lines().len(), 1);
}

#[test]
fn text_is_for_people_and_stays_on_one_line() {
    let (captured, _guard) = Captured::start(LogFormat::Text, "info");
    info!(count = 3, "line one\nline two");
    let text = captured.text();
    assert!(text.trim_end().ends_with("  INFO line one\\nline two count=3"), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[tokio::test]
async fn a_request_is_one_line_as_cloud_logging_takes_it() {
    let (captured, _guard) = Captured::start(LogFormat::Json, "info");
    let system = System::real();
    let router = Router::new().route("/v1/payments/{id}", get(async || "ok"));
    let edge = Edge::new("payments", &system).with_project(Some("shop".to_owned()));
    let server = Running::start(&system, layered(router, edge)).await;
    server
        .send(&support::get("/v1/payments/pay_secret?key=value", &format!("{TRACEPARENT}X-Correlation-Id: abc\r\n")))
        .await;

    let line = captured.line("GET /v1/payments/{id} 200");
    assert_eq!(line["severity"], "INFO");
    assert_eq!(line["correlation_id"], "abc");
    assert_eq!(line["function"], "payments");
    assert_eq!(line["logging.googleapis.com/trace"], "projects/shop/traces/4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(line["logging.googleapis.com/spanId"], "00f067aa0ba902b7");
    assert_eq!(line["logging.googleapis.com/trace_sampled"], true);
    let request = &line["httpRequest"];
    assert_eq!(request["requestMethod"], "GET");
    assert_eq!(request["requestUrl"], "/v1/payments/{id}");
    assert_eq!(request["status"], 200);
    let latency = request["latency"].as_str().unwrap().strip_suffix('s').unwrap();
    assert!(latency.parse::<f64>().unwrap() < 5.0);
    assert!(!captured.text().contains("secret"), "{}", captured.text());
}

#[tokio::test]
async fn googles_own_trace_header_is_understood() {
    let (captured, _guard) = Captured::start(LogFormat::Json, "info");
    let system = System::real();
    let router = Router::new().route("/", get(async || "ok"));
    let server = Running::start(&system, layered(router, Edge::new("payments", &system))).await;
    let header = "X-Cloud-Trace-Context: 4bf92f3577b34da6a3ce929d0e0e4736/255;o=1\r\n";
    server.send(&support::get("/", header)).await;
    let line = captured.line("GET / 200");
    assert_eq!(line["logging.googleapis.com/trace"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(line["logging.googleapis.com/spanId"], "00000000000000ff");
    server.send(&support::get("/unknown", "traceparent: nonsense\r\n")).await;
    let line = captured.line("GET unmatched 404");
    let trace = line["logging.googleapis.com/trace"].as_str().unwrap();
    assert!(trace.len() == 32 && trace != "4bf92f3577b34da6a3ce929d0e0e4736", "a new one: {line}");
    assert_eq!(line["logging.googleapis.com/trace_sampled"], false);
}

#[tokio::test]
async fn lines_within_a_request_carry_its_correlation_id_even_from_its_tasks() {
    for filter in ["info", "warn", "it=info"] {
        let (captured, _guard) = Captured::start(LogFormat::Json, filter);
        let system = System::real();
        let tasks = system.tasks.clone();
        let handler = async move || {
            warn!("in the handler");
            tasks.start(async { warn!("in a task") });
        };
        let router = Router::new().route("/", get(handler));
        let server = Running::start(&system, layered(router, Edge::new("payments", &system))).await;
        server.send(&support::get("/", "X-Correlation-Id: abc\r\n")).await;
        system.tasks.idle().await;
        for message in ["in the handler", "in a task"] {
            assert_eq!(captured.line(message)["correlation_id"], "abc", "{filter}");
        }
    }
}

#[tokio::test]
async fn a_failure_is_logged_once_with_its_code_and_cause() {
    let (captured, _guard) = Captured::start(LogFormat::Json, "info");
    let system = System::real();
    let router = Router::new()
        .route("/broken", get(async || Problem::internal(Outer(io::Error::other("disk full")))))
        .route("/away", get(async || Problem::new(ProblemCode::StoreUnavailable, "Try again.")));
    let server = Running::start(&system, layered(router, Edge::new("payments", &system))).await;
    assert_eq!(server.get("/broken").await.status, 500);
    assert_eq!(server.get("/away").await.status, 503);
    let line = captured.line("GET /broken 500");
    assert_eq!((&line["severity"], &line["code"]), (&"ERROR".into(), &"internal_error".into()));
    assert_eq!(line["error"], "cannot commit: disk full");
    let line = captured.line("GET /away 503");
    assert_eq!((&line["severity"], &line["code"]), (&"WARNING".into(), &"store_unavailable".into()));
    assert_eq!(captured.text().matches("disk full").count(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_is_recorded() {
    let (captured, _guard) = Captured::start(LogFormat::Json, "info");
    let system = System::real();
    let router = Router::new().route("/forever", get(std::future::pending::<()>));
    let server = Running::start(&system, layered(router, Edge::new("payments", &system))).await;
    let mut stream = server.connect().await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, support::get("/forever", "").as_bytes()).await.unwrap();
    system.time.sleep(std::time::Duration::from_millis(50)).await;
    drop(stream);
    eventually(&system, "a line with 499", || captured.text().contains("GET /forever 499")).await;
}
