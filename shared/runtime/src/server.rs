//! Serves a router on a listener: HTTP/1.1 and HTTP/2 without TLS (prior knowledge), bounded in connections, header
//! sizes and waiting, and stopped gracefully. No client can take so much of it that others are not served.
//!
//! Must not know: routes, or what a request is about.

mod activity;
mod files;
mod places;
mod stream;

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::{Request, Version, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use crate::{
    door::Peer,
    system::{System, TaskSpawner, within},
};
use places::{Place, Places};
use stream::WatchedStream;

/// How long to leave the listener alone where the process or machine is out of something, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection without a request may take to end once it is told to.
const LEAVES_WITHIN: Duration = Duration::from_secs(1);

/// A client that says nothing for so long is asked whether it is still there, a few times.
const PROBED_AFTER: Duration = Duration::from_secs(60);
const PROBED_EVERY: Duration = Duration::from_secs(15);

/// What a client may send of bodies (HTTP/2) before somebody has taken it: on one stream, and on all of its connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// How much of an answer is handed to HTTP/2 at once.
const ANSWER_PIECE: usize = 16 * 1024;

/// Stands with a request for which there was no place: every other has a request under way. Only who asks whether we are alive is
/// answered; all others are refused.
#[derive(Debug, Clone, Copy)]
pub struct PastTheLimit;

/// The bounds of a server.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Connections at a time; fewer where the process may not open so many files. When there are so many, those that have
    /// waited longest without a request end for new ones. Where all have a request under way, more are told that we are
    /// overloaded ([`PastTheLimit`]), and still more wait in the listener's backlog.
    pub connections: usize,
    /// How long a new connection may take until its first request's head has been read.
    pub first_request: Duration,
    /// How long the head of a later request may take, from its first byte on (HTTP/1.1).
    pub head_within: Duration,
    /// How long a connection may be idle between requests. Longer than a load balancer keeps its connections, or it would
    /// send into one that is just being closed.
    pub idle: Duration,
    /// How long a client may take nothing of an answer.
    pub answer_stalls: Duration,
    /// The most bytes of request line and headers together.
    pub header_bytes: u32,
    /// Requests at a time on one HTTP/2 connection.
    pub streams_per_connection: u32,
    /// How long a graceful stop waits for requests and tasks.
    pub stop_within: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            first_request: Duration::from_secs(10),
            head_within: Duration::from_secs(10),
            idle: Duration::from_secs(620),
            answer_stalls: Duration::from_secs(30),
            header_bytes: 32 * 1024,
            streams_per_connection: 250,
            stop_within: Duration::from_secs(10),
        }
    }
}

/// Serves routers. One can serve several listeners, each with a call of its own.
#[derive(Clone)]
pub struct Server {
    system: System,
    limits: ServerLimits,
}

impl Server {
    /// A server with the default limits.
    pub fn new(system: &System) -> Self {
        Self { system: system.clone(), limits: ServerLimits::default() }
    }

    /// Changes the limits.
    #[must_use]
    pub fn with_limits(mut self, limits: ServerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Serves until `shutdown` resolves; then stops accepting, lets running requests and the system's tasks finish
    /// within the limit, and returns. True: all of them finished.
    pub async fn serve(&self, listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) -> bool {
        self.system.heartbeat.start(&self.system.time);
        let connections = Connections::new(self, router);
        self.accept_until(listener, &connections, shutdown).await;
        self.stop(connections).await
    }

    /// Accepts connections until `shutdown` resolves, then closes the listener.
    async fn accept_until(&self, listener: TcpListener, connections: &Connections, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut failures = 0_u32;
        loop {
            let next = async {
                match listener.accept().await {
                    Ok((stream, _)) => Ok((stream, connections.places.take().await)),
                    Err(error) => Err(error),
                }
            };
            let next = tokio::select! {
                biased;
                () = &mut shutdown => return,
                next = next => next,
            };
            match next {
                Ok((stream, place)) => {
                    failures = 0;
                    connections.open(stream, place);
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    // Once, then every minute: it is the same trouble.
                    if failures.is_multiple_of(600) {
                        tracing::error!(error = &error as &dyn std::error::Error, "cannot accept connections");
                    }
                    failures = failures.wrapping_add(1);
                    // What the process is out of, idle connections may hold.
                    connections.places.make_room(true);
                    self.system.time.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn stop(&self, connections: Connections) -> bool {
        let (requests, tasks) = (connections.tasks.clone(), &self.system.tasks);
        tracing::info!(connections = requests.running(), tasks = tasks.running(), "stopping");
        let finished = async {
            connections.places.close();
            requests.idle().await;
            tasks.idle().await;
        };
        let stopped = within(&*self.system.time, self.limits.stop_within, finished).await.is_some();
        if stopped {
            tracing::info!("stopped");
        } else {
            tracing::warn!(connections = requests.running(), tasks = tasks.running(), "stopped with work unfinished");
        }
        stopped
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The open connections of one listener.
struct Connections {
    router: Router,
    http: Arc<auto::Builder<TokioExecutor>>,
    places: Arc<Places>,
    tasks: TaskSpawner,
    system: System,
    limits: ServerLimits,
}

impl Connections {
    fn new(server: &Server, router: Router) -> Self {
        let limits = server.limits.clone();
        Self {
            router,
            http: Arc::new(http(&limits)),
            places: Places::new(&server.system.time, limits.connections.min(files::connections_that_fit())),
            tasks: TaskSpawner::default(),
            system: server.system.clone(),
            limits,
        }
    }

    fn open(&self, stream: TcpStream, place: Place) {
        if let Err(error) = tune(&stream, &self.limits) {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection keeps the system's settings");
        }
        let (router, http, system) = (self.router.clone(), Arc::clone(&self.http), self.system.clone());
        let peer = stream.peer_addr().ok();
        let stream = WatchedStream::new(stream, Arc::clone(&place.activity), &self.limits);
        self.tasks.start(serve_connection(stream, peer, router, http, place, system));
    }
}

/// Settings of the system that concern clients who are gone without a word.
fn tune(stream: &TcpStream, limits: &ServerLimits) -> io::Result<()> {
    // Answers are small and whole: waiting to fill a packet only adds delay.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(PROBED_AFTER).with_interval(PROBED_EVERY))?;
    // Bounds what was written and not acknowledged, after we have closed, too.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(limits.answer_stalls))?;
    Ok(())
}

/// Serves one connection to its end.
async fn serve_connection(
    stream: WatchedStream<TcpStream>,
    peer: Option<SocketAddr>,
    router: Router,
    http: Arc<auto::Builder<TokioExecutor>>,
    place: Place,
    system: System,
) {
    let (activity, is_spare) = (&place.activity, place.is_spare);
    let service = service_fn(|mut request: Request<Incoming>| {
        let under_way = activity.begin();
        if let Some(peer) = peer {
            request.extensions_mut().insert(Peer(peer));
        }
        if is_spare {
            request.extensions_mut().insert(PastTheLimit);
            activity.ask_to_leave();
        }
        let piece = if request.version() == Version::HTTP_2 { ANSWER_PIECE } else { usize::MAX };
        let answering = router.clone().oneshot(request);
        async move { answering.await.map(|answer| answer.map(|body| under_way.answered_by(body, piece))) }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut result = tokio::select! {
        biased;
        result = connection.as_mut() => Some(result),
        () = activity.told_to_leave() => None,
    };
    if result.is_none() {
        connection.as_mut().graceful_shutdown();
    }
    while result.is_none() {
        result = within(&*system.time, LEAVES_WITHIN, connection.as_mut()).await;
        if result.is_none() && !activity.is_busy() {
            // It was told, and does not go.
            return;
        }
    }
    if let Some(Err(error)) = result {
        // Clients that go away, are too slow, or speak something else: nothing to do about any.
        tracing::debug!(error = &*error, "connection failed");
    }
}

fn http(limits: &ServerLimits) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        // The stream bounds it, with a time for a head that has begun and another for being idle.
        .header_read_timeout(None)
        .max_buf_size(usize::try_from(limits.header_bytes).unwrap_or(usize::MAX).max(8 * 1024))
        .keep_alive(true);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits.header_bytes)
        .max_concurrent_streams(limits.streams_per_connection)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(64 * 1024)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(256)
        // In the middle of a head nobody can answer a ping: this bounds slow ones, too.
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    http
}
