//! Outbound HTTP over reqwest. Its one job beyond sending: to say "not reached" only where not one byte of the request
//! can have left, and "answer lost" for everything else. Knows no provider.
//!
//! What could send a request twice behind our back, and why it cannot:
//! - hyper-util tries again on a new connection when a pooled one turns out to be closed, but only where hyper hands the
//!   request back untouched, because the connection ended before it was taken off the queue (`TrySendError` with the
//!   message). One that was taken, even if nothing was written yet, is an error, and here an answer lost. Without this
//!   every idle connection that the provider closes would cost a payment its answer, so it stays on.
//! - reqwest tries again on HTTP/2's `REFUSED_STREAM` and a graceful `GOAWAY`. That is safe by the book, but it trusts the
//!   other side's word: it is turned off (`retry::never`), and such a call is an answer lost.
//! - Redirects are not followed, and proxies from the environment are ignored: a proxy answers in the provider's place
//!   (its 502 page would be a stranger's word about money), and where money goes is not for a stray variable to say.

use std::{error::Error, sync::Arc, sync::OnceLock, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Request, Response, uri::Scheme};
use reqwest::{redirect, retry};
use tollgate_gateway::ports::{HttpClient, HttpError};

/// Bounds of the client.
#[derive(Debug, Clone, Copy)]
pub struct HttpSettings {
    /// For name resolution, TCP and TLS together. An address that does not answer is "not reached" after it.
    pub connect_timeout: Duration,
    /// A longer answer counts as lost.
    pub max_body_bytes: usize,
    /// Idle connections kept for each host. How many calls run at once is bounded by what admits requests, not here.
    pub max_idle_per_host: usize,
    /// Idle connections are closed after this: sooner than providers do, so that few requests meet a closing one.
    pub idle_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            max_body_bytes: 1 << 20,
            max_idle_per_host: 32,
            idle_timeout: Duration::from_secs(20),
        }
    }
}

/// The [`HttpClient`] of production and of the sandbox.
///
/// `http://` and `https://` have a client each, because reading the system's certificates takes longer than a cold start
/// may: the second is made when it is first needed, or by [`ReqwestClient::prepare_tls`].
pub struct ReqwestClient {
    settings: HttpSettings,
    plain: reqwest::Client,
    secure: OnceLock<reqwest::Client>,
}

impl ReqwestClient {
    /// A client within `settings`. Fails with `NotReached` if the platform cannot make one.
    pub fn new(settings: HttpSettings) -> Result<Self, HttpError> {
        let plain = builder(&settings).tls_backend_preconfigured(no_tls()?).build().map_err(set_up)?;
        Ok(Self { settings, plain, secure: OnceLock::new() })
    }

    /// Reads the system's certificates now (it blocks for some milliseconds) instead of during the first call.
    /// Fails with `NotReached` where there are none.
    pub fn prepare_tls(&self) -> Result<(), HttpError> {
        self.secure_client().map(drop)
    }

    fn secure_client(&self) -> Result<&reqwest::Client, HttpError> {
        if let Some(client) = self.secure.get() {
            return Ok(client);
        }
        // The process may have chosen its provider before; then that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = builder(&self.settings).https_only(true).build().map_err(set_up)?;
        Ok(self.secure.get_or_init(|| client))
    }

    /// Reads the whole answer, up to the bound.
    async fn read(&self, mut answer: reqwest::Response) -> Result<Response<Bytes>, HttpError> {
        let too_long = || HttpError::AnswerLost(format!("the answer exceeds {} bytes", self.settings.max_body_bytes));
        let announced = answer.content_length().unwrap_or(0);
        if usize::try_from(announced).is_ok_and(|length| length > self.settings.max_body_bytes) {
            return Err(too_long());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| HttpError::AnswerLost(describe(error)))? {
            if body.len() + chunk.len() > self.settings.max_body_bytes {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body.freeze());
        *response.status_mut() = answer.status();
        *response.version_mut() = answer.version();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn send(&self, request: Request<Bytes>, timeout: Duration) -> Result<Response<Bytes>, HttpError> {
        if timeout.is_zero() {
            return Err(HttpError::NotReached("no time left for the call".to_owned()));
        }
        let secure = request.uri().scheme() == Some(&Scheme::HTTPS);
        let client = if secure { self.secure_client()? } else { &self.plain };
        let mut request = reqwest::Request::try_from(request).map_err(set_up)?;
        *request.timeout_mut() = Some(timeout);
        let answer = client.execute(request).await.map_err(classify)?;
        self.read(answer).await
    }
}

fn builder(settings: &HttpSettings) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .referer(false)
        .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(settings.connect_timeout)
        .pool_max_idle_per_host(settings.max_idle_per_host)
        .pool_idle_timeout(settings.idle_timeout)
        // A dead HTTP/2 connection is noticed before payments queue up on it.
        .http2_keep_alive_interval(Duration::from_secs(15))
        .http2_keep_alive_timeout(Duration::from_secs(5))
}

/// What the `http://` client is made with: it trusts nobody, and costs nothing to make.
fn no_tls() -> Result<rustls::ClientConfig, HttpError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.map_err(|error| HttpError::NotReached(error.to_string()))?;
    Ok(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

fn set_up(error: reqwest::Error) -> HttpError {
    HttpError::NotReached(describe(error))
}

/// Only a failure to connect (name, TCP, TLS, or their time-out) proves that nothing was sent. A call that ran out of
/// time as a whole does not, even if it was still connecting: its time-out does not say so.
fn classify(error: reqwest::Error) -> HttpError {
    if error.is_connect() || error.is_builder() {
        HttpError::NotReached(describe(error))
    } else {
        HttpError::AnswerLost(describe(error))
    }
}

/// The whole chain, without the URL.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
