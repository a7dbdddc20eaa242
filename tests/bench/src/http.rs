//! One kept-alive HTTP/1.1 connection, as cheap as hyper makes it: what generates load must not eat the cores.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tollgate_runtime::TaskSpawner;

/// Request headers.
pub(crate) type Headers<'a> = &'a [(HeaderName, HeaderValue)];

/// A connection that answers one request after the other.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    address: SocketAddr,
}

impl Connection {
    /// Connects to `address`.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        Self::on(TcpStream::connect(address).await?, address).await
    }

    /// Connects to `address` from an address of this machine.
    pub(crate) async fn open_from(from: Ipv4Addr, address: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        Self::on(socket.connect(address).await?, address).await
    }

    async fn on(stream: TcpStream, address: SocketAddr) -> Result<Self> {
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        TaskSpawner::default().start(async move {
            // Whoever sends on it is told.
            _ = connection.await;
        });
        Ok(Self { sender, host: HeaderValue::from_str(&address.to_string())?, address })
    }

    /// So many connections to `address`.
    pub(crate) async fn open_many(address: SocketAddr, count: usize) -> Result<Vec<Self>> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Self::open(address).await?);
        }
        Ok(connections)
    }

    /// Posts `body`, and reads the whole answer.
    pub(crate) async fn post(&mut self, path: &str, headers: Headers<'_>, body: Bytes) -> Result<(StatusCode, Bytes)> {
        self.send(Method::POST, path, headers, body).await
    }

    /// Sends `body`, and reads the whole answer.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes)> {
        let answer = self.exchange(method, path, headers, body).await?;
        Ok((answer.status(), answer.into_body()))
    }

    /// The same, with the answer's headers.
    pub(crate) async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: Bytes,
    ) -> Result<Response<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().context("no path")?;
        request.headers_mut().insert(header::HOST, self.host.clone());
        request.headers_mut().extend(headers.iter().cloned());
        if self.sender.is_closed() {
            // A server ends what is idle for long.
            *self = Self::open(self.address).await?;
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let (head, body) = answer.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    }
}
