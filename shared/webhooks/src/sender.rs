//! The sender: checks, signs, sends on a waiting connection or a new one, and says what came back.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use rustls::RootCertStore;
use tollgate_gateway::ports::{
    Time, WebhookSender,
    webhook_sender::{EndpointRefused, SendError, Sent, Webhook},
};

use crate::{
    connect::Connector,
    connection::{Connection, Unanswered},
    network::{Dial, Resolve, SystemDialer, SystemResolver},
    policy::{AddressPolicy, Target},
    pool::Pool,
    retry_after, signature,
    tls::NoTls,
};

/// So long an answer's body is waited for, to keep the connection. The status is known by then, and somebody may be
/// waiting for it.
const FINISH_TIMEOUT: Duration = Duration::from_millis(250);

/// The [`WebhookSender`] of production and of the sandbox.
pub struct HttpWebhookSender {
    connector: Connector,
    pool: Pool,
}

impl HttpWebhookSender {
    /// A sender to what `policy` allows, with the operating system's resolver and the machine's certificates.
    pub fn new(policy: AddressPolicy, time: Arc<dyn Time>) -> Self {
        let connector = Connector {
            policy,
            resolver: Arc::new(SystemResolver::new(Arc::clone(&time))),
            dialer: Arc::new(SystemDialer),
            time,
            roots: None,
            tls: OnceLock::new(),
        };
        Self { connector, pool: Pool::default() }
    }

    /// Finds names' addresses with `resolver` instead.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.connector.resolver = resolver;
        self
    }

    /// Connects with `dialer` instead.
    #[must_use]
    pub fn with_dialer(mut self, dialer: Arc<dyn Dial>) -> Self {
        self.connector.dialer = dialer;
        self
    }

    /// Trusts `roots` instead of the machine's certificates: for an image that has none, and for tests.
    #[must_use]
    pub fn with_roots(mut self, roots: RootCertStore) -> Self {
        self.connector.roots = Some(roots);
        self
    }

    /// Reads the machine's certificates now (it blocks for some milliseconds) instead of during the first send.
    pub fn prepare_tls(&self) -> Result<(), NoTls> {
        self.connector.tls().map(drop)
    }

    async fn attempt(&self, webhook: &Webhook<'_>) -> Result<Sent, SendError> {
        // Checked again on every send: an address in the URL itself is never resolved.
        let target = self.connector.policy.target(webhook.url).map_err(|_| SendError::AddressRefused)?;
        let request = request(webhook, &target)?;
        let time = &self.connector.time;
        let deadline = time.monotonic() + webhook.timeout;
        let (connection, answer) = tokio::select! {
            biased;
            answered = self.exchange(&target, request) => answered?,
            () = time.sleep(webhook.timeout) => return Err(SendError::TimedOut),
        };
        let (head, body) = answer.into_parts();
        self.keep(target, connection, body, deadline).await;
        let retry_after = retry_after::read(&head.headers, webhook.at);
        Ok(Sent { answer: Ok(head.status.as_u16()), retry_after })
    }

    /// The answer's head, and the connection that it came on.
    async fn exchange(
        &self,
        target: &Target,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Connection, Response<Incoming>), SendError> {
        while let Some(mut connection) = self.pool.take(&target.origin, self.connector.time.monotonic()) {
            match connection.exchange(request).await {
                Ok(answer) => return Ok((connection, answer)),
                // Closed by the other side while it waited: the next one may not be.
                Err(Unanswered::NotSent(unsent)) => request = *unsent,
                Err(Unanswered::Failed(error)) => return Err(error),
            }
        }
        let mut connection = self.connector.connect(target).await?;
        match connection.exchange(request).await {
            Ok(answer) => Ok((connection, answer)),
            Err(Unanswered::NotSent(_)) => Err(SendError::Broken),
            Err(Unanswered::Failed(error)) => Err(error),
        }
    }

    /// Reads on to the answer's end if that is near, and lets the connection wait; closes it otherwise.
    async fn keep(&self, target: Target, mut connection: Connection, body: Incoming, deadline: Duration) {
        let time = &self.connector.time;
        let left = deadline.saturating_sub(time.monotonic()).min(FINISH_TIMEOUT);
        let is_fit = tokio::select! {
            biased;
            is_fit = connection.finish(body) => is_fit,
            () = time.sleep(left) => false,
        };
        if is_fit {
            self.pool.put(target.origin, time.monotonic(), connection);
        }
    }
}

#[async_trait]
impl WebhookSender for HttpWebhookSender {
    fn check(&self, url: &str) -> Result<(), EndpointRefused> {
        self.connector.policy.check(url)
    }

    async fn send(&self, webhook: Webhook<'_>) -> Sent {
        let sent = self.attempt(&webhook).await;
        sent.unwrap_or_else(|error| Sent { answer: Err(error), retry_after: None })
    }
}

/// The signed request.
fn request(webhook: &Webhook<'_>, target: &Target) -> Result<Request<Full<Bytes>>, SendError> {
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(webhook.body.as_bytes())));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from(target.path.clone());
    *request.headers_mut() = signature::headers(webhook)?;
    request.headers_mut().insert(header::HOST, target.authority.clone());
    Ok(request)
}
