//! A provider's event that has just come: applied, or kept until the store is back.
//!
//! Must not know: where events are kept, or who hands them out again.

use std::time::Duration;

use tollgate_domain::ProviderName;

use crate::{
    Context, Error, Gateway, Ingested,
    bounded::within,
    ports::{StoreError, event_backlog::KeptEvent, provider::ProviderEvent, queue::QueueError},
};

/// How long it may take to keep an event: its provider waits for the answer, and has waited for the store already.
const KEEPING_TAKES: Duration = Duration::from_secs(5);

impl Gateway {
    /// Takes a verified event: applies it, or keeps it while the store is away. An error means that it was not taken: the
    /// provider must send it again.
    ///
    /// Only an unavailable store leads to the backlog. A commit whose answer was lost may have happened: then the event is
    /// found to be a duplicate when it is applied.
    pub async fn take_event(
        &self,
        provider: ProviderName,
        event: ProviderEvent,
        context: Context,
    ) -> Result<Ingested, Error> {
        let gateway = self.clone();
        // To its end: a provider that hangs up must not leave it neither applied nor kept.
        self.run(async move { gateway.apply_or_keep(provider, event, context).await }).await
    }

    async fn apply_or_keep(
        &self,
        provider: ProviderName,
        event: ProviderEvent,
        context: Context,
    ) -> Result<Ingested, Error> {
        let received_at = self.now();
        let ended = Box::pin(self.ingest(provider, event.clone(), &context)).await;
        let Err(Error::Store(away @ StoreError::Unavailable(_))) = ended else { return ended };
        let kept = KeptEvent { provider, event, received_at, correlation_id: context.correlation_id };
        let keeping = self.ports.backlog.keep(&kept);
        let in_time = within(self.ports.time.as_ref(), KEEPING_TAKES, keeping).await;
        match in_time.unwrap_or_else(|| Err(QueueError("it was not kept in time".to_owned()))) {
            Ok(()) => {
                tracing::warn!(provider = provider.as_str(), event_id = kept.event.event_id, reason = %away,
                    "a provider's event is kept until the store is back");
                Ok(Ingested::Queued)
            }
            Err(error) => {
                tracing::error!(provider = provider.as_str(), event_id = kept.event.event_id, reason = %away, %error,
                    "the store is away, and a provider's event could not be kept; the provider has to send it again");
                Err(Error::Store(away))
            }
        }
    }

    /// Applies an event that was kept. An error, or [`Ingested::Deferred`]: it is to be kept on and handed out again.
    pub async fn apply_kept_event(&self, kept: KeptEvent) -> Result<Ingested, Error> {
        let KeptEvent { provider, event, received_at, correlation_id } = kept;
        let (event_id, event_type) = (event.event_id.clone(), event.event_type.clone());
        let ended = self.ingest_event(provider, event, Context { correlation_id: correlation_id.clone() }).await;
        let outcome = match &ended {
            Ok(ingested) => ingested.as_str(),
            Err(Error::Store(StoreError::Unavailable(_))) => "store_away",
            Err(_) => "failed",
        };
        metrics::counter!("provider_events_applied_total", "provider" => provider.as_str(), "outcome" => outcome)
            .increment(1);
        let provider = provider.as_str();
        match &ended {
            // Nobody sends it again, unlike one that was answered 404.
            Ok(Ingested::Unmatched) => tracing::error!(provider, event_id, event_type, correlation_id, %received_at,
                "a kept event matches no payment, and is gone"),
            Ok(_) => {
                tracing::info!(provider, event_id, event_type, correlation_id, %received_at, outcome, "kept provider event");
            }
            Err(error) => tracing::warn!(provider, event_id, event_type, correlation_id, %received_at, %error,
                "a kept event cannot be applied yet"),
        }
        ended
    }
}
