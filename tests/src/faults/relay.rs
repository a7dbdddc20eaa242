//! A relay before HTTP and gRPC servers that answers with errors, sends what it is asked to twice, or lets requests overtake each
//! other. It counts what was really hit.
//!
//! Must not know: what a request asks for.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header, request::Parts};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{body::Incoming, client::conn, server, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Mutex as AsyncMutex, oneshot},
};
use tollgate_gateway::ports::Time;
use tollgate_runtime::{SystemClock, TaskSpawner};

/// What becomes of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twist {
    /// They are answered with an error: every other one was carried out all the same.
    Error,
    /// They are sent twice: every other one at once, the rest one after the other.
    Repeat,
    /// Each waits until a later one has been answered.
    Reorder,
    /// The server's process was killed: only counts who finds that out.
    Gone,
}

/// How it is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// HTTP/1.1.
    Http,
    /// gRPC, over HTTP/2 in the clear.
    Grpc,
}

/// Where each server is.
pub(super) type Addresses = Arc<Mutex<BTreeMap<&'static str, SocketAddr>>>;

/// Whose a path is: a name in [`Addresses`].
pub(super) type Route = fn(&str) -> Option<&'static str>;

/// A relay on a port of its own, there until the process ends.
#[derive(Debug, Clone)]
pub(super) struct Relay {
    /// Where it is.
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    language: Language,
    addresses: Addresses,
    route: Route,
    /// Given to every request, as Google gives its own.
    token: Option<fn() -> String>,
    twist: Mutex<Option<Twist>>,
    hits: AtomicU64,
    overtaken: Mutex<Option<oneshot::Sender<()>>>,
    /// A request waits so long for another one to overtake it.
    overtaken_within: Duration,
}

type Body = BoxBody<Bytes, hyper::Error>;
type Calls = conn::http2::SendRequest<Full<Bytes>>;

/// An error: the connection ends.
type Passed = Result<Response<Body>, io::Error>;

/// A request that can be sent more than once.
struct Asked {
    parts: Parts,
    body: Bytes,
}

impl Relay {
    /// A relay before the servers at `addresses`; `overtaken_within` is what a request that is to be overtaken waits for another one.
    pub(super) async fn before(
        language: Language,
        addresses: Addresses,
        route: Route,
        token: Option<fn() -> String>,
        overtaken_within: Duration,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = State {
            language,
            addresses,
            route,
            token,
            twist: Mutex::default(),
            hits: AtomicU64::new(0),
            overtaken: Mutex::default(),
            overtaken_within,
        };
        let state = Arc::new(state);
        let (accepting, tasks) = (Arc::clone(&state), TaskSpawner::default());
        let connections = tasks.clone();
        tasks.start(async move {
            while let Ok((stream, _)) = listener.accept().await {
                _ = stream.set_nodelay(true);
                connections.start(serve(stream, Arc::clone(&accepting)));
            }
        });
        Ok(Self { address, state })
    }

    /// Twists what comes from now on, or no longer. Answers how much was hit since the last time.
    pub(super) fn set(&self, twist: Option<Twist>) -> u64 {
        *lock(&self.state.twist) = twist;
        self.state.hits.swap(0, Ordering::Relaxed)
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let upstream = Arc::new(AsyncMutex::new(None));
    let language = state.language;
    let service = service_fn(move |request| {
        let (state, upstream) = (Arc::clone(&state), Arc::clone(&upstream));
        async move { state.pass(request, &upstream).await }
    });
    // Whoever is cut off sees it.
    match language {
        Language::Http => _ = server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await,
        Language::Grpc => {
            let builder = server::conn::http2::Builder::new(TokioExecutor::new());
            _ = builder.serve_connection(TokioIo::new(stream), service).await;
        }
    }
}

impl State {
    async fn pass(&self, request: Request<Incoming>, upstream: &AsyncMutex<Option<Calls>>) -> Passed {
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?;
        let body = body.to_bytes();
        if let Some(token) = self.token
            && let Ok(token) = HeaderValue::try_from(format!("Bearer {}", token()))
        {
            parts.headers.insert(header::AUTHORIZATION, token);
        }
        let (asked, twist) = (Asked { parts, body }, *lock(&self.twist));
        match twist {
            None => self.or_gone(self.send(&asked, upstream).await),
            Some(Twist::Gone) => {
                let answer = self.send(&asked, upstream).await;
                self.hits.fetch_add(u64::from(answer.is_err()), Ordering::Relaxed);
                self.or_gone(answer)
            }
            Some(Twist::Error) => {
                if self.hits.fetch_add(1, Ordering::Relaxed) % 2 == 1
                    && let Ok(answer) = self.send(&asked, upstream).await
                {
                    _ = answer.into_body().collect().await;
                }
                Ok(self.failed())
            }
            Some(Twist::Repeat) => self.repeat(&asked, upstream).await,
            Some(Twist::Reorder) => self.reorder(&asked, upstream).await,
        }
    }

    async fn repeat(&self, asked: &Asked, upstream: &AsyncMutex<Option<Calls>>) -> Passed {
        if self.hits.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
            let (first, second) = futures::join!(self.send(asked, upstream), self.send(asked, upstream));
            if let Ok(second) = second {
                _ = second.into_body().collect().await;
            }
            return self.or_gone(first);
        }
        if let Ok(first) = self.send(asked, upstream).await {
            _ = first.into_body().collect().await;
        }
        self.or_gone(self.send(asked, upstream).await)
    }

    async fn reorder(&self, asked: &Asked, upstream: &AsyncMutex<Option<Calls>>) -> Passed {
        let earlier = lock(&self.overtaken).take().filter(|earlier| !earlier.is_closed());
        if let Some(earlier) = earlier {
            let answer = self.send(asked, upstream).await;
            if earlier.send(()).is_ok() {
                self.hits.fetch_add(1, Ordering::Relaxed);
            }
            return self.or_gone(answer);
        }
        let (overtaken, waits) = oneshot::channel();
        *lock(&self.overtaken) = Some(overtaken);
        let clock = SystemClock::start();
        tokio::select! {
            _ = waits => {}
            () = clock.sleep(self.overtaken_within) => {}
        }
        self.or_gone(self.send(asked, upstream).await)
    }

    /// The answer, or what is left where the server is gone: a connection that ends, and for gRPC what its clients make of that.
    fn or_gone(&self, answer: anyhow::Result<Response<Body>>) -> Passed {
        match (answer, self.language) {
            (Ok(answer), _) => Ok(answer),
            (Err(_), Language::Grpc) => Ok(self.failed()),
            (Err(error), Language::Http) => Err(io::Error::other(error)),
        }
    }

    /// Sends it to its server.
    async fn send(&self, asked: &Asked, upstream: &AsyncMutex<Option<Calls>>) -> anyhow::Result<Response<Body>> {
        let name = (self.route)(asked.parts.uri.path()).ok_or_else(|| anyhow::anyhow!("nobody's path"))?;
        let address = lock(&self.addresses).get(name).copied();
        let address = address.ok_or_else(|| anyhow::anyhow!("{name} is nowhere"))?;
        let mut request = Request::from_parts(asked.parts.clone(), Full::new(asked.body.clone()));
        match self.language {
            Language::Http => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let (mut calls, connection) = conn::http1::handshake(TokioIo::new(stream)).await?;
                TaskSpawner::default().start(async move {
                    _ = connection.await;
                });
                // Its length may come another way now.
                request.headers_mut().remove(header::TRANSFER_ENCODING);
                request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(asked.body.len()));
                // To its end: the connection is closed with it.
                let (parts, body) = calls.send_request(request).await?.into_parts();
                let body = Full::new(body.collect().await?.to_bytes());
                let mut answer = Response::from_parts(parts, body.map_err(|never| match never {}).boxed());
                answer.headers_mut().remove(header::TRANSFER_ENCODING);
                answer.headers_mut().remove(header::CONNECTION);
                Ok(answer)
            }
            Language::Grpc => {
                let mut uri = std::mem::take(request.uri_mut()).into_parts();
                uri.authority = Some(address.to_string().parse()?);
                *request.uri_mut() = Uri::from_parts(uri)?;
                let mut calls = calls_to(address, upstream).await?;
                Ok(calls.send_request(request).await?.map(BodyExt::boxed))
            }
        }
    }

    /// 500 without a word, or gRPC's `UNAVAILABLE`.
    fn failed(&self) -> Response<Body> {
        let empty = Full::new(Bytes::new()).map_err(|never| match never {}).boxed();
        let mut answer = Response::new(empty);
        match self.language {
            Language::Http => *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
            Language::Grpc => {
                answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                answer.headers_mut().insert("grpc-status", HeaderValue::from_static("14"));
                answer.headers_mut().insert("grpc-message", HeaderValue::from_static("a planted fault"));
            }
        }
        answer
    }
}

/// The one connection to a gRPC server that goes with a client's.
async fn calls_to(address: SocketAddr, upstream: &AsyncMutex<Option<Calls>>) -> anyhow::Result<Calls> {
    let mut calls = upstream.lock().await;
    if let Some(calls) = calls.as_ref().filter(|calls| !calls.is_closed()) {
        return Ok(calls.clone());
    }
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (made, connection) = conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    TaskSpawner::default().start(async move {
        _ = connection.await;
    });
    Ok(calls.insert(made).clone())
}
