//! A bare hyper server that answers every request with its own body: what HTTP alone costs.

use std::{convert::Infallible, io::Write, net::Ipv4Addr, ops::ControlFlow, process::Command};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tollgate_runtime::TaskSpawner;

use crate::{http::Connection, load::Client, process::Process};

/// The bench's own argument that starts it.
pub(crate) const ARGUMENT: &str = "echo";

/// Serves until it is killed.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(std::io::stdout(), "ready http://{}", listener.local_addr()?)?;
    let tasks = TaskSpawner::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tasks.start(async move {
            // A client that goes away is no concern of it.
            _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Ok(Response::new(Full::new(body)))
}

/// Starts one as a process of its own, as the gateway is.
pub(crate) fn start() -> Result<Process> {
    let mut command = Command::new(std::env::current_exe().context("the bench does not know where it is")?);
    command.arg(ARGUMENT);
    Process::announced(command)
}

/// A client of it.
pub(crate) struct Echoed {
    /// To the echo.
    pub(crate) connection: Connection,
    /// What is sent.
    pub(crate) body: Bytes,
}

impl Client for Echoed {
    async fn call(&mut self) -> Result<ControlFlow<()>> {
        let (status, _) = self.connection.post("/v1/payments", &[], self.body.clone()).await?;
        ensure!(status == 200, "the echo answered {status}");
        Ok(ControlFlow::Continue(()))
    }
}
