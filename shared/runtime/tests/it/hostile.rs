//! Clients that mean harm over HTTP/1.1: each is bounded, and somebody else is served meanwhile.

use std::time::Duration;

use axum::{Router, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tollgate_runtime::{Edge, ServerLimits, System, health::Health, layered, metrics, system::within};

use crate::support::{self, Running, answer, eventually};

/// Long enough for any machine; what is shown is that it ends at all.
const SOON: Duration = Duration::from_secs(5);

/// `/`, one that answers after a second, and one whose answer no socket's buffers hold.
fn routes(system: &System) -> Router {
    let time = system.time.clone();
    Router::new()
        .route("/", get(async || "hello"))
        .route(
            "/slow",
            get(async move || {
                time.sleep(Duration::from_secs(1)).await;
                "done"
            }),
        )
        .route("/large", get(async || vec![b'x'; LARGE]))
}

const LARGE: usize = 64 * 1024 * 1024;

/// Somebody else, who asks once and waits for no more than `SOON`.
async fn somebody_is_served(system: &System, server: &Running) {
    let answer = within(&*system.time, SOON, server.get("/")).await.expect("somebody else waits");
    assert_eq!((answer.status, &*answer.body), (200, "hello"));
}

/// Reads until the other side ends the connection, in whatever way.
async fn ended(system: &System, stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let reading = async {
        _ = stream.read_to_end(&mut rest).await;
    };
    assert!(within(&*system.time, SOON, reading).await.is_some(), "still open");
    rest
}

/// Makes a request on a connection that is then kept.
async fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let mut text = Vec::new();
    while !text.ends_with(b"hello") {
        assert!(stream.read_buf(&mut text).await.unwrap() > 0, "closed");
    }
}

fn closed(system: &System, reason: &str) -> u64 {
    let text = metrics::install().render(system);
    let name = format!("connections_closed_total{{reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&*name)).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn a_second_head_that_comes_byte_by_byte_holds_its_connection_no_longer_than_a_first_one() {
    let system = System::real();
    metrics::install();
    let limits = ServerLimits { head_within: Duration::from_millis(200), ..ServerLimits::default() };
    let server = Running::start_with(&system, routes(&system), limits).await;
    let before = closed(&system, "slow_head");
    let mut slow = server.connect().await;
    ask(&mut slow).await;
    let dribbling = async {
        for byte in b"GET / HTTP/1.1\r\nHost: test\r\nX: ".iter().chain(std::iter::repeat(&b'x')) {
            if slow.write_all(&[*byte]).await.is_err() {
                return;
            }
            system.time.sleep(Duration::from_millis(20)).await;
        }
    };
    let (ended, ()) =
        tokio::join!(within(&*system.time, SOON, dribbling), async { somebody_is_served(&system, &server).await });
    assert!(ended.is_some(), "it goes on and on");
    assert!(closed(&system, "slow_head") > before);
}

#[tokio::test]
async fn a_connection_between_requests_is_not_taken_for_a_slow_head() {
    let system = System::real();
    let limits = ServerLimits { head_within: Duration::from_millis(50), ..ServerLimits::default() };
    let server = Running::start_with(&system, routes(&system), limits).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        ask(&mut stream).await;
        system.time.sleep(Duration::from_millis(120)).await;
    }
}

#[tokio::test]
async fn half_a_head_before_the_client_is_gone_holds_nothing() {
    let system = System::real();
    let server = Running::start_with(&system, routes(&system), ServerLimits::default()).await;
    let mut half = server.connect().await;
    half.write_all(b"GET / HTTP/1.1\r\nHost: te").await.unwrap();
    half.shutdown().await.unwrap();
    ended(&system, &mut half).await;
    somebody_is_served(&system, &server).await;
}

#[tokio::test]
async fn when_there_is_no_place_left_those_who_never_asked_go_first_and_a_request_under_way_is_finished() {
    let system = System::real();
    let limits = ServerLimits { connections: 10, ..ServerLimits::default() };
    let server = Running::start_with(&system, routes(&system), limits).await;
    let mut busy = server.connect().await;
    busy.write_all(support::get("/slow", "").as_bytes()).await.unwrap();
    let mut kept = server.connect().await;
    ask(&mut kept).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(server.connect().await);
    }
    // From here on they had their time to ask.
    system.time.sleep(Duration::from_millis(300)).await;
    let mut later = Vec::new();
    for _ in 0..8 {
        let mut stream = server.connect().await;
        ask(&mut stream).await;
        later.push(stream);
    }
    for stream in &mut silent {
        assert!(ended(&system, stream).await.is_empty(), "nothing was asked");
    }
    ask(&mut kept).await;
    // Now it is the one that has waited longest who goes: `later`'s first.
    somebody_is_served(&system, &server).await;
    ended(&system, &mut later[0]).await;
    ask(&mut later[1]).await;
    ask(&mut kept).await;
    assert_eq!(answer(&mut busy).await.body, "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_thousands_of_idle_connections_and_more_coming_somebody_else_is_served() {
    let system = System::real();
    metrics::install();
    let limits = ServerLimits { connections: 2_000, ..ServerLimits::default() };
    let server = Running::start_with(&system, routes(&system), limits).await;
    let before = closed(&system, "make_room");
    let mut idle = Vec::new();
    for number in 0..3_000_u32 {
        let mut stream = server.connect().await;
        match number % 3 {
            0 => {}
            1 => _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: te").await,
            _ => _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await,
        }
        idle.push(stream);
        if number % 500 == 499 {
            somebody_is_served(&system, &server).await;
        }
    }
    somebody_is_served(&system, &server).await;
    let told = closed(&system, "make_room") - before;
    assert!((1_000..2_000).contains(&told), "{told} were closed for a thousand");
    let text = metrics::install().render(&system);
    assert!(text.contains("\nconnections_open "), "{text}");
}

#[tokio::test]
async fn when_all_have_a_request_under_way_more_are_told_so_and_probes_are_answered() {
    let system = System::real();
    let limits = ServerLimits { connections: 2, ..ServerLimits::default() };
    let health = Health::new("hostile", &system, Vec::new()).router();
    let router = layered(routes(&system).merge(health), Edge::new("hostile", &system));
    let server = Running::start_with(&system, router, limits).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream.write_all(support::get("/slow", "").as_bytes()).await.unwrap();
        busy.push(stream);
    }
    system.time.sleep(Duration::from_millis(100)).await;
    // It would be kept alive, and is not.
    let mut third = server.connect().await;
    third.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let refused = within(&*system.time, SOON, answer(&mut third)).await.expect("nobody says anything");
    assert_eq!((refused.status, &*refused.code(), refused.header("retry-after")), (503, "overloaded", Some("60")));
    let alive = within(&*system.time, SOON, server.get("/health/live")).await.expect("a probe waits");
    assert_eq!(alive.status, 200);
    for stream in &mut busy {
        assert_eq!(answer(stream).await.body, "done");
    }
    assert_eq!(server.get("/").await.status, 200);
}

/// A connection whose own buffers are small.
async fn small(server: &Running) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    socket.connect(server.address).await.unwrap()
}

#[tokio::test]
async fn who_never_reads_his_answer_is_dropped_and_so_is_who_reads_a_byte_now_and_then() {
    let system = System::real();
    metrics::install();
    let limits = ServerLimits { answer_stalls: Duration::from_millis(200), ..ServerLimits::default() };
    let server = Running::start_with(&system, routes(&system), limits).await;
    let before = closed(&system, "slow_reader");
    let (mut never, mut hardly) = (small(&server).await, small(&server).await);
    for stream in [&mut never, &mut hardly] {
        stream.write_all(support::get("/large", "").as_bytes()).await.unwrap();
    }
    let mut byte = [0];
    let reading = async {
        while hardly.read_exact(&mut byte).await.is_ok() && closed(&system, "slow_reader") < before + 2 {
            system.time.sleep(Duration::from_millis(10)).await;
        }
    };
    let (ended, ()) = tokio::join!(within(&*system.time, SOON, reading), somebody_is_served(&system, &server));
    assert!(ended.is_some(), "still served");
    eventually(&system, "both are dropped", || closed(&system, "slow_reader") >= before + 2).await;
    let mut rest = Vec::new();
    _ = never.read_to_end(&mut rest).await;
    assert!(rest.len() < LARGE, "all was kept for it");
}

#[tokio::test]
async fn who_reads_a_large_answer_gets_it_whole_however_long_it_takes() {
    let system = System::real();
    let limits = ServerLimits { answer_stalls: Duration::from_millis(300), ..ServerLimits::default() };
    let server = Running::start_with(&system, routes(&system), limits).await;
    let mut stream = server.connect().await;
    stream.write_all(support::get("/large", "").as_bytes()).await.unwrap();
    let (mut buffer, mut read, mut head) = (vec![0; 4 * 1024 * 1024], 0, Vec::new());
    loop {
        let length = stream.read(&mut buffer).await.unwrap();
        if length == 0 {
            break;
        }
        if read == 0 {
            head.extend_from_slice(&buffer[..length.min(1024)]);
        }
        read += length;
        // In all, this is longer than an answer may stall.
        system.time.sleep(Duration::from_millis(10)).await;
    }
    let head = head.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(read, LARGE + head);
}

#[tokio::test]
async fn heads_that_are_too_long_are_refused_without_being_gathered() {
    let system = System::real();
    let server = Running::start_with(&system, routes(&system), ServerLimits::default()).await;
    let many = "X-Many: x\r\n".repeat(200);
    let line = support::get(&format!("/{}", "x".repeat(1024 * 1024)), "");
    let endless = support::get("/", &format!("X-Long: {}\r\n", "x".repeat(8 * 1024 * 1024)));
    for (what, request, statuses) in [
        ("200 headers", support::get("/", &many), [431, 431]),
        ("a request line of 1 MB", line, [431, 414]),
        ("8 MB of headers", endless, [431, 431]),
    ] {
        let mut stream = server.connect().await;
        // It may be closed before it has taken everything.
        let sent = stream.write_all(request.as_bytes()).await;
        let mut rest = ended(&system, &mut stream).await;
        rest.truncate(16);
        let text = String::from_utf8(rest).unwrap();
        let status = text.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        assert!(status.map_or(sent.is_err() || text.is_empty(), |status| statuses.contains(&status)), "{what}: {text}");
        somebody_is_served(&system, &server).await;
    }
}
