//! Clients that mean harm over HTTP/2: each is bounded, and somebody else is served meanwhile. Frames are written by hand, because no
//! client would send them.

use std::time::Duration;

use axum::{
    Router,
    routing::{get, post},
};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tollgate_runtime::{ServerLimits, System, system::within};

use crate::support::Running;

const SOON: Duration = Duration::from_secs(5);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:method GET`, `:scheme http`, `:path /`, `:authority test`, in HPACK.
const GET: &[u8] = b"\x82\x86\x84\x41\x04test";
/// `:method POST`, the rest likewise.
const POST: &[u8] = b"\x83\x86\x84\x41\x04test";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The n-th stream of a client.
fn stream(number: u32) -> u32 {
    number * 2 + 1
}

const LARGE: usize = 1024 * 1024;

fn routes() -> Router {
    Router::new()
        .route("/", get(async || Bytes::from(vec![b'x'; LARGE])))
        .route("/small", get(async || "hello"))
        .route("/echo", post(async |body: Bytes| body))
}

async fn open(server: &Running, settings: &[u8]) -> TcpStream {
    let mut socket = server.connect().await;
    socket.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).await.unwrap();
    socket
}

async fn somebody_is_served(system: &System, server: &Running) {
    let answer = within(&*system.time, SOON, server.get("/small")).await.expect("somebody else waits");
    assert_eq!((answer.status, &*answer.body), (200, "hello"));
}

/// Sends `frames` again and again until the server ends the connection, while somebody else is served.
async fn flood(system: &System, server: &Running, socket: TcpStream, mut frames: impl FnMut(u32) -> Vec<u8>) {
    let (mut reading, mut writing) = socket.into_split();
    let flooding = async {
        for number in 0.. {
            if writing.write_all(&frames(number)).await.is_err() {
                return;
            }
        }
    };
    let reading = async {
        let mut rest = Vec::new();
        _ = reading.read_to_end(&mut rest).await;
        assert!(rest.windows(2).count() > 0);
    };
    let both = async {
        tokio::select! {
            () = flooding => {}
            () = reading => {}
        }
    };
    let (ended, ()) = tokio::join!(within(&*system.time, Duration::from_secs(10), both), async {
        for _ in 0..10 {
            somebody_is_served(system, server).await;
        }
    });
    assert!(ended.is_some(), "it goes on and on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_never_ends_is_ended() {
    let system = System::real();
    let server = Running::start_with(&system, routes(), ServerLimits::default()).await;
    let mut socket = open(&server, &[]).await;
    socket.write_all(&frame(HEADERS, END_STREAM, 1, GET)).await.unwrap();
    // `x: xx…`, never indexed; without END_HEADERS.
    let field = [&b"\x10\x01x\x7f\x81\x01"[..], &[b'x'; 256]].concat();
    flood(&system, &server, socket, |_| frame(CONTINUATION, 0, 1, &field)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_back_requests_as_fast_as_it_makes_them_is_only_its_own_trouble() {
    let system = System::real();
    let server = Running::start_with(&system, routes(), ServerLimits::default()).await;
    let mut socket = open(&server, &[]).await;
    let flooding = async {
        for number in 0..50_000 {
            let stream = stream(number);
            let both =
                [frame(HEADERS, END_STREAM | END_HEADERS, stream, GET), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])];
            if socket.write_all(&both.concat()).await.is_err() {
                return;
            }
        }
    };
    let (ended, ()) = tokio::join!(within(&*system.time, Duration::from_secs(20), flooding), async {
        for _ in 0..20 {
            somebody_is_served(&system, &server).await;
        }
    });
    assert!(ended.is_some(), "its requests are not taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_floods_with_pings_or_settings_and_reads_no_answer_is_dropped() {
    let system = System::real();
    let limits = ServerLimits { answer_stalls: Duration::from_millis(500), ..ServerLimits::default() };
    let server = Running::start_with(&system, routes(), limits).await;
    for what in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[])] {
        let mut socket = open(&server, &[]).await;
        // One request, or it would be dropped for making none.
        socket.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)).await.unwrap();
        let many = what.repeat(1000);
        let flooding = async { while socket.write_all(&many).await.is_ok() {} };
        let (ended, ()) = tokio::join!(
            within(&*system.time, Duration::from_secs(30), flooding),
            somebody_is_served(&system, &server)
        );
        assert!(ended.is_some(), "it goes on and on");
    }
}

/// Reads frames until the connection ends; answers the length of the data, and whether it was told to go away.
async fn read_all(socket: &mut TcpStream) -> (usize, bool) {
    let (mut data, mut told) = (0, false);
    loop {
        let mut head = [0; 9];
        if socket.read_exact(&mut head).await.is_err() {
            return (data, told);
        }
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        if socket.read_exact(&mut vec![0; length]).await.is_err() {
            return (data, told);
        }
        told |= head[3] == GO_AWAY;
        data += if head[3] == DATA { length } else { 0 };
    }
}

#[tokio::test]
async fn who_asks_for_answers_and_leaves_no_room_for_them_is_dropped() {
    let system = System::real();
    let limits = ServerLimits { answer_stalls: Duration::from_millis(300), ..ServerLimits::default() };
    let server = Running::start_with(&system, routes(), limits).await;
    // SETTINGS_INITIAL_WINDOW_SIZE: nothing, and one byte.
    for window in [0, 1] {
        let mut socket = open(&server, &[0, 4, 0, 0, 0, window]).await;
        for number in 0..100 {
            socket.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, stream(number), GET)).await.unwrap();
        }
        let ended = within(&*system.time, SOON, read_all(&mut socket)).await;
        assert!(ended.is_some_and(|(data, _)| data <= 100 * usize::from(window)), "a window of {window}: {ended:?}");
        somebody_is_served(&system, &server).await;
    }
}

#[tokio::test]
async fn bodies_without_an_end_on_many_streams_are_taken_no_further_than_the_window() {
    let system = System::real();
    let server = Running::start_with(&system, routes(), ServerLimits::default()).await;
    let mut socket = open(&server, &[]).await;
    // `:path /` takes no POST, and nobody reads its body.
    let body = frame(DATA, 0, 1, &[b'x'; 16 * 1024]);
    socket.write_all(&frame(HEADERS, END_HEADERS, 1, POST)).await.unwrap();
    let sending = async { while socket.write_all(&body).await.is_ok() {} };
    assert!(within(&*system.time, SOON, sending).await.is_some(), "it is taken without end");
    somebody_is_served(&system, &server).await;
}

#[tokio::test]
async fn more_streams_than_may_be_are_refused() {
    let system = System::real();
    let limits = ServerLimits { streams_per_connection: 10, ..ServerLimits::default() };
    let server = Running::start_with(&system, routes(), limits).await;
    let mut socket = open(&server, &[]).await;
    for number in 0..100 {
        socket.write_all(&frame(HEADERS, END_HEADERS, stream(number), POST)).await.unwrap();
    }
    let mut refused = 0;
    let reading = async {
        while refused < 90 {
            let mut head = [0; 9];
            socket.read_exact(&mut head).await.unwrap();
            let length = usize::from(head[1]) << 8 | usize::from(head[2]);
            let mut payload = vec![0; length];
            socket.read_exact(&mut payload).await.unwrap();
            // REFUSED_STREAM.
            refused += u32::from(head[3] == RST_STREAM && payload == [0, 0, 0, 7]);
        }
    };
    assert!(within(&*system.time, SOON, reading).await.is_some());
    somebody_is_served(&system, &server).await;
}

#[tokio::test]
async fn an_idle_connection_makes_room_and_is_told_so() {
    let system = System::real();
    let limits = ServerLimits { connections: 1, ..ServerLimits::default() };
    let server = Running::start_with(&system, routes(), limits).await;
    let mut socket = open(&server, &[]).await;
    let path = b"\x82\x86\x04\x06/small\x41\x04test";
    socket.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, path)).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(5).any(|window| window == b"hello") {
        assert!(socket.read_buf(&mut answer).await.unwrap() > 0);
    }
    let (told, ()) = tokio::join!(
        async { within(&*system.time, SOON, read_all(&mut socket)).await.expect("still open").1 },
        somebody_is_served(&system, &server)
    );
    assert!(told, "it was not told to go away");
}

#[tokio::test]
async fn an_idle_connection_ends_after_its_time_however_often_it_says_that_it_is_there() {
    let system = System::real();
    let limits = ServerLimits { idle: Duration::from_millis(200), ..ServerLimits::default() };
    let server = Running::start_with(&system, routes(), limits).await;
    let mut socket = open(&server, &[]).await;
    let path = b"\x82\x86\x04\x06/small\x41\x04test";
    socket.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, path)).await.unwrap();
    let (mut reading, mut writing) = socket.into_split();
    let mut rest = Vec::new();
    let pinging = async {
        while writing.write_all(&frame(PING, 0, 0, &[7; 8])).await.is_ok() {
            system.time.sleep(Duration::from_millis(20)).await;
        }
    };
    let reading = async { _ = reading.read_to_end(&mut rest).await };
    assert!(within(&*system.time, SOON, async { tokio::join!(pinging, reading) }).await.is_some(), "still open");
    assert!(rest.windows(5).any(|window| window == b"hello"));
}
