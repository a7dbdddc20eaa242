//! Sends what the exporter has to the collector: a connection for each batch, over plain HTTP, because the collector is
//! beside the function.
//!
//! Must not know: what is in a batch.

use std::{io, time::Duration};

use async_trait::async_trait;
use axum::http::{HeaderValue, Request, Response, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::{net::TcpStream, runtime::Handle, sync::oneshot};
use tollgate_gateway::ports::Time;

use crate::system::{SystemClock, TaskSpawner, within};

/// How long a batch may take. Whoever exports waits for it, in a thread of its own.
const BATCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The collector's answers are short.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The way to the collector. It is used from the exporter's thread, and works on the task runtime that it was made on.
pub(super) struct Collector {
    runtime: Handle,
    /// Not the system's: a graceful stop does not wait for these.
    tasks: TaskSpawner,
}

impl Collector {
    /// Fails with a panic outside of a task runtime.
    pub(super) fn new() -> Self {
        Self { runtime: Handle::current(), tasks: TaskSpawner::default() }
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Collector")
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (done, wait) = oneshot::channel();
        {
            let _entered = self.runtime.enter();
            self.tasks.start(async move {
                let clock = SystemClock::start();
                let answer = within(&clock as &dyn Time, BATCH_TIMEOUT, exchange(request)).await;
                // Whoever waited may have given up.
                _ = done.send(answer.unwrap_or_else(|| Err(io::Error::from(io::ErrorKind::TimedOut).into())));
            });
        }
        wait.await?
    }
}

async fn exchange(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().ok_or("the collector has no address")?.clone();
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    parts.headers.insert(header::HOST, HeaderValue::from_str(authority.as_str())?);
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    parts.uri = parts.uri.path_and_query().map_or_else(Uri::default, |path| Uri::from(path.clone()));
    let answer = async {
        let answer = sender.send_request(Request::from_parts(parts, Full::new(body))).await?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    };
    // The connection moves on only while it is polled.
    let connection = async { connection.await.map_err(HttpError::from) };
    let (answer, _) = futures::future::join(answer, connection).await;
    answer
}
