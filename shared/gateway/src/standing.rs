//! How the gateway stands, for people and dashboards: what is due and was not sent, which providers are on.
//!
//! Must not know: who asks, how it is shown.

use tollgate_domain::{ProviderName, Timestamp};

use crate::{Error, Gateway};

/// A provider, as operators and the configuration left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderStanding {
    /// Which.
    pub provider: ProviderName,
    /// Operators turned it off for new payments.
    pub turned_off: bool,
}

impl Gateway {
    /// How long the delivery has been due that has been due longest, and that nobody has taken since.
    /// Zero: nothing is due.
    pub async fn oldest_due_delivery_age(&self) -> Result<std::time::Duration, Error> {
        let now = self.now();
        let oldest = self.ports.stores.deliveries.oldest_due(now);
        let oldest: Option<Timestamp> = self.within_store_time(self.settings.store_timeout, oldest).await?;
        Ok(oldest.and_then(|at| now.duration_since(at).try_into().ok()).unwrap_or_default())
    }

    /// The configured providers, each with what operators' flags say of it.
    pub async fn providers_standing(&self) -> Result<Vec<ProviderStanding>, Error> {
        let routing = self.routing().await?;
        let names = self.ports.providers.iter().map(|provider| provider.name());
        Ok(names
            .map(|provider| ProviderStanding { provider, turned_off: routing.turned_off(provider).is_some() })
            .collect())
    }
}
