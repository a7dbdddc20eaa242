//! Sending webhooks to merchants: signed, to public addresses only, and with no doubt about what came back.

use std::time::Duration;

use async_trait::async_trait;
use tollgate_domain::Timestamp;
use zeroize::Zeroizing;

/// One webhook, as it is signed and sent.
#[derive(Clone, Copy)]
pub struct Webhook<'a> {
    /// Where to.
    pub url: &'a str,
    /// The event's id: `webhook-id`, the same however often it is sent.
    pub id: &'a str,
    /// When it is sent: `webhook-timestamp`.
    pub at: Timestamp,
    /// The body, byte for byte.
    pub body: &'a str,
    /// Every secret that signs (`whsec_…`): several while one replaces another.
    pub secrets: &'a [Zeroizing<String>],
    /// For connecting, sending and the answer's head (contract: 10 s).
    pub timeout: Duration,
}

/// What became of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The endpoint's status, or why there is none.
    pub answer: Result<u16, SendError>,
    /// How long the endpoint asks to wait (`Retry-After`, seconds or a date).
    pub retry_after: Option<Duration>,
}

/// Why an endpoint gave no answer. Each is fit to be shown to the merchant: it names no address of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SendError {
    /// The URL or an address that its host has is not one that may be called.
    #[error("the endpoint's address is not public")]
    AddressRefused,
    /// The host has no address.
    #[error("the endpoint's host name was not found")]
    HostNotFound,
    /// No connection could be made.
    #[error("no connection could be made")]
    NotConnected,
    /// TLS could not be agreed on.
    #[error("no secure connection could be made")]
    Tls,
    /// No answer came in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke, or what came is no HTTP.
    #[error("the connection broke before the answer")]
    Broken,
    /// Too much is under way here: nobody was asked or told anything.
    #[error("the gateway is busy")]
    Busy,
    /// A stored secret does not sign.
    #[error("the endpoint's secret cannot be used")]
    Secret,
}

/// Why a URL cannot be an endpoint; told to the merchant who wants to set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EndpointRefused {
    /// Not an absolute URL.
    #[error("is not a URL")]
    NotAUrl,
    /// Not `https`.
    #[error("must be https")]
    NotHttps,
    /// It carries a user name or password: those would end up in logs.
    #[error("must not contain a user name or password")]
    Credentials,
    /// Its host is, or resolves to, an address that is not public.
    #[error("must be on a public address")]
    NotPublic,
    /// Too long.
    #[error("is too long")]
    TooLong,
}

/// Sends webhooks.
#[async_trait]
pub trait WebhookSender: Send + Sync + 'static {
    /// Whether `url` can be an endpoint at all. What its host resolves to is checked again on every connection.
    fn check(&self, url: &str) -> Result<(), EndpointRefused>;

    /// Signs and sends `webhook`. Redirects are not followed; of the answer only status and `Retry-After` are read.
    async fn send(&self, webhook: Webhook<'_>) -> Sent;
}
