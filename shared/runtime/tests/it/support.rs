//! A server on a free port, raw HTTP/1.1, and captured log lines.

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::Router;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tollgate_runtime::{
    Server, ServerLimits, System, TaskSpawner,
    logs::{self, LogFormat, LogOptions},
    system::within,
};
use tracing::subscriber::DefaultGuard;

/// A server that runs until it is told to stop.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<bool>,
}

impl Running {
    pub(crate) async fn start(system: &System, router: Router) -> Self {
        Self::start_with(system, router, ServerLimits::default()).await
    }

    pub(crate) async fn start_with(system: &System, router: Router, limits: ServerLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = oneshot::channel::<()>();
        let (done, stopped) = oneshot::channel();
        let server = Server::new(system).with_limits(limits);
        TaskSpawner::default().start(async move {
            let all_finished = server.serve(listener, router, async { _ = stopping.await }).await;
            _ = done.send(all_finished);
        });
        Self { address, stop, stopped }
    }

    /// Asks it to stop; the answer comes when it has, true if all work was finished.
    pub(crate) fn stop(self) -> oneshot::Receiver<bool> {
        _ = self.stop.send(());
        self.stopped
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a whole request as it is written, and reads the answer.
    pub(crate) async fn send(&self, request: &str) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        answer(&mut stream).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(&get(path, "")).await
    }
}

/// A GET request, with more header lines, each ended by `\r\n`.
pub(crate) fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n{headers}Connection: close\r\n\r\n")
}

/// An answer, as it came over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(known, value)| if known.eq_ignore_ascii_case(name) { Some(value) } else { None })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The code of a problem, which carries the same correlation id in header and body.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["correlation_id"].as_str(), self.header("x-correlation-id"));
        assert_eq!(body["status"], self.status);
        body["code"].as_str().unwrap().to_owned()
    }
}

/// Reads until the other side closes.
pub(crate) async fn answer(stream: &mut TcpStream) -> Answer {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// Waits until `holds`, for 5 s at most.
#[track_caller]
pub(crate) fn eventually(system: &System, what: &str, holds: impl Fn() -> bool) -> impl Future<Output = ()> {
    let (time, what) = (Arc::clone(&system.time), what.to_owned());
    async move {
        let waiting = async {
            while !holds() {
                time.sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(within(&*time, Duration::from_secs(5), waiting).await.is_some(), "never: {what}");
    }
}

/// The log lines of this thread, while the guard lives.
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    pub(crate) fn start(format: LogFormat, filter: &str) -> (Self, DefaultGuard) {
        let captured = Self::default();
        let options = LogOptions { format, filter: filter.to_owned() };
        let guard = tracing::subscriber::set_default(logs::subscriber(&options, captured.clone()));
        (captured, guard)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// The one line with this message.
    #[track_caller]
    pub(crate) fn line(&self, message: &str) -> Value {
        let mut lines = self.json_lines();
        lines.retain(|line| line["message"] == message);
        assert_eq!(lines.len(), 1, "{message:?} in {}", self.text());
        lines.remove(0)
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
