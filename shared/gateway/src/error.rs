//! Why a use-case gives no resource: each case has one code in the API.

use std::time::Duration;

use tollgate_domain::{Failure, Refusal};

use crate::ports::{
    StoreError,
    provider::{Busy, Unsupported},
    queue::QueueError,
    webhook_sender::EndpointRefused,
};

/// Why a request came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The payment's state does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such resource, or it is another merchant's: the same to the outside.
    #[error("not found")]
    NotFound,
    /// The key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The first request with this key is still running.
    #[error("the first request with this idempotency key is still running")]
    KeyInUse,
    /// The provider's final no to this operation (rule 6).
    #[error("the provider refused: {}", .0.code)]
    ProviderRefused(Failure),
    /// The provider was not reached, or is off. The same key resumes (rule 10).
    #[error("the provider is not available")]
    ProviderUnavailable {
        /// How long the provider asks to wait.
        retry_after: Option<Duration>,
    },
    /// Of the providers that may be used none is configured here: sending it again does not help.
    #[error("no provider that may be used is configured")]
    NoProvider,
    /// The provider cannot take this currency or amount (rule 24).
    #[error("the provider does not take this {0:?}")]
    Unsupported(Unsupported),
    /// The provider captures all or nothing.
    #[error("the provider captures the whole amount only")]
    PartialCaptureNotSupported,
    /// The URL cannot be a webhook endpoint.
    #[error("the URL {0}")]
    EndpointRefused(EndpointRefused),
    /// So many secrets sign already that another would make one of them stop before its day is over.
    #[error("too many webhook secrets sign already")]
    TooManySecrets {
        /// When the oldest one's day is over.
        retry_after: Duration,
    },
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue did not take what must be said.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A defect of ours: the work ended without an outcome.
    #[error("the work ended without an outcome")]
    Internal,
}

/// Nothing was written: whoever comes back finds the key unused.
impl From<Busy> for Error {
    fn from(Busy { retry_after, .. }: Busy) -> Self {
        Self::ProviderUnavailable { retry_after: Some(retry_after) }
    }
}
