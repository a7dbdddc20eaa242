//! The environment variables that every function reads, as a table.

mod bank;
mod front;
mod guard;
mod parts;

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use tollgate_counters::Source;
use tollgate_providers::{BreakerSettings, QuotaSettings};
use tollgate_runtime::{
    Secret, Variables,
    config::{Mistaken, Read},
};
use zeroize::Zeroizing;

pub use bank::BankConfiguration;
pub use front::FrontConfiguration;
use guard::QuotaVariables;
use parts::Millis;

/// What a function is told.
#[derive(Debug)]
pub struct Configuration {
    /// The database.
    pub store: StoreConfiguration,
    /// The queue between functions.
    pub queue: QueueConfiguration,
    /// Where counters are.
    pub counters: CountersConfiguration,
    /// What secrets in the store are sealed with, and return links proven.
    pub secrets_key: Zeroizing<[u8; 32]>,
    /// Where payers and providers reach us from outside.
    pub public_url: String,
    /// Stripe, if it is on.
    pub stripe: Option<StripeConfiguration>,
    /// PayPal, if it is on.
    pub paypal: Option<PaypalConfiguration>,
    /// The bank, if it is on.
    pub bank: Option<BankConfiguration>,
    /// For connecting to a provider.
    pub provider_connect_timeout: Duration,
    /// For a call to a provider as a whole.
    pub provider_timeout: Duration,
    /// Who comes in, and how much at a time.
    pub front: FrontConfiguration,
    /// When providers are left alone, and how many calls to one are under way at once.
    pub guard: GuardConfiguration,
    /// For a store operation that somebody waits for.
    pub store_timeout: Duration,
}

/// What keeps one provider's trouble from the rest.
#[derive(Debug, Clone, Copy)]
pub struct GuardConfiguration {
    /// Of each breaker.
    pub breaker: BreakerSettings,
    /// Calls to a provider that are under way at once, in one instance.
    pub in_flight: usize,
}

/// The database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreConfiguration {
    /// A file.
    Sqlite(PathBuf),
    /// Cloud Spanner.
    Spanner {
        /// `projects/P/instances/I/databases/D`
        database: String,
        /// `127.0.0.1:9010`, where there is an emulator.
        emulator: Option<String>,
    },
}

/// The queue between functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueConfiguration {
    /// In process, in a file beside the store's, which the functions on that store share.
    Embedded,
    /// Pub/Sub.
    Pubsub {
        /// `pubsub:projects/P/topics/T`: tries of deliveries that are due.
        url: String,
        /// The topic of what was given up; `None`: `dead-letter` beside the other.
        dead_letter: Option<String>,
        /// The topic of providers' events that came while the store was away; `None`: `provider-events` beside the other.
        provider_events: Option<String>,
        /// The topic of parts of a settlement; `None`: settlements are not split.
        settlement_shards: Option<String>,
        /// How long a publish may take.
        publish_timeout: Duration,
        /// `127.0.0.1:8085`, where there is an emulator.
        emulator: Option<String>,
    },
}

/// Where counters are.
#[derive(Debug, Clone)]
pub struct CountersConfiguration {
    /// In process, or on Redis.
    pub source: Source,
    /// How many instances there are at most: each takes that part of every limit while Redis is away.
    pub instances: NonZeroU32,
    /// How long a call to Redis may take before the instance decides by itself.
    pub timeout: Duration,
}

/// Where and as whom Stripe is called.
#[derive(Debug)]
pub struct StripeConfiguration {
    /// `https://api.stripe.com`, or a stand-in.
    pub api_url: String,
    /// `sk_…`
    pub secret_key: Secret,
    /// `whsec_…`; several, separated by commas, while one is replaced by another.
    pub webhook_secrets: Vec<Secret>,
    /// How often it is called at most.
    pub quota: QuotaSettings,
}

/// Where and as whom PayPal is called.
#[derive(Debug)]
pub struct PaypalConfiguration {
    /// `https://api-m.paypal.com`, or a stand-in.
    pub api_url: String,
    /// The app's client id.
    pub client_id: Secret,
    /// Its secret.
    pub client_secret: Secret,
    /// The webhook's id, which is part of what PayPal signs.
    pub webhook_id: String,
    /// How often it is called at most.
    pub quota: QuotaSettings,
}

impl StoreConfiguration {
    /// Reads `STORE_URL` and `SPANNER_EMULATOR_HOST` alone.
    pub fn read(vars: &mut Variables) -> Read<Self> {
        parts::read_store(vars)
    }
}

/// Reads `SECRETS_KEY` alone.
pub fn secrets_key(vars: &mut Variables) -> Read<Zeroizing<[u8; 32]>> {
    let text = vars
        .var("SECRETS_KEY", "32 bytes in base64: what secrets in the store are encrypted with")
        .secret()
        .required()?;
    read_secrets_key(vars, &text)
}

impl Configuration {
    /// Reads the table. Every mistake is noted in `vars`; `finish` reports them all.
    pub fn read(vars: &mut Variables) -> Read<Self> {
        let store = parts::read_store(vars);
        let queue = parts::read_queue(vars);
        let counters = parts::read_counters(vars);
        let secrets_key = secrets_key(vars);
        let public_url = vars
            .var("PUBLIC_URL", "the address that payers and providers reach this gateway at")
            .url(&["http", "https"])
            .required();
        let stripe = read_stripe(vars);
        let paypal = read_paypal(vars);
        let bank = bank::read(vars);
        let front = front::read(vars);
        let guard = guard::read(vars);
        let provider_connect_timeout =
            vars.var("PROVIDER_CONNECT_TIMEOUT_MS", "connecting to a provider").parse::<Millis>().or("1000");
        let provider_timeout =
            vars.var("PROVIDER_TIMEOUT_MS", "a whole call to a provider").parse::<Millis>().or("10000");
        let store_timeout =
            vars.var("STORE_TIMEOUT_MS", "a store operation that somebody waits for").parse::<Millis>().or("5000");
        Ok(Self {
            store: store?,
            queue: queue?,
            counters: counters?,
            secrets_key: secrets_key?,
            public_url: public_url?.as_str().trim_end_matches('/').to_owned(),
            stripe: stripe?,
            paypal: paypal?,
            bank: bank?,
            front: front?,
            guard: guard?,
            provider_connect_timeout: provider_connect_timeout?.0,
            provider_timeout: provider_timeout?.0,
            store_timeout: store_timeout?.0,
        })
    }
}

/// Stripe allows 100 calls a second in live mode, and 25 of each endpoint: a fifth is left for whoever else uses the account.
const STRIPE_QUOTA: QuotaVariables = QuotaVariables {
    account: ("STRIPE_REQUESTS_PER_SECOND", "80"),
    endpoint: ("STRIPE_ENDPOINT_REQUESTS_PER_SECOND", "20"),
};

/// No key: Stripe is off. A key without what it needs is a mistake, not a surprise at the first webhook.
fn read_stripe(vars: &mut Variables) -> Read<Option<StripeConfiguration>> {
    let api_url = vars
        .var("STRIPE_API_URL", "Stripe's API, or a stand-in for it")
        .url(&["http", "https"])
        .or("https://api.stripe.com");
    let secret_key = vars.var("STRIPE_SECRET_KEY", "Stripe's secret key; without it Stripe is off").secret().optional();
    let webhook_secret = vars
        .var("STRIPE_WEBHOOK_SECRET", "what Stripe signs its webhooks with; several, separated by commas")
        .secret()
        .optional();
    let quota = guard::read_quota(vars, &STRIPE_QUOTA);
    let (api_url, Some(secret_key), webhook_secret, quota) = (api_url?, secret_key?, webhook_secret?, quota?) else {
        return Ok(None);
    };
    let Some(webhook_secret) = webhook_secret else {
        return Err(
            vars.refuse("STRIPE_WEBHOOK_SECRET is not set, and STRIPE_SECRET_KEY is: webhooks could not be verified")
        );
    };
    let webhook_secrets: Vec<_> = webhook_secret
        .expose()
        .split(',')
        .map(str::trim)
        .filter(|secret| !secret.is_empty())
        .map(Secret::new)
        .collect();
    if webhook_secrets.is_empty() {
        return Err(vars.refuse("STRIPE_WEBHOOK_SECRET holds no secret"));
    }
    if !["sk_", "rk_"].iter().any(|prefix| secret_key.expose().starts_with(prefix)) {
        return Err(vars.refuse("STRIPE_SECRET_KEY is not a secret key of Stripe's: those start with sk_ or rk_"));
    }
    Ok(Some(StripeConfiguration { api_url: api_url.as_str().to_owned(), secret_key, webhook_secrets, quota }))
}

/// PayPal publishes no limits.
const PAYPAL_QUOTA: QuotaVariables = QuotaVariables {
    account: ("PAYPAL_REQUESTS_PER_SECOND", "off"),
    endpoint: ("PAYPAL_ENDPOINT_REQUESTS_PER_SECOND", "off"),
};

/// No client id: PayPal is off. A part of what it needs is a mistake.
fn read_paypal(vars: &mut Variables) -> Read<Option<PaypalConfiguration>> {
    let api_url = vars
        .var("PAYPAL_API_URL", "PayPal's API, or a stand-in for it")
        .url(&["http", "https"])
        .or("https://api-m.paypal.com");
    let client_id = vars.var("PAYPAL_CLIENT_ID", "PayPal's client id; without it PayPal is off").secret().optional();
    let client_secret = vars.var("PAYPAL_CLIENT_SECRET", "the secret of that client").secret().optional();
    let webhook_id =
        vars.var("PAYPAL_WEBHOOK_ID", "the id of the webhook, which PayPal's signatures are for").optional();
    let quota = guard::read_quota(vars, &PAYPAL_QUOTA);
    let (api_url, client_id, client_secret, webhook_id, quota) =
        (api_url?, client_id?, client_secret?, webhook_id?, quota?);
    match (client_id, client_secret, webhook_id) {
        (None, None, None) => Ok(None),
        (Some(client_id), Some(client_secret), Some(webhook_id)) => {
            let api_url = api_url.as_str().to_owned();
            Ok(Some(PaypalConfiguration { api_url, client_id, client_secret, webhook_id, quota }))
        }
        _ => Err(vars
            .refuse("PAYPAL_CLIENT_ID, PAYPAL_CLIENT_SECRET and PAYPAL_WEBHOOK_ID are set together, or none of them")),
    }
}

fn read_secrets_key(vars: &mut Variables, text: &Secret) -> Result<Zeroizing<[u8; 32]>, Mistaken> {
    let bytes = STANDARD.decode(text.expose().trim()).map(Zeroizing::new).unwrap_or_default();
    <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new).map_err(|_| {
        vars.refuse("SECRETS_KEY is not valid (must be 32 bytes in base64): make one with `openssl rand -base64 32`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn read<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Configuration, Vec<String>> {
        let mut vars = Variables::of(values);
        let read = Configuration::read(&mut vars);
        vars.finish().map_err(|mistakes| mistakes.0)?;
        read.map_err(|_| vec!["a mistake that was not noted".to_owned()])
    }

    #[test]
    fn the_least_that_a_function_needs() {
        let read =
            read([("STORE_URL", "sqlite:/data/t.db"), ("SECRETS_KEY", KEY), ("PUBLIC_URL", "https://pay.example/")]);
        let read = read.unwrap();
        assert_eq!(read.store, StoreConfiguration::Sqlite("/data/t.db".into()));
        assert_eq!((read.queue, read.public_url.as_str()), (QueueConfiguration::Embedded, "https://pay.example"));
        assert!(read.stripe.is_none(), "no key: Stripe is off");
        assert_eq!(read.provider_timeout, Duration::from_secs(10));
    }

    #[test]
    fn every_mistake_is_one_clear_line_and_no_secret_is_repeated() {
        let mistakes = read([
            ("STORE_URL", "mysql:x"),
            ("SECRETS_KEY", "c2hvcnQ="),
            ("STRIPE_SECRET_KEY", "sk_test_secret"),
            ("PROVIDER_TIMEOUT_MS", "soon"),
        ])
        .unwrap_err();
        for name in ["STORE_URL", "SECRETS_KEY", "PUBLIC_URL", "STRIPE_WEBHOOK_SECRET", "PROVIDER_TIMEOUT_MS"] {
            assert_eq!(mistakes.iter().filter(|line| line.starts_with(name)).count(), 1, "{name} in {mistakes:?}");
        }
        assert!(!mistakes.join("").contains("sk_test_secret") && !mistakes.join("").contains("c2hvcnQ="));
    }
}
