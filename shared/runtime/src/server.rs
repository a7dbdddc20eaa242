//! Serves a router on a listener: HTTP/1.1 and HTTP/2 without TLS (prior knowledge), bounded in connections, header
//! sizes and waiting, and stopped gracefully.
//!
//! Must not know: routes, or what a request is about.

use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::Router;
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::ServiceExt;

use crate::system::{System, TaskSpawner, within};

/// How long to leave the listener alone where the process or machine is out of something, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The bounds of a server.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Connections at a time; more wait in the listener's backlog.
    pub connections: usize,
    /// How long a new connection may take until its first request has been read.
    pub first_request: Duration,
    /// How long a connection may be idle between requests (HTTP/1.1), reading the next one's headers included. Longer
    /// than a load balancer keeps its connections, or it would send into one that is just being closed.
    pub idle: Duration,
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
            idle: Duration::from_secs(620),
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
        let connections = Connections::new(self, router);
        self.accept_until(listener, &connections, shutdown).await;
        self.stop(connections).await
    }

    /// Accepts connections until `shutdown` resolves, then closes the listener.
    async fn accept_until(&self, listener: TcpListener, connections: &Connections, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        loop {
            let next = async {
                let permit = Arc::clone(&connections.permits).acquire_owned().await;
                (listener.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                biased;
                () = &mut shutdown => return,
                next = next => next,
            };
            match (accepted, permit) {
                (Ok((stream, _)), Ok(permit)) => connections.open(stream, permit),
                (Err(error), _) if concerns_one_connection(&error) => {}
                (Err(error), _) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "cannot accept connections");
                    self.system.time.sleep(ACCEPT_PAUSE).await;
                }
                // The semaphore is never closed.
                (_, Err(_)) => return,
            }
        }
    }

    async fn stop(&self, connections: Connections) -> bool {
        let (requests, tasks) = (connections.tasks.clone(), &self.system.tasks);
        tracing::info!(connections = requests.running(), tasks = tasks.running(), "stopping");
        let finished = async {
            connections.graceful.shutdown().await;
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
    permits: Arc<Semaphore>,
    graceful: GracefulShutdown,
    tasks: TaskSpawner,
    system: System,
    first_request: Duration,
}

impl Connections {
    fn new(server: &Server, router: Router) -> Self {
        let limits = &server.limits;
        Self {
            router,
            http: Arc::new(http(limits)),
            permits: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
            graceful: GracefulShutdown::new(),
            tasks: TaskSpawner::default(),
            system: server.system.clone(),
            first_request: limits.first_request,
        }
    }

    fn open(&self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        // Answers are small and whole: waiting to fill a packet only adds delay.
        _ = stream.set_nodelay(true);
        let (router, http, system) = (self.router.clone(), Arc::clone(&self.http), self.system.clone());
        let (watcher, first_request) = (self.graceful.watcher(), self.first_request);
        self.tasks.start(async move {
            let _permit = permit;
            serve_connection(stream, router, &http, watcher, &system, first_request).await;
        });
    }
}

/// Serves one connection to its end. One that has not made a request in time is dropped: this also covers clients that
/// send nothing, and those that send headers slowly.
async fn serve_connection(
    stream: TcpStream,
    router: Router,
    http: &auto::Builder<TokioExecutor>,
    watcher: Watcher,
    system: &System,
    first_request: Duration,
) {
    let has_asked = Arc::new(AtomicBool::new(false));
    let service = {
        let has_asked = Arc::clone(&has_asked);
        service_fn(move |request: Request<Incoming>| {
            has_asked.store(true, Ordering::Relaxed);
            router.clone().oneshot(request)
        })
    };
    let connection = http.serve_connection(TokioIo::new(stream), service).into_owned();
    let mut connection = pin!(watcher.watch(connection));
    let result = match within(&*system.time, first_request, connection.as_mut()).await {
        Some(result) => result,
        None if has_asked.load(Ordering::Relaxed) => connection.await,
        None => return tracing::debug!("closed a connection that made no request in time"),
    };
    if let Err(error) = result {
        // Clients that go away or speak something else: nothing to do about either.
        tracing::debug!(error = &*error, "connection failed");
    }
}

fn http(limits: &ServerLimits) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_buf_size(usize::try_from(limits.header_bytes).unwrap_or(usize::MAX).max(8 * 1024))
        .keep_alive(true);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits.header_bytes)
        .max_concurrent_streams(limits.streams_per_connection)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    http
}
