//! A relay before a provider that lets a share of the requests hang, as a provider in trouble does: nothing is answered, and nothing
//! passed on, for ten seconds. It counts what is asked and how many connections are open.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use http::Request;
use hyper::{body::Incoming, client::conn::http1 as client, server::conn::http1 as server, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tollgate_gateway::ports::Time;
use tollgate_runtime::{SystemClock, TaskSpawner};

/// How long a request hangs.
const HANGS_FOR: Duration = Duration::from_secs(10);

/// A relay on a port of its own, there until the process ends.
pub(crate) struct Hanging {
    /// Where it is.
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
}

/// What is played, and what was seen.
#[derive(Default)]
struct Seen {
    /// Of ten requests in a row, so many hang.
    of_ten: AtomicU64,
    requests: AtomicU64,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

impl Hanging {
    /// A relay before the server at `upstream` that lets everything pass.
    pub(crate) async fn before(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let relay = Self { address: listener.local_addr()?, seen: Arc::default() };
        let (seen, tasks) = (Arc::clone(&relay.seen), TaskSpawner::default());
        let connections = tasks.clone();
        tasks.start(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                connections.start(async move {
                    let open = seen.open.fetch_add(1, Ordering::Relaxed) + 1;
                    seen.most_open.fetch_max(open, Ordering::Relaxed);
                    // Whoever is cut off sees it.
                    _ = pass(stream, upstream, &seen).await;
                    seen.open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Ok(relay)
    }

    /// From now on, so many of ten requests hang.
    pub(crate) fn hang(&self, of_ten: u64) {
        self.seen.of_ten.store(of_ten, Ordering::Relaxed);
    }

    /// How many requests came since the last time that this was asked.
    pub(crate) fn take_requests(&self) -> u64 {
        self.seen.requests.swap(0, Ordering::Relaxed)
    }

    /// The most connections that were open at once.
    pub(crate) fn most_open(&self) -> usize {
        self.seen.most_open.load(Ordering::Relaxed)
    }
}

/// Serves one connection by one to the server.
async fn pass(stream: TcpStream, upstream: SocketAddr, seen: &Seen) -> Result<()> {
    stream.set_nodelay(true)?;
    let to = TcpStream::connect(upstream).await?;
    to.set_nodelay(true)?;
    let (sender, connection) = client::handshake(TokioIo::new(to)).await?;
    TaskSpawner::default().start(async move {
        _ = connection.await;
    });
    let sender = tokio::sync::Mutex::new(sender);
    let service = service_fn(async |request: Request<Incoming>| {
        let number = seen.requests.fetch_add(1, Ordering::Relaxed);
        // 3 and 10 have no factor in common: those that hang are spread over the ten.
        if number * 3 % 10 < seen.of_ten.load(Ordering::Relaxed) {
            SystemClock::start().sleep(HANGS_FOR).await;
        }
        sender.lock().await.send_request(request).await
    });
    // Whoever waits no longer closes the connection, and with it the request that hangs.
    server::Builder::new().serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}
