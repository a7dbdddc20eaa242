//! Correlation ids, limits, panics and fallbacks.

use std::{collections::HashSet, time::Duration};

use axum::{
    Extension, Router,
    extract::{Path, Query},
    routing::{get, post},
};
use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tollgate_api::{Problem, ProblemCode};
use tollgate_runtime::{
    CorrelationId, Edge, System, layered, layered_routes,
    layers::{RequestLimits, layered_fallback},
    logs::{self, LogFormat},
};

use crate::support::{self, Captured, Running, answer};

async fn start(router: Router) -> (System, Running) {
    let system = System::real();
    let server = Running::start(&system, layered(router, Edge::new("test", &system))).await;
    (system, server)
}

fn routes() -> Router {
    Router::new()
        .route("/id", get(async |Extension(id): Extension<CorrelationId>| id.as_str().to_owned()))
        .route("/length", post(async |body: Bytes| body.len().to_string()))
        .route("/refused", get(async || Problem::new(ProblemCode::Forbidden, "Not yours.")))
        .route("/number/{number}", get(async |Path(number): Path<u8>| number.to_string()))
        .route("/panic", get(panics))
}

async fn panics() -> &'static str {
    panic!("on purpose")
}

fn post_of(length: usize) -> String {
    let body = "x".repeat(length);
    format!("POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn chunked_post_of(length: usize) -> String {
    let chunks = format!("1000\r\n{}\r\n", "x".repeat(0x1000)).repeat(length / 0x1000);
    format!(
        "POST /length HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunks}0\r\n\r\n"
    )
}

#[tokio::test]
async fn a_correlation_id_is_taken_and_given_back() {
    let (_, server) = start(routes()).await;
    let answer = server.send(&support::get("/id", "X-Correlation-Id: order-17/try#2\r\n")).await;
    assert_eq!(answer.header("x-correlation-id"), Some("order-17/try#2"));
    assert_eq!(answer.body, "order-17/try#2");
}

#[tokio::test]
async fn a_correlation_id_is_made_where_none_or_a_bad_one_came() {
    let (_, server) = start(routes()).await;
    let too_long = "x".repeat(129);
    let mut seen = HashSet::new();
    for given in [None, Some(""), Some("two words"), Some("é"), Some(&*too_long), Some("4242424242424242")] {
        let header = given.map(|value| format!("X-Correlation-Id: {value}\r\n")).unwrap_or_default();
        let answer = server.send(&support::get("/id", &header)).await;
        let made = answer.header("x-correlation-id").unwrap();
        assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
        assert_eq!(answer.body, made);
        assert!(seen.insert(made.to_owned()), "{made} came twice");
    }
}

#[tokio::test]
async fn a_problem_carries_the_correlation_id() {
    let (_, server) = start(routes()).await;
    assert_eq!(server.get("/refused").await.code(), "forbidden");
}

#[tokio::test]
async fn a_body_up_to_the_limit_is_taken() {
    let (_, server) = start(routes()).await;
    assert_eq!(server.send(&post_of(64 * 1024)).await.body, "65536");
    assert_eq!(server.send(&chunked_post_of(64 * 1024)).await.body, "65536");
}

#[tokio::test]
async fn a_larger_body_is_refused_announced_or_not() {
    let (_, server) = start(routes()).await;
    for request in [post_of(64 * 1024 + 1), chunked_post_of(68 * 1024), chunked_post_of(512 * 1024), post_of(900_000)] {
        let answer = server.send(&request).await;
        assert_eq!((answer.status, &*answer.code()), (413, "body_too_large"));
    }
}

#[tokio::test]
async fn a_client_that_asks_first_is_refused_before_it_sends() {
    let (_, server) = start(routes()).await;
    let head = "POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(server.send(head).await.code(), "body_too_large");
}

#[tokio::test]
async fn a_head_request_gets_no_body() {
    let (_, server) = start(routes()).await;
    for (path, status) in [("/id", 200), ("/refused", 403)] {
        let request = support::get(path, "").replace("GET", "HEAD");
        let answer = server.send(&request).await;
        assert_eq!((answer.status, &*answer.body), (status, ""));
        assert!(answer.header("x-correlation-id").is_some());
    }
}

#[tokio::test]
async fn an_endless_body_is_not_read_to_its_end() {
    let (system, server) = start(routes()).await;
    let mut stream = server.connect().await;
    let head = b"POST /length HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let endless = async { while stream.write_all(chunk.as_bytes()).await.is_ok() {} };
    let refused = tollgate_runtime::system::within(&*system.time, Duration::from_secs(5), endless).await;
    assert!(refused.is_some(), "the server keeps reading");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let system = System::real();
    let limits = RequestLimits { body_within: Duration::from_millis(50), ..RequestLimits::default() };
    let router = layered(routes(), Edge::new("test", &system).with_limits(limits));
    let server = Running::start(&system, router).await;
    let request = "POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nConnection: close\r\n\r\nab";
    assert_eq!(server.send(request).await.code(), "invalid_request");
}

#[tokio::test]
async fn past_the_deadline_the_caller_is_told_when_to_come_back() {
    let system = System::real();
    let limits = RequestLimits {
        deadline: Duration::from_millis(50),
        deadlines: vec![("/jobs/{job}", Duration::from_secs(20))],
        ..RequestLimits::default()
    };
    let time = system.time.clone();
    let job = async move || {
        time.sleep(Duration::from_millis(150)).await;
        "done"
    };
    let router = Router::new().route("/forever", get(std::future::pending::<()>)).route("/jobs/{job}", get(job));
    let server = Running::start(&system, layered(router, Edge::new("test", &system).with_limits(limits))).await;
    let answer = server.get("/forever").await;
    assert_eq!((answer.status, &*answer.code(), answer.header("retry-after")), (503, "overloaded", Some("60")));
    assert_eq!(server.get("/jobs/settlement").await.body, "done");
}

#[tokio::test]
async fn a_panic_is_answered_and_logged_once() {
    let (captured, _guard) = Captured::start(LogFormat::Json, "info");
    logs::log_panics();
    let (_, server) = start(routes()).await;
    let answer = server.send(&support::get("/panic", "X-Correlation-Id: abc\r\n")).await;
    assert_eq!((answer.status, &*answer.code()), (500, "internal_error"));
    assert!(!answer.body.contains("on purpose"));

    let line = captured.line("panicked");
    assert_eq!((&line["severity"], &line["error"]), (&"ERROR".into(), &"on purpose".into()));
    assert_eq!(line["correlation_id"], "abc");
    assert!(line["place"].as_str().unwrap().contains("layers.rs"), "{line}");
    assert_eq!(captured.text().matches("on purpose").count(), 1);
    assert_eq!(captured.line("GET /panic 500")["code"], "internal_error");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let (_, server) = start(routes()).await;
    assert_eq!(server.get("/nowhere").await.code(), "not_found");
    let answer = server.get("/length").await;
    assert_eq!((answer.status, &*answer.code(), answer.header("allow")), (405, "method_not_allowed", Some("POST")));
}

#[tokio::test]
async fn what_an_extractor_refuses_is_a_problem_that_repeats_nothing() {
    let router = routes().route("/query", get(async |_: Query<Vec<(String, u8)>>| "ok"));
    let (_, server) = start(router).await;
    for path in ["/number/4242424242424242", "/query?page=4242424242424242"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, &*answer.code()), (400, "invalid_request"));
        assert!(!answer.body.contains("4242"), "{}", answer.body);
    }
}

#[tokio::test]
async fn routers_with_their_own_layers_can_be_merged() {
    let system = System::real();
    let payments = layered_routes(Router::new().route("/a", get(async || "a")), Edge::new("merged-a", &system));
    let webhooks = layered_routes(Router::new().route("/b", get(async || "b")), Edge::new("merged-b", &system));
    let router = layered_fallback(payments.merge(webhooks), Edge::new("merged", &system));
    let (captured, _guard) = Captured::start(LogFormat::Json, "info");
    let server = Running::start(&system, router).await;
    assert_eq!((server.get("/a").await.body, server.get("/b").await.body), ("a".to_owned(), "b".to_owned()));
    assert_eq!(server.get("/c").await.code(), "not_found");
    for (message, function) in [("GET /a 200", "merged-a"), ("GET /b 200", "merged-b"), ("GET unmatched 404", "merged")]
    {
        assert_eq!(captured.line(message)["function"], function);
    }
}

#[tokio::test]
async fn a_kept_connection_survives_a_refusal() {
    let (_, server) = start(routes()).await;
    let mut stream = server.connect().await;
    let refused = post_of(65 * 1024).replace("Connection: close\r\n", "");
    stream.write_all(refused.as_bytes()).await.unwrap();
    stream.write_all(support::get("/id", "").as_bytes()).await.unwrap();
    let both = answer(&mut stream).await;
    assert_eq!(both.status, 413);
    assert!(both.body.contains("HTTP/1.1 200 OK"), "{both:?}");
}
