//! `/metrics`.

use axum::{Router, routing::get};
use tollgate_api::{Problem, ProblemCode};
use tollgate_runtime::{Edge, System, layered, metrics};

use crate::support::Running;

#[tokio::test]
async fn requests_are_counted_by_route_method_status_and_code() {
    let system = System::real();
    let router = Router::new()
        .route("/v1/payments/{id}", get(async || "ok"))
        .route("/refused", get(async || Problem::new(ProblemCode::RateLimited, "Slow down.")))
        .merge(metrics::router(&system));
    let server = Running::start(&system, layered(router, Edge::new("counted", &system))).await;
    server.get("/v1/payments/pay_1").await;
    server.get("/v1/payments/pay_2").await;
    server.get("/refused").await;
    server.get("/wp-login.php").await;
    server.send("BREW /v1/payments/pay_1 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await;

    let scrape = server.get("/metrics").await;
    assert_eq!(scrape.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let count = |route: &str, method: &str, status: u16, code: &str, times: u8| {
        let labels = format!("route=\"{route}\",method=\"{method}\",status=\"{status}\",code=\"{code}\"");
        let line = format!("http_requests_total{{function=\"counted\",{labels}}} {times}");
        assert!(scrape.body.contains(&line), "{line} in {}", scrape.body);
    };
    count("/v1/payments/{id}", "GET", 200, "", 2);
    count("/refused", "GET", 429, "rate_limited", 1);
    count("unmatched", "GET", 404, "not_found", 1);
    count("/v1/payments/{id}", "OTHER", 405, "method_not_allowed", 1);
    let bucket =
        "http_request_duration_seconds_bucket{function=\"counted\",route=\"/refused\",method=\"GET\",le=\"30\"} 1";
    assert!(scrape.body.contains(bucket), "{}", scrape.body);
}

#[tokio::test]
async fn the_process_and_its_task_runtime_are_measured_at_each_scrape() {
    let text = metrics::install().render(&System::real());
    for name in [
        "process_cpu_seconds_total",
        "process_start_time_seconds",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_threads",
        "tokio_workers",
        "tokio_alive_tasks",
        "tokio_global_queue_depth",
        "tokio_busy_seconds_total",
        "tokio_busy_ratio",
    ] {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        assert!(value.is_some_and(|value| value >= 0.0), "{name} in {text}");
    }
    assert!(text.contains(&format!("build_info{{version=\"{}\"}} 1", tollgate_runtime::VERSION)), "{text}");
    let start = text.lines().find_map(|line| line.strip_prefix("process_start_time_seconds ")).unwrap();
    assert!(start.parse::<f64>().unwrap() > 1.7e9, "{start}");
}
