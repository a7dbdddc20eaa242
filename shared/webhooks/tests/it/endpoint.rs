//! A merchant's endpoint on a real socket, which answers as it is told, byte for byte, and remembers what it was sent.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rustls::{RootCertStore, ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// What an endpoint does when it has read a request.
#[derive(Clone)]
pub(crate) enum Step {
    Say(Vec<u8>),
    Wait(Duration),
    Close,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub(crate) fn headers(&self) -> http::HeaderMap {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }
}

#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<Received>,
}

/// A running endpoint.
pub(crate) struct Endpoint {
    pub(crate) port: u16,
    /// What to trust to reach it over TLS.
    pub(crate) roots: RootCertStore,
    seen: Arc<Mutex<Seen>>,
}

type Answers = Arc<dyn Fn(usize) -> Vec<Step> + Send + Sync>;

impl Endpoint {
    /// Answers every request with `text`.
    pub(crate) async fn saying(text: &str) -> Self {
        Self::doing(vec![Step::Say(text.as_bytes().to_vec())]).await
    }

    /// Does the same for every request.
    pub(crate) async fn doing(steps: Vec<Step>) -> Self {
        Self::start(Arc::new(move |_| steps.clone()), None).await
    }

    /// Does `steps(number)` for each request, counted from 1.
    pub(crate) async fn by_number(steps: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(steps), None).await
    }

    /// The same over TLS, with a certificate for `name`.
    pub(crate) async fn secure(name: &str, steps: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(steps), Some(name)).await
    }

    async fn start(answers: Answers, name: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (roots, acceptor) = name.map_or((RootCertStore::empty(), None), certificate);
        let endpoint = Self { port: listener.local_addr().unwrap().port(), roots, seen: Arc::default() };
        let seen = Arc::clone(&endpoint.seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.lock().unwrap().connections += 1;
                let (answers, seen, acceptor) = (Arc::clone(&answers), Arc::clone(&seen), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, answers, seen).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, answers, seen).await;
                            }
                        }
                    }
                });
            }
        });
        endpoint
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks?for=us", self.port)
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// What was received.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.seen.lock().unwrap().requests.clone()
    }
}

fn certificate(name: &str) -> (RootCertStore, Option<TlsAcceptor>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = versions.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    (roots, Some(TlsAcceptor::from(Arc::new(config))))
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answers: Answers, seen: Arc<Mutex<Seen>>) {
    while let Some((head, body)) = read(&mut stream).await {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.requests.push(Received { head, body });
            seen.requests.len()
        };
        for step in answers(number) {
            match step {
                Step::Say(bytes) => {
                    if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
                Step::Wait(duration) => tokio::time::sleep(duration).await,
                Step::Close => {
                    let _ = stream.shutdown().await;
                    return;
                }
            }
        }
    }
}

/// One request's head and body; `None` when the other side has closed.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, String::from_utf8(body).unwrap()))
}
