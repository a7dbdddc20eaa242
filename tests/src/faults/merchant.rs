//! A merchant's endpoint in a process of its own, so that it can be killed: it writes every webhook to a file before it says that it
//! has taken it.
//!
//! Must not know: what a webhook says.

use std::{
    convert::Infallible,
    fs::{File, OpenOptions},
    io::Write,
    net::Ipv4Addr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tollgate_runtime::TaskSpawner;

/// Serves until it is killed.
pub async fn serve(port: u16, file: &Path) -> anyhow::Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(file).context("no file for webhooks")?;
    let file = Arc::new(Mutex::new(file));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    writeln!(std::io::stdout(), "ready http://{}", listener.local_addr()?)?;
    let tasks = TaskSpawner::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let file = Arc::clone(&file);
        tasks.start(async move {
            let service = service_fn(|request| take(request, &file));
            // A sender that goes away is no concern of ours.
            _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn take(request: Request<Incoming>, file: &Mutex<File>) -> Result<Response<Full<Bytes>>, Infallible> {
    let id = request.headers().get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let mut answer = Response::new(Full::default());
    let Ok(body) = request.into_body().collect().await else { return Ok(answer) };
    let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    let line = format!("{}\n", json!({"id": id, "body": body}));
    let written = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
    *answer.status_mut() = if written.is_ok() { StatusCode::NO_CONTENT } else { StatusCode::INTERNAL_SERVER_ERROR };
    Ok(answer)
}

/// What came: `webhook-id` and body, in order, everything that came again, too.
pub fn taken(file: &Path) -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.map(|mut line| (line["id"].as_str().unwrap_or_default().to_owned(), line["body"].take())).collect()
}
