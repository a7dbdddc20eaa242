//! PayPal: orders with the intent to authorize, paid by a vaulted token or by a payer who approves; authorizations, captures
//! and refunds below them; signed webhooks.
//!
//! The order is the transaction, and is made before anybody pays (rule 4). Must not know: what the gateway does with an
//! answer.

pub mod amounts;
mod api;
mod certificates;
mod events;
mod failures;
mod look_up;
mod objects;
mod records;
mod requests;
mod send;
mod view;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri};
use tollgate_domain::{Answer, CaptureMethod, Money, ProviderName};
use tollgate_gateway::ports::{
    HttpClient, Provider, ProviderRecords, Time,
    provider::{Call, LookUp, Reply, Terms, Unsupported},
    provider_records::{Records, RecordsAsk},
};

pub use events::PaypalEvents;

use crate::Secret;
use crate::tokens::Tokens;
use api::{Api, TOKEN_LIVES_AT_MOST};

/// PayPal knows the id of an order's request for six hours (rule 4); a margin for clocks, and for what is on its way.
const RESEND_WINDOW: Duration = Duration::from_secs(5 * 3600 + 1800);

/// Where and as whom PayPal is called.
#[derive(Debug)]
pub struct PaypalConfig {
    /// `https://api-m.paypal.com`, or a stand-in.
    pub api_url: String,
    /// The app's client id.
    pub client_id: Secret,
    /// Its secret.
    pub client_secret: Secret,
}

/// Why PayPal cannot be called with this configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The address of the API is not one.
    #[error("PayPal's API URL must be http or https, without a query")]
    ApiUrl,
    /// The credentials cannot be sent in a header.
    #[error("PayPal's client id and secret must be plain text without spaces, the id without a colon")]
    Credentials,
    /// The webhook's id cannot be part of what is signed.
    #[error("PayPal's webhook id must be plain text without spaces")]
    WebhookId,
}

/// The adapter.
pub struct Paypal {
    api: Api,
}

impl Paypal {
    /// Calls through `http` and counts deadlines with `time`.
    pub fn new(config: &PaypalConfig, http: Arc<dyn HttpClient>, time: Arc<dyn Time>) -> Result<Self, ConfigError> {
        let uri: Uri = config.api_url.parse().map_err(|_| ConfigError::ApiUrl)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
            return Err(ConfigError::ApiUrl);
        }
        let (id, secret) = (config.client_id.expose(), config.client_secret.expose());
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain(id) || !plain(secret) || id.contains(':') {
            return Err(ConfigError::Credentials);
        }
        let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        let mut basic = HeaderValue::from_str(&basic).map_err(|_| ConfigError::Credentials)?;
        basic.set_sensitive(true);
        let base = config.api_url.trim_end_matches('/').to_owned();
        let tokens = Tokens::new(TOKEN_LIVES_AT_MOST, Arc::clone(&time));
        Ok(Self { api: Api { base, basic, http, time, tokens } })
    }
}

#[async_trait]
impl Provider for Paypal {
    fn name(&self) -> ProviderName {
        ProviderName::Paypal
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
impl ProviderRecords for Paypal {
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
