//! A merchant's server: takes webhooks and remembers which came. It has a thread of its own, and does as little as it can.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tollgate_runtime::TaskSpawner;

/// A server that takes webhooks until the process ends.
pub(crate) struct Receiver {
    /// Where it serves.
    pub(crate) address: SocketAddr,
    inbox: Arc<Inbox>,
}

#[derive(Default)]
struct Inbox {
    /// Answer 410: nothing more is wanted.
    gone: AtomicBool,
    /// How often each event came, by `webhook-id`.
    taken: Mutex<HashMap<String, u32>>,
}

impl Receiver {
    /// Starts it on any free port.
    #[allow(clippy::disallowed_methods, reason = "the server of somebody else: a thread with a runtime of its own")]
    pub(crate) fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let inbox = Arc::new(Inbox::default());
        let served = Arc::clone(&inbox);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || runtime.block_on(serve(listener, served)))
            .context("no thread for the receiver")?;
        Ok(Self { address, inbox })
    }

    /// Whether it wants webhooks, or answers 410.
    pub(crate) fn wants(&self, wants: bool) {
        self.inbox.gone.store(!wants, Ordering::Relaxed);
    }

    /// How many different events came, and how many came again.
    pub(crate) fn taken(&self) -> (usize, u32) {
        let taken = self.inbox.taken.lock().unwrap_or_else(PoisonError::into_inner);
        (taken.len(), taken.values().map(|times| times - 1).sum())
    }

    /// Forgets what came.
    pub(crate) fn forget(&self) {
        self.inbox.taken.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

async fn serve(listener: std::net::TcpListener, inbox: Arc<Inbox>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let tasks = TaskSpawner::default();
    while let Ok((stream, _)) = listener.accept().await {
        // Small answers, each at once.
        _ = stream.set_nodelay(true);
        let inbox = Arc::clone(&inbox);
        tasks.start(async move {
            let service = service_fn(|request| take(request, Arc::clone(&inbox)));
            // A sender that goes away is no concern of ours.
            _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn take(request: Request<Incoming>, inbox: Arc<Inbox>) -> Result<Response<Full<Bytes>>, Infallible> {
    let id = request.headers().get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    _ = request.into_body().collect().await;
    let mut response = Response::new(Full::default());
    if inbox.gone.load(Ordering::Relaxed) {
        *response.status_mut() = StatusCode::GONE;
    } else {
        *inbox.taken.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default() += 1;
    }
    Ok(response)
}
