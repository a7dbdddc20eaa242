//! Outbound HTTP, with the one distinction that money depends on: was the request sent, or not?

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

/// Sends requests and returns whole answers.
#[async_trait]
pub trait HttpClient: Send + Sync + 'static {
    /// Sends `request` (absolute URI) and reads the whole answer within `timeout`, connecting included.
    /// An answer of any status is `Ok`. Redirects are not followed. Dropping the future abandons the call, which may
    /// have reached the other side.
    async fn send(&self, request: Request<Bytes>, timeout: Duration) -> Result<Response<Bytes>, HttpError>;
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Nothing was sent: no connection could be made. Trying again cannot repeat anything.
    #[error("not reached: {0}")]
    NotReached(String),
    /// Something may have been sent, and no complete answer came: what happened there is unknown.
    #[error("answer lost: {0}")]
    AnswerLost(String),
}
