//! A bank, by Open Banking UK's Read/Write API 4.0: consents that a payer approves (or need not), payments that use them,
//! and signed events.
//!
//! The consent is the transaction: while it can be used the money counts as held, and the payment that uses it takes it.
//! A consent is used once, and only by our own call; one that a payer had to approve, only with the token that his code is
//! changed for. There is no refund at a bank: money goes back by a payment of our own.
//! Must not know: what the gateway does with an answer.

pub mod amounts;
mod api;
mod approval;
mod events;
mod failures;
mod kept;
mod key;
mod keys;
mod look_up;
mod objects;
mod reads;
mod refunds;
mod requests;
mod send;
mod view;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::Uri;
use tollgate_domain::{Answer, CaptureMethod, Currency, Money, ProviderName, TransactionView};
use tollgate_gateway::ports::{
    HttpClient, Provider, Time,
    provider::{Call, LookUp, Reply, Terms, Unsupported},
};

pub use events::BankEvents;
pub use kept::Sealing;

use crate::Secret;
use crate::tokens::Tokens;
use api::{Api, TOKEN_LIVES_AT_MOST};
use key::SigningKey;

/// The bank knows an idempotency key for a day; a margin for clocks, and for what is on its way.
const RESEND_WINDOW: Duration = Duration::from_secs(23 * 3600 + 1800);
const CLIENT_ID_MAX: usize = 128;

/// An account at a bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankAccount {
    /// What kind of identification it is: `UK.OBIE.SortCodeAccountNumber`, say.
    pub scheme: String,
    /// The account.
    pub identification: String,
    /// Whose it is.
    pub name: String,
}

/// Where and as whom the bank is called.
#[derive(Debug)]
pub struct BankConfig {
    /// Where the bank is called: tokens, payments and keys are below it.
    pub api_url: String,
    /// The bank's own name, which is where payers reach it: its page is `/authorize` below it. Often the same as `api_url`.
    pub issuer: String,
    /// Our client id.
    pub client_id: String,
    /// The key that we sign with: RSA, in PKCS #8 (PEM).
    pub signing_key: Secret,
    /// Its name at the bank.
    pub signing_key_id: String,
    /// Where payments go.
    pub creditor: BankAccount,
    /// Our own account that refunds are paid from, without anybody's approval.
    pub refunds_from: BankAccount,
    /// The currencies that the bank moves (`GBP`, in the United Kingdom); none: every one.
    pub currencies: Vec<Currency>,
}

/// Why the bank cannot be called with this configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An address is not one.
    #[error("the bank's API URL and issuer must be http or https, without a query")]
    ApiUrl,
    /// The client's id cannot be signed with.
    #[error("the bank's client id must be plain text without spaces")]
    ClientId,
    /// The key cannot be read.
    #[error("the bank's signing key must be an RSA key of 2048 bits or more in PKCS #8 (PEM), and have a name")]
    SigningKey,
    /// An account lacks something.
    #[error("the accounts at the bank need a scheme, an identification and a name")]
    Account,
    /// Events cannot be for nobody.
    #[error("the audience of the bank's events must be plain text without spaces")]
    Audience,
}

/// The adapter.
pub struct Bank {
    api: Api,
    issuer: String,
    creditor: BankAccount,
    refunds_from: BankAccount,
    currencies: Vec<Currency>,
    sealing: Sealing,
}

/// Whether `pem` is a key that the bank's requests can be signed with: RSA of 2048 bits or more, in PKCS #8 (PEM).
pub fn is_signing_key(pem: &str) -> bool {
    SigningKey::read(pem, "any").is_some()
}

impl Bank {
    /// Calls through `http` and counts deadlines with `time`; what payers' approvals give is kept as `sealing` has it.
    pub fn new(
        config: &BankConfig,
        sealing: Sealing,
        http: Arc<dyn HttpClient>,
        time: Arc<dyn Time>,
    ) -> Result<Self, ConfigError> {
        let (creditor, refunds_from) = (config.creditor.clone(), config.refunds_from.clone());
        for account in [&creditor, &refunds_from] {
            if [&account.scheme, &account.identification, &account.name].into_iter().any(String::is_empty) {
                return Err(ConfigError::Account);
            }
        }
        let (issuer, currencies) = (address(&config.issuer)?, config.currencies.clone());
        Ok(Self { api: api(config, http, time)?, issuer, creditor, refunds_from, currencies, sealing })
    }
}

fn api(config: &BankConfig, http: Arc<dyn HttpClient>, time: Arc<dyn Time>) -> Result<Api, ConfigError> {
    let base = address(&config.api_url)?;
    if !is_plain(&config.client_id) || config.client_id.len() > CLIENT_ID_MAX {
        return Err(ConfigError::ClientId);
    }
    let key = SigningKey::read(config.signing_key.expose(), &config.signing_key_id).ok_or(ConfigError::SigningKey)?;
    let tokens = Tokens::new(TOKEN_LIVES_AT_MOST, Arc::clone(&time));
    Ok(Api { base, client_id: config.client_id.clone(), key, http, time, tokens })
}

fn address(text: &str) -> Result<String, ConfigError> {
    let uri: Uri = text.parse().map_err(|_| ConfigError::ApiUrl)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
        return Err(ConfigError::ApiUrl);
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[async_trait]
impl Provider for Bank {
    fn name(&self) -> ProviderName {
        ProviderName::Bank
    }

    fn accepts(&self, amount: Money, _capture: CaptureMethod) -> Result<(), Unsupported> {
        amounts::accepts(amount, &self.currencies)
    }

    fn terms(&self) -> Terms {
        Terms { captures_partially: false, resend_window: RESEND_WINDOW }
    }

    async fn send(&self, call: Call<'_>) -> Reply<Answer> {
        let (answer, trace) = send::send(self, call).await;
        trace.to(answer)
    }

    async fn look_up(&self, call: Call<'_>) -> Reply<LookUp> {
        let (answer, trace) = look_up::look_up(self, call).await;
        trace.to(answer)
    }

    fn brought_back(&self, call: Call<'_>, returned: &str) -> Option<TransactionView> {
        approval::brought_back(self, call, returned)
    }

    async fn cancel(&self, call: Call<'_>) -> Reply<Answer> {
        let (answer, trace) = send::cancel(self, call).await;
        trace.to(answer)
    }
}
