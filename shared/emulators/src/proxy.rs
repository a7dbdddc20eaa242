//! A proxy between a gRPC client and its server, which counts calls and their bytes by method, and cuts connections where a test asks
//! for it: before a call arrives, or after it was carried out and before its answer is back.
//!
//! Must not know: what a call says.

use std::{
    collections::BTreeMap,
    io,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http2::{self as client, SendRequest},
    server::conn::http2 as server,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

type Body = BoxBody<Bytes, hyper::Error>;

/// Where a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before the call arrives: it never happened.
    Before,
    /// After it was carried out: its answer is lost.
    After,
}

/// A proxy on a port of its own, gone with this.
#[derive(Debug)]
pub struct GrpcProxy {
    host: String,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    upstream: String,
    counts: Mutex<BTreeMap<String, u64>>,
    bytes: Mutex<BTreeMap<String, u64>>,
    cuts: Mutex<Vec<(String, Cut)>>,
    /// Nobody gets through.
    away: Mutex<bool>,
    /// Connections so far, and how many of them are dead.
    connections: AtomicU64,
    dead: AtomicU64,
    hang_up: Notify,
}

impl GrpcProxy {
    /// A proxy before the server at `upstream` (`127.0.0.1:9010`).
    ///
    /// # Panics
    /// Where there is no port for it.
    pub async fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("there is a free port");
        let host = listener.local_addr().expect("it is bound").to_string();
        let state = State {
            upstream: upstream.to_owned(),
            counts: Mutex::default(),
            bytes: Mutex::default(),
            cuts: Mutex::default(),
            away: Mutex::new(false),
            connections: AtomicU64::new(0),
            dead: AtomicU64::new(0),
            hang_up: Notify::new(),
        };
        let state = Arc::new(state);
        let accepting = start(accept(listener, Arc::clone(&state)));
        Self { host, state, accepting }
    }

    /// Where it is: `127.0.0.1:40123`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// How often each method was called since the last time that this was asked.
    pub fn take_counts(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut *lock(&self.state.counts))
    }

    /// How many bytes the requests of each method held since the last time that this was asked, as gRPC frames them.
    pub fn take_bytes(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut *lock(&self.state.bytes))
    }

    /// Cuts the connection at the next call of `method` (`Commit`). Asked for several times, it does so at as many calls.
    pub fn cut(&self, method: &str, cut: Cut) {
        lock(&self.state.cuts).push((method.to_owned(), cut));
    }

    /// Whether every cut that was asked for was made.
    pub fn has_cut_all(&self) -> bool {
        lock(&self.state.cuts).is_empty()
    }

    /// Nothing is answered any more on the connections that are there, and nobody tells their ends; new ones work.
    pub fn lose_connections(&self) {
        self.state.dead.store(self.state.connections.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// From now on nobody gets through, or everybody does again.
    pub fn set_away(&self, away: bool) {
        *lock(&self.state.away) = away;
        if away {
            self.state.hang_up.notify_waiters();
        }
    }
}

impl Drop for GrpcProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[allow(clippy::disallowed_methods, reason = "for tests: the proxy stands for another machine")]
fn start(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(work)
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        if *lock(&state.away) {
            continue;
        }
        _ = stream.set_nodelay(true);
        start(serve(stream, Arc::clone(&state)));
    }
}

/// Serves one connection until it ends or is cut.
async fn serve(stream: TcpStream, state: Arc<State>) {
    let Ok(upstream) = connect(&state.upstream).await else { return };
    let cut_here = Arc::new(Notify::new());
    let number = state.connections.fetch_add(1, Ordering::Relaxed);
    let service = {
        let (state, cut_here) = (Arc::clone(&state), Arc::clone(&cut_here));
        service_fn(move |request| {
            let passed = pass(request, upstream.clone(), Arc::clone(&state), Arc::clone(&cut_here));
            let state = Arc::clone(&state);
            async move {
                if number < state.dead.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
                passed.await
            }
        })
    };
    let connection = server::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    // Dropped, the connection is closed as a broken wire closes it: without a word to the streams on it.
    tokio::select! {
        _ = connection => {}
        () = cut_here.notified() => {}
        () = state.hang_up.notified() => {}
    }
}

async fn connect(to: &str) -> io::Result<SendRequest<Body>> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let handshake = client::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(io::Error::other)?;
    start(async move {
        _ = connection.await;
    });
    Ok(sender)
}

async fn pass(
    request: Request<Incoming>,
    mut upstream: SendRequest<Body>,
    state: Arc<State>,
    cut_here: Arc<Notify>,
) -> Result<Response<Body>, hyper::Error> {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    *lock(&state.counts).entry(method.clone()).or_default() += 1;
    let cut = {
        let mut cuts = lock(&state.cuts);
        let place = cuts.iter().position(|(of, _)| *of == method);
        place.map(|place| cuts.remove(place).1)
    };
    if cut == Some(Cut::Before) {
        cut_here.notify_one();
        std::future::pending::<()>().await;
    }
    let (mut parts, body) = request.into_parts();
    // The authority is the server's own, not the proxy's.
    let mut uri = parts.uri.into_parts();
    uri.authority = state.upstream.parse().ok();
    parts.uri = uri.try_into().unwrap_or_default();
    let counted = Arc::clone(&state);
    let body = body.map_frame(move |frame| {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        *lock(&counted.bytes).entry(method.clone()).or_default() += u64::try_from(bytes).unwrap_or(u64::MAX);
        frame
    });
    let answer = upstream.send_request(Request::from_parts(parts, body.boxed())).await?;
    if cut == Some(Cut::After) {
        // To its end: then it was carried out.
        _ = answer.into_body().collect().await;
        cut_here.notify_one();
        std::future::pending::<()>().await;
        return Ok(Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed()));
    }
    Ok(answer.map(BodyExt::boxed))
}
