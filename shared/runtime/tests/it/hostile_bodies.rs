//! Bodies that mean harm: many that do not end, and small ones that stand for large ones.

use std::{
    io::Write,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    routing::{get, post},
};
use bytes::Bytes;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tollgate_runtime::{
    Edge, System,
    health::Health,
    layered,
    layers::{HeldBodies, RequestLimits},
    metrics,
    system::within,
};

use crate::support::{Running, answer, eventually};

const SOON: Duration = Duration::from_secs(5);

async fn start(system: &System, limits: RequestLimits) -> (Running, Arc<AtomicUsize>) {
    let handled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&handled);
    let length = async move |body: Bytes| {
        counted.fetch_add(1, Ordering::Relaxed);
        body.len().to_string()
    };
    let router = Router::new().route("/length", post(length)).route("/", get(async || "hello"));
    let router = router.merge(Health::new("bodies", system, Vec::new()).router()).merge(metrics::router(system));
    let server = Running::start(system, layered(router, Edge::new("bodies", system).with_limits(limits))).await;
    (server, handled)
}

fn head(path: &str, length: usize, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n")
}

async fn part_of_a_body(server: &Running, announced: usize, sent: usize) -> TcpStream {
    let mut stream = server.connect().await;
    stream.write_all(head("/length", announced, "").as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; sent]).await.unwrap();
    stream
}

#[tokio::test]
async fn bodies_that_never_end_use_up_half_of_the_room_and_whole_ones_are_taken() {
    let system = System::real();
    let held = HeldBodies::at_most(1024 * 1024);
    let limits = RequestLimits { held: held.clone(), ..RequestLimits::default() };
    let (server, _) = start(&system, limits).await;
    // Each lacks one byte; together they are more than there is room for.
    let mut parts = Vec::new();
    for _ in 0..15 {
        parts.push(part_of_a_body(&server, 60 * 1024, 60 * 1024 - 1).await);
    }
    eventually(&system, "all have come", || held.bytes() > 15 * 60 * 1000).await;
    // After a second they are slow, and half of them must go.
    eventually(&system, "half of them are refused", || held.bytes() <= 512 * 1024).await;
    let mut whole = part_of_a_body(&server, 60 * 1024, 60 * 1024).await;
    let taken = within(&*system.time, SOON, answer(&mut whole)).await.expect("somebody else waits");
    assert_eq!((taken.status, &*taken.body), (200, "61440"));
    let mut refused = 0;
    for stream in &mut parts {
        // One byte more is enough for those that are still waited for.
        _ = stream.write_all(b"x").await;
        let answer = answer(stream).await;
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        refused += usize::from(answer.status == 503 && answer.code() == "overloaded");
    }
    assert!((7..=8).contains(&refused), "{refused}");
    eventually(&system, "all is given back", || held.bytes() == 0).await;
}

#[tokio::test]
async fn a_body_for_which_there_is_no_room_is_refused_and_told_to_come_again() {
    let system = System::real();
    let held = HeldBodies::at_most(100 * 1024);
    let (server, handled) = start(&system, RequestLimits { held: held.clone(), ..RequestLimits::default() }).await;
    let first = part_of_a_body(&server, 64 * 1024, 60 * 1024).await;
    eventually(&system, "it has come", || held.bytes() == 60 * 1024).await;
    let mut second = part_of_a_body(&server, 60 * 1024, 60 * 1024).await;
    let refused = answer(&mut second).await;
    assert_eq!((refused.status, &*refused.code(), refused.header("retry-after")), (503, "overloaded", Some("60")));
    // What is small still fits.
    let mut small = part_of_a_body(&server, 10, 10).await;
    assert_eq!((answer(&mut small).await.status, handled.load(Ordering::Relaxed)), (200, 1));
    drop(first);
    eventually(&system, "a client that goes gives it back", || held.bytes() == 0).await;
    let mut second = part_of_a_body(&server, 60 * 1024, 60 * 1024).await;
    assert_eq!(answer(&mut second).await.status, 200);
}

/// 50 MB of nothing, in about as many kilobytes.
fn gzip_bomb() -> Vec<u8> {
    let mut gzip = Command::new("gzip").arg("-9").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = gzip.stdin.take().unwrap();
    for _ in 0..50 {
        input.write_all(&vec![0; 1024 * 1024]).unwrap();
    }
    drop(input);
    gzip.wait_with_output().unwrap().stdout
}

#[tokio::test]
async fn a_compressed_body_is_refused_whatever_the_route_and_never_unpacked() {
    let system = System::real();
    let (server, handled) = start(&system, RequestLimits::default()).await;
    let bomb = gzip_bomb();
    assert!(bomb.starts_with(&[0x1f, 0x8b]) && bomb.len() < 64 * 1024, "{}", bomb.len());
    let codings = ["gzip", "GZIP", "x-gzip", "br", "identity, gzip", "identity\r\nContent-Encoding: deflate"];
    for (path, coding) in
        codings.map(|coding| ("/length", coding)).into_iter().chain([("/nowhere", "gzip"), ("/", "br")])
    {
        let mut stream = server.connect().await;
        let head = head(path, bomb.len(), &format!("Content-Encoding: {coding}\r\n"));
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&bomb).await.unwrap();
        let refused = within(&*system.time, SOON, answer(&mut stream)).await.expect(coding);
        assert_eq!((refused.status, &*refused.code()), (415, "unsupported_media_type"), "{path} {coding}");
    }
    assert_eq!(handled.load(Ordering::Relaxed), 0);
    for headers in ["", "Content-Encoding: identity\r\n", "Content-Encoding: Identity\r\n"] {
        let mut stream = server.connect().await;
        stream.write_all(head("/length", bomb.len(), headers).as_bytes()).await.unwrap();
        stream.write_all(&bomb).await.unwrap();
        assert_eq!(answer(&mut stream).await.body, bomb.len().to_string(), "{headers:?}");
    }
}

#[tokio::test]
async fn probes_are_answered_whatever_comes_along_and_however_much_is_held() {
    let system = System::real();
    let held = HeldBodies::at_most(0);
    let (server, _) = start(&system, RequestLimits { held, ..RequestLimits::default() }).await;
    for path in ["/health/live", "/health/ready", "/health/deep", "/metrics"] {
        let request = head(path, 4, "Content-Encoding: gzip\r\n").replace("POST", "GET") + "body";
        assert_eq!(server.send(&request).await.status, 200, "{path}");
    }
}
