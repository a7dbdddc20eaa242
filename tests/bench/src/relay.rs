//! A relay before an HTTP server that counts what is asked of it. Counts only, and never stands before what is timed.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;
use http::Request;
use hyper::{body::Incoming, client::conn::http1 as client, server::conn::http1 as server, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Mutex,
};
use tollgate_runtime::TaskSpawner;

/// A relay on a port of its own, there until the process ends.
pub(crate) struct Relay {
    /// Where it is.
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Relay {
    /// A relay before the server at `upstream`.
    pub(crate) async fn before(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let relay = Self { address: listener.local_addr()?, requests: Arc::default() };
        let (requests, tasks) = (Arc::clone(&relay.requests), TaskSpawner::default());
        let connections = tasks.clone();
        tasks.start(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let requests = Arc::clone(&requests);
                connections.start(async move {
                    // Whoever is cut off sees it.
                    _ = pass(stream, upstream, requests).await;
                });
            }
        });
        Ok(relay)
    }

    /// How many requests came since the last time that this was asked.
    pub(crate) fn take_requests(&self) -> u64 {
        self.requests.swap(0, Ordering::Relaxed)
    }
}

/// Serves one connection by one to the server.
async fn pass(stream: TcpStream, upstream: SocketAddr, requests: Arc<AtomicU64>) -> Result<()> {
    stream.set_nodelay(true)?;
    let to = TcpStream::connect(upstream).await?;
    to.set_nodelay(true)?;
    let (sender, connection) = client::handshake(TokioIo::new(to)).await?;
    TaskSpawner::default().start(async move {
        _ = connection.await;
    });
    let sender = Mutex::new(sender);
    let service = service_fn(async |request: Request<Incoming>| {
        requests.fetch_add(1, Ordering::Relaxed);
        sender.lock().await.send_request(request).await
    });
    server::Builder::new().serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}
