//! The HTTP client against real sockets: every way in which a connection can end.
#![allow(clippy::disallowed_methods, reason = "the other side runs on its own, and takes its real time")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tollgate_gateway::ports::{HttpClient as _, HttpError};
use tollgate_providers::{HttpSettings, ReqwestClient};

const TIMEOUT: Duration = Duration::from_secs(2);

/// What the other side does with each connection, given its number from 0.
type Behaviour = fn(TcpStream, usize) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// A peer that behaves so, and how many requests it has read.
struct Peer {
    url: String,
    requests: Arc<AtomicUsize>,
}

static READ: std::sync::LazyLock<std::sync::Mutex<std::collections::HashMap<u16, Arc<AtomicUsize>>>> =
    std::sync::LazyLock::new(std::sync::Mutex::default);

async fn peer(behaviour: Behaviour) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    READ.lock().unwrap().insert(address.port(), Arc::clone(&requests));
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(behaviour(stream, number));
        }
    });
    Peer { url: format!("http://{address}/v1/x"), requests }
}

/// Reads one request whole (they all carry four bytes of body); `false` at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !seen.ends_with(b"\r\n\r\na=b1") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return false,
            Ok(count) => seen.extend_from_slice(&buffer[..count]),
        }
    }
    READ.lock().unwrap()[&stream.local_addr().unwrap().port()].fetch_add(1, Ordering::SeqCst);
    true
}

async fn answer(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nrequest-id: req_1\r\n\r\n{}";

fn client(settings: HttpSettings) -> ReqwestClient {
    ReqwestClient::new(settings).unwrap()
}

async fn post(client: &ReqwestClient, url: &str, timeout: Duration) -> Result<Response<Bytes>, HttpError> {
    client.send(Request::post(url).body(Bytes::from_static(b"a=b1")).unwrap(), timeout).await
}

async fn check(behaviour: Behaviour) -> (Result<Response<Bytes>, HttpError>, usize) {
    let peer = peer(behaviour).await;
    let result = post(&client(HttpSettings::default()), &peer.url, TIMEOUT).await;
    (result, peer.requests.load(Ordering::SeqCst))
}

fn lost(result: &Result<Response<Bytes>, HttpError>) -> bool {
    matches!(result, Err(HttpError::AnswerLost(_)))
}

fn not_reached(result: &Result<Response<Bytes>, HttpError>) -> bool {
    matches!(result, Err(HttpError::NotReached(_)))
}

#[tokio::test]
async fn a_whole_answer_of_any_status_is_an_answer() {
    let (result, _) = check(|mut stream, _| {
        Box::pin(async move {
            read_request(&mut stream).await;
            answer(
                &mut stream,
                "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
            )
            .await;
        })
    })
    .await;
    let response = result.unwrap();
    assert_eq!((response.status().as_u16(), &response.body()[..]), (502, &b"<html>"[..]));
    assert_eq!(response.headers()["content-type"], "text/html");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (result, requests) = check(|mut stream, _| {
        Box::pin(async move {
            read_request(&mut stream).await;
            answer(&mut stream, "HTTP/1.1 307 T\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n").await;
        })
    })
    .await;
    assert_eq!((result.unwrap().status().as_u16(), requests), (307, 1));
}

#[tokio::test]
async fn what_cannot_be_connected_to_was_not_reached() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let client = client(HttpSettings::default());
    for url in [format!("http://127.0.0.1:{port}/"), "http://no-such-host.invalid/".to_owned()] {
        let result = post(&client, &url, TIMEOUT).await;
        assert!(not_reached(&result), "{result:?}");
        assert!(!format!("{result:?}").contains("a=b1"));
    }
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_in_time_was_not_reached() {
    // A backlog of one that is full: the kernel answers no further connection.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        held.push(stream);
    }
    let settings = HttpSettings { connect_timeout: Duration::from_millis(200), ..HttpSettings::default() };
    let started = Instant::now();
    let result = post(&client(settings), &format!("http://{address}/"), TIMEOUT).await;
    assert!(not_reached(&result), "{result:?}");
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_peer_that_does_not_speak_tls_was_not_reached() {
    let peer = peer(|mut stream, _| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        })
    })
    .await;
    let client = client(HttpSettings::default());
    // Without certificates in the system there is no TLS at all, which is "not reached" too.
    let result = post(&client, &peer.url.replace("http:", "https:"), TIMEOUT).await;
    assert!(not_reached(&result), "{result:?}");
}

#[tokio::test]
async fn an_answer_that_never_comes_whole_is_lost() {
    let cases: [(&str, Behaviour); 6] = [
        ("closed at once", |stream, _| Box::pin(async move { drop(stream) })),
        ("closed after the request", |mut stream, _| {
            Box::pin(async move {
                read_request(&mut stream).await;
            })
        }),
        ("half a head", |mut stream, _| {
            Box::pin(async move {
                read_request(&mut stream).await;
                answer(&mut stream, "HTTP/1.1 200 OK\r\nconte").await;
            })
        }),
        ("half a body", |mut stream, _| {
            Box::pin(async move {
                read_request(&mut stream).await;
                answer(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":\"pi_1\"").await;
            })
        }),
        ("half a chunked body", |mut stream, _| {
            Box::pin(async move {
                read_request(&mut stream).await;
                answer(&mut stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n").await;
            })
        }),
        ("not HTTP", |mut stream, _| {
            Box::pin(async move {
                read_request(&mut stream).await;
                answer(&mut stream, "220 mail.example ESMTP\r\n").await;
            })
        }),
    ];
    for (what, behaviour) in cases {
        let (result, requests) = check(behaviour).await;
        assert!(lost(&result), "{what}: {result:?}");
        assert!(requests <= 1, "{what}: sent {requests} times");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_slow_is_lost_when_the_time_is_up() {
    let silent: Behaviour = |mut stream, _| {
        Box::pin(async move {
            read_request(&mut stream).await;
            tokio::time::sleep(Duration::from_secs(30)).await;
        })
    };
    let dripping: Behaviour = |mut stream, _| {
        Box::pin(async move {
            read_request(&mut stream).await;
            answer(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    };
    for behaviour in [silent, dripping] {
        let peer = peer(behaviour).await;
        let started = Instant::now();
        let result = post(&client(HttpSettings::default()), &peer.url, Duration::from_millis(300)).await;
        assert!(lost(&result), "{result:?}");
        assert!(started.elapsed() < Duration::from_millis(900), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_huge_answer_is_lost_whether_it_says_so_or_not() {
    let announced: Behaviour = |mut stream, _| {
        Box::pin(async move {
            read_request(&mut stream).await;
            answer(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 1048577\r\n\r\n").await;
            tokio::time::sleep(Duration::from_secs(30)).await;
        })
    };
    let endless: Behaviour = |mut stream, _| {
        Box::pin(async move {
            read_request(&mut stream).await;
            answer(&mut stream, "HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b' '; 8192]).await.is_ok() {}
        })
    };
    for behaviour in [announced, endless] {
        let (result, _) = check(behaviour).await;
        assert!(lost(&result) && format!("{result:?}").contains("exceeds"), "{result:?}");
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let peer = peer(|mut stream, number| {
        Box::pin(async move {
            assert_eq!(number, 0, "a second connection");
            while read_request(&mut stream).await {
                answer(&mut stream, OK).await;
            }
        })
    })
    .await;
    let client = client(HttpSettings::default());
    for _ in 0..5 {
        assert_eq!(post(&client, &peer.url, TIMEOUT).await.unwrap().headers()["request-id"], "req_1");
        tokio::task::yield_now().await;
    }
    assert_eq!(peer.requests.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_peer_that_closes_idle_connections_costs_no_answer_and_sees_nothing_twice() {
    let peer = peer(|mut stream, _| {
        Box::pin(async move {
            read_request(&mut stream).await;
            answer(&mut stream, OK).await;
        })
    })
    .await;
    let client = client(HttpSettings::default());
    for _ in 0..50 {
        post(&client, &peer.url, TIMEOUT).await.unwrap();
        // Time for the close to be noticed; the next test is about when it is not.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(peer.requests.load(Ordering::SeqCst), 50);
}

/// The race that matters: the peer closes a kept connection just when the next request is written to it. Whatever the
/// client says then, no request may be read twice; and one that was read may never be called not reached.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_meets_a_closing_connection_is_never_sent_twice() {
    let peer = peer(|mut stream, number| {
        Box::pin(async move {
            read_request(&mut stream).await;
            answer(&mut stream, OK).await;
            // Reads the second one too, every other time, and closes without a word.
            if number % 2 == 0 {
                read_request(&mut stream).await;
            }
        })
    })
    .await;
    let client = client(HttpSettings::default());
    let (mut answered, mut unknown) = (0, 0);
    for _ in 0..200 {
        let before = peer.requests.load(Ordering::SeqCst);
        let result = post(&client, &peer.url, TIMEOUT).await;
        let read = peer.requests.load(Ordering::SeqCst) - before;
        assert!(read <= 1, "one call was read {read} times");
        match result {
            Ok(_) => answered += 1,
            Err(HttpError::AnswerLost(_)) => unknown += 1,
            Err(HttpError::NotReached(reason)) => panic!("not reached: {reason}"),
        }
    }
    assert!(answered > 50 && unknown > 50, "{answered} answered, {unknown} unknown: the race was not played");
}

#[test]
fn a_client_is_made_in_no_time_without_tls() {
    let started = Instant::now();
    let _client = client(HttpSettings::default());
    assert!(started.elapsed() < Duration::from_millis(10), "{:?}", started.elapsed());
}

#[test]
fn tls_is_prepared_once_and_never_panics() {
    let client = client(HttpSettings::default());
    // Without certificates in the system it says so, every time.
    assert_eq!(client.prepare_tls().is_ok(), client.prepare_tls().is_ok());
}
