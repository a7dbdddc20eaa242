//! Protocols, bounds and the graceful stop.

use std::time::Duration;

use axum::{
    Router,
    routing::{get, post},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::{Request, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollgate_runtime::{ServerLimits, System, TaskSpawner, system::within};

use crate::support::{self, Running, answer};

fn hello() -> Router {
    Router::new().route("/", get(async || "hello")).route("/echo", post(async |body: Bytes| body))
}

/// A route that answers after a while.
fn slow(system: &System, delay_ms: u64) -> Router {
    let time = system.time.clone();
    Router::new().route(
        "/slow",
        get(async move || {
            time.sleep(Duration::from_millis(delay_ms)).await;
            "done"
        }),
    )
}

#[tokio::test]
async fn http_1_connections_are_kept_alive() {
    let server = Running::start(&System::real(), hello()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        let mut buffer = vec![0; 1024];
        let mut text = String::new();
        while !text.ends_with("hello") {
            let length = stream.read(&mut buffer).await.unwrap();
            assert!(length > 0, "closed after {text:?}");
            text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
        assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    }
}

#[tokio::test]
async fn http_2_is_spoken_without_being_negotiated() {
    let server = Running::start(&System::real(), hello()).await;
    let io = TokioIo::new(server.connect().await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    TaskSpawner::default().start(async { _ = connection.await });
    let uri = format!("http://{}/echo", server.address);
    let requests = (0..20).map(|number| {
        let request = Request::post(&uri).body(Full::new(Bytes::from(format!("body {number}")))).unwrap();
        (number, sender.send_request(request))
    });
    for (number, response) in requests.collect::<Vec<_>>() {
        let response = response.await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), format!("body {number}"));
    }
}

#[tokio::test]
async fn a_client_that_sends_its_headers_slowly_is_dropped() {
    let system = System::real();
    let limits = ServerLimits { first_request: Duration::from_millis(100), ..ServerLimits::default() };
    let server = Running::start_with(&system, hello(), limits).await;
    for start in ["", "PRI * HTTP", "GET / HTTP/1.1\r\nHost: te"] {
        let mut stream = server.connect().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let closed = within(&*system.time, Duration::from_secs(3), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_some(), "still open after {start:?}");
    }
}

#[tokio::test]
async fn a_request_longer_than_the_first_deadline_is_still_answered() {
    let system = System::real();
    let limits = ServerLimits { first_request: Duration::from_millis(50), ..ServerLimits::default() };
    let server = Running::start_with(&system, slow(&system, 200), limits).await;
    assert_eq!(server.get("/slow").await.body, "done");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let system = System::real();
    let limits = ServerLimits { idle: Duration::from_millis(100), ..ServerLimits::default() };
    let server = Running::start_with(&system, hello(), limits).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let read = within(&*system.time, Duration::from_secs(3), answer(&mut stream)).await;
    assert_eq!(read.unwrap().body, "hello");
}

#[tokio::test]
async fn headers_past_the_limit_are_refused() {
    let server = Running::start(&System::real(), hello()).await;
    let headers = format!("X-Long: {}\r\n", "x".repeat(64 * 1024));
    let mut stream = server.connect().await;
    // The server may close before it has read everything.
    _ = stream.write_all(support::get("/", &headers).as_bytes()).await;
    let mut start = [0; 12];
    if stream.read_exact(&mut start).await.is_ok() {
        assert_eq!(&start, b"HTTP/1.1 431");
    }
}

#[tokio::test]
async fn a_graceful_stop_finishes_requests_and_closes_idle_connections() {
    let system = System::real();
    let server = Running::start(&system, slow(&system, 200)).await;
    let address = server.address;
    let _idle = server.connect().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    system.time.sleep(Duration::from_millis(50)).await;
    let stopped = server.stop();
    assert_eq!(answer(&mut stream).await.body, "done");
    assert_eq!(within(&*system.time, Duration::from_secs(2), stopped).await, Some(Ok(true)));
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "still listening");
}

#[tokio::test]
async fn a_graceful_stop_waits_for_spawned_tasks() {
    let system = System::real();
    let server = Running::start(&system, hello()).await;
    let time = system.time.clone();
    system.tasks.start(async move { time.sleep(Duration::from_millis(150)).await });
    assert_eq!(server.stop().await, Ok(true));
    assert_eq!(system.tasks.running(), 0);
}

#[tokio::test]
async fn a_graceful_stop_is_bounded() {
    let system = System::real();
    let limits = ServerLimits { stop_within: Duration::from_millis(100), ..ServerLimits::default() };
    let server = Running::start_with(&system, slow(&system, 60_000), limits).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    system.time.sleep(Duration::from_millis(50)).await;
    assert_eq!(within(&*system.time, Duration::from_secs(2), server.stop()).await, Some(Ok(false)));
}

#[tokio::test]
async fn an_http_2_request_is_finished_by_a_graceful_stop() {
    let system = System::real();
    let server = Running::start(&system, slow(&system, 200)).await;
    let io = TokioIo::new(server.connect().await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    TaskSpawner::default().start(async { _ = connection.await });
    let request = Request::get(format!("http://{}/slow", server.address)).body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request);
    let (response, stopped) = tokio::join!(response, async {
        system.time.sleep(Duration::from_millis(50)).await;
        server.stop().await
    });
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(stopped, Ok(true));
}

#[tokio::test]
async fn a_graceful_stop_ends_no_request_however_long_that_takes_within_its_bound() {
    let system = System::real();
    let server = Running::start(&system, slow(&system, 2_500)).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    system.time.sleep(Duration::from_millis(50)).await;
    let stopped = server.stop();
    assert_eq!(answer(&mut stream).await.body, "done");
    assert_eq!(stopped.await, Ok(true));
}
