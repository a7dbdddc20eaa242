//! Events that were kept while the store was away, the same for Pub/Sub's push and for the file.
//!
//! Must not know: where they were kept.

use async_trait::async_trait;
use axum::{body::Bytes, extract::State, http::StatusCode};
use tollgate_api::{Problem, ProblemCode};
use tollgate_gateway::{
    Error, Gateway, Ingested,
    ports::{StoreError, event_backlog::KeptEvent},
};
use tollgate_messaging::{
    events::{Apply, Outcome, PROVIDER_EVENTS},
    push::{self, PushedEvent},
};
use tollgate_runtime::trace::consumed;

/// Applies what was kept.
pub struct KeptEvents {
    gateway: Gateway,
}

impl KeptEvents {
    /// With these use-cases.
    pub fn new(gateway: Gateway) -> Self {
        Self { gateway }
    }
}

#[async_trait]
impl Apply for KeptEvents {
    async fn apply(&self, event: KeptEvent, traceparent: Option<&str>) -> Outcome {
        // In the trace of the request that brought it.
        match consumed(PROVIDER_EVENTS, traceparent, self.gateway.apply_kept_event(event)).await {
            Ok(Ingested::Processed | Ingested::Duplicate | Ingested::Ignored | Ingested::Unmatched) => Outcome::Done,
            Err(Error::Store(StoreError::Unavailable(_))) => Outcome::StoreAway,
            Ok(Ingested::Deferred | Ingested::Queued) | Err(_) => Outcome::NotYet,
        }
    }
}

/// A 2xx is the acknowledgement: given only once what the event led to is durable.
///
/// What cannot be read is refused, and never acknowledged: it stands nowhere else, and a newer program may read it.
pub(crate) async fn pushed(State(gateway): State<Gateway>, body: Bytes) -> Result<StatusCode, Problem> {
    let PushedEvent { event, traceparent, .. } = push::read_event(&body).map_err(|unreadable| {
        tracing::error!(%unreadable, "a push is no provider's event of ours; it comes again until somebody has looked");
        Problem::new(ProblemCode::InvalidRequest, "The body is no event that this gateway kept.")
    })?;
    match KeptEvents::new(gateway).apply(event, traceparent.as_deref()).await {
        Outcome::Done => Ok(StatusCode::NO_CONTENT),
        Outcome::NotYet => Err(Problem::new(ProblemCode::Overloaded, "Not applied yet; push it again.")),
        Outcome::StoreAway => Err(Problem::new(ProblemCode::StoreUnavailable, "Not applied; push it again.")),
    }
}
