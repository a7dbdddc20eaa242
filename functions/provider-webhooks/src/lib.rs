//! Providers' webhooks: `POST /webhooks/providers/{provider}`, verified over the raw body; and those that were kept while the
//! store was away, as Pub/Sub pushes them (`/pubsub/provider-events`).
//!
//! Must not know: how a signature is made, what an event does to a payment, or where one is kept.

mod kept;

mod door;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use tollgate_api::{Problem, ProblemCode};
use tollgate_domain::ProviderName;
use tollgate_gateway::{
    Context, Gateway, Ingested,
    ports::{EventReader, Time, provider::EventRejected},
};
use tollgate_runtime::{CorrelationId, InternalCallers};

pub use kept::KeptEvents;

pub use door::ProvidersDoor;

/// The largest event: providers send whole objects, which can be larger than what merchants may send.
pub const BODY_AT_MOST: usize = 256 * 1024;

/// What the routes need.
#[derive(Clone)]
pub struct ProviderWebhooks {
    /// The use-cases.
    pub gateway: Gateway,
    /// Who reads the events of the providers that are on.
    pub readers: HashMap<ProviderName, Arc<dyn EventReader>>,
    /// The clock that signatures' ages are measured by.
    pub time: Arc<dyn Time>,
}

/// The routes; Pub/Sub's for `callers` only.
pub fn router(webhooks: ProviderWebhooks, callers: InternalCallers) -> Router {
    let pushed =
        Router::new().route("/pubsub/provider-events", post(kept::pushed)).with_state(webhooks.gateway.clone());
    let received = Router::new().route("/webhooks/providers/{provider}", post(receive)).with_state(webhooks);
    received.merge(callers.guard(pushed))
}

async fn receive(
    State(webhooks): State<ProviderWebhooks>,
    Path(provider): Path<String>,
    Extension(correlation_id): Extension<CorrelationId>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let unknown = || Problem::new(ProblemCode::NotFound, "No provider of this name is on.");
    let name: ProviderName = provider.parse().map_err(|_| unknown())?;
    let reader = webhooks.readers.get(&name).ok_or_else(unknown)?;
    let context = Context { correlation_id: correlation_id.as_str().to_owned() };
    let result = take(&webhooks, name, reader.as_ref(), &headers, &body, context).await;
    let outcome = match &result {
        Ok(ingested) => ingested.as_str(),
        Err(problem) if problem.code.status().is_client_error() => "rejected",
        Err(_) => "failed",
    };
    metrics::counter!("provider_webhooks_total", "provider" => name.as_str(), "outcome" => outcome).increment(1);
    match result? {
        Ingested::Unmatched => Err(Problem::new(ProblemCode::NotFound, "No payment matches this event.")),
        Ingested::Deferred => {
            Err(Problem::new(ProblemCode::Overloaded, "The payment is being worked on. Send this event again later."))
        }
        // Open Banking wants 202 where the others want 200.
        _ if name == ProviderName::Bank => Ok(StatusCode::ACCEPTED),
        _ => Ok(StatusCode::OK),
    }
}

async fn take(
    webhooks: &ProviderWebhooks,
    name: ProviderName,
    reader: &dyn EventReader,
    headers: &HeaderMap,
    body: &Bytes,
    context: Context,
) -> Result<Ingested, Problem> {
    let event = reader.read(headers, body, webhooks.time.now()).await.map_err(|rejected| {
        tracing::warn!(provider = name.as_str(), reason = %rejected, "a webhook was rejected");
        match rejected {
            EventRejected::Signature(_) => Problem::new(ProblemCode::Unauthenticated, "The signature does not hold."),
            EventRejected::Unverifiable(_) => Problem::new(
                ProblemCode::ProviderUnavailable,
                "The signature cannot be checked now. Send this event again.",
            ),
            EventRejected::Malformed(_) => Problem::new(ProblemCode::InvalidRequest, "The body is not an event."),
        }
    })?;
    let (event_id, event_type) = (event.event_id.clone(), event.event_type.clone());
    let ingested = webhooks.gateway.take_event(name, event, context).await?;
    tracing::info!(provider = name.as_str(), event_id, event_type, outcome = ingested.as_str(), "provider event");
    Ok(ingested)
}
