//! Stripe: cards by payment intents. The one module that knows how Stripe is configured, and what it promises.
//!
//! Must not know: breakers, retries, quotas, or what follows from an answer. What the parts are for: `requests` writes,
//! `api` calls and classes, `objects` reads, `view` translates, `send`, `look_up` and `records` put them together, `events` reads
//! webhooks.

pub mod amounts;
mod api;
mod events;
mod failures;
mod look_up;
mod objects;
mod records;
mod requests;
mod send;
mod signature;
mod view;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{HeaderValue, Uri};
use tollgate_domain::{Answer, CaptureMethod, Money, ProviderName};
use tollgate_gateway::ports::{
    HttpClient, Provider, ProviderRecords, Time,
    provider::{Call, LookUp, Reply, Terms, Unsupported},
    provider_records::{Records, RecordsAsk},
};

use self::api::Api;
use crate::Secret;

pub use self::events::StripeEvents;

/// Stripe keeps keys for 24 hours at least; an hour is for clocks that differ and calls on their way.
const RESEND_WINDOW: Duration = Duration::from_secs(23 * 3600);

/// Where and as whom Stripe is called.
#[derive(Debug, Clone)]
pub struct StripeConfig {
    /// What `/v1/…` is appended to: `https://api.stripe.com`, or a stand-in such as `http://127.0.0.1:1234/stripe`.
    pub api_url: String,
    /// `sk_…` or `rk_…`.
    pub secret_key: Secret,
}

/// Settings that cannot work, found at start-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The URL.
    #[error("STRIPE_API_URL is not an absolute http or https URL without query")]
    ApiUrl,
    /// The key.
    #[error("STRIPE_SECRET_KEY is empty or holds characters that no key has")]
    SecretKey,
    /// The webhook secrets.
    #[error("STRIPE_WEBHOOK_SECRET is empty")]
    WebhookSecret,
}

/// The [`Provider`] that calls Stripe.
pub struct Stripe {
    api: Api,
}

impl Stripe {
    /// Calls through `http` and counts deadlines with `time`.
    pub fn new(config: &StripeConfig, http: Arc<dyn HttpClient>, time: Arc<dyn Time>) -> Result<Self, ConfigError> {
        let uri: Uri = config.api_url.parse().map_err(|_| ConfigError::ApiUrl)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
            return Err(ConfigError::ApiUrl);
        }
        let key = config.secret_key.expose();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConfigError::SecretKey);
        }
        let bearer = format!("Bearer {key}");
        let mut authorization = HeaderValue::from_str(&bearer).map_err(|_| ConfigError::SecretKey)?;
        authorization.set_sensitive(true);
        let base = config.api_url.trim_end_matches('/').to_owned();
        Ok(Self { api: Api { base, authorization, http, time } })
    }
}

#[async_trait]
impl Provider for Stripe {
    fn name(&self) -> ProviderName {
        ProviderName::Stripe
    }

    fn accepts(&self, amount: Money, _capture: CaptureMethod) -> Result<(), Unsupported> {
        amounts::accepts(amount)
    }

    fn terms(&self) -> Terms {
        Terms { captures_partially: true, resend_window: RESEND_WINDOW }
    }

    async fn send(&self, call: Call<'_>) -> Reply<Answer> {
        let (answer, trace) = send::send(&self.api, call).await;
        trace.to(answer)
    }

    async fn look_up(&self, call: Call<'_>) -> Reply<LookUp> {
        let (answer, trace) = look_up::look_up(&self.api, call).await;
        trace.to(answer)
    }

    async fn cancel(&self, call: Call<'_>) -> Reply<Answer> {
        let (answer, trace) = send::cancel(&self.api, call).await;
        trace.to(answer)
    }

    fn records(&self) -> Option<&dyn ProviderRecords> {
        Some(self)
    }
}

#[async_trait]
impl ProviderRecords for Stripe {
    fn known_after(&self) -> Duration {
        records::KNOWN_AFTER
    }

    fn longest_period(&self) -> Duration {
        records::LONGEST_PERIOD
    }

    async fn records_of(&self, ask: RecordsAsk<'_>) -> Reply<Records> {
        let (answer, trace) = records::records(&self.api, ask).await;
        trace.to(answer)
    }
}
