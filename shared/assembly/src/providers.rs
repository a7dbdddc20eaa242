//! The providers that the configuration has switched on: each one's adapter, measured and guarded, and the reader of its events.

use std::{collections::HashMap, sync::Arc};

use tollgate_domain::ProviderName;
use tollgate_gateway::{
    ports::{Counters, EventReader, Provider},
    secrets::SecretsKey,
};
use tollgate_providers::{
    Bank, BankConfig, BankEvents, BankSealing, Breakers, GuardPorts, GuardSettings, Guarded, Metered, Paypal,
    PaypalConfig, PaypalEvents, QuotaSettings, Secret, Stripe, StripeConfig, StripeEvents,
};
use tollgate_runtime::System;

use crate::{BankConfiguration, Configuration, GuardConfiguration, Outside, PaypalConfiguration, StripeConfiguration};

/// An adapter with the reader of its events.
type Built<P> = (Metered<P>, Arc<dyn EventReader>);

/// The providers that are on.
#[derive(Default)]
pub(crate) struct Providers {
    pub(crate) all: Vec<Arc<dyn Provider>>,
    pub(crate) readers: HashMap<ProviderName, Arc<dyn EventReader>>,
    pub(crate) breakers: Vec<Breakers>,
}

impl Providers {
    pub(crate) fn build(
        configuration: &Configuration,
        counters: &Arc<dyn Counters>,
        secrets: &SecretsKey,
        system: &System,
        outside: &Outside,
    ) -> anyhow::Result<Self> {
        let guard = Guard::of(configuration, counters, system);
        let mut providers = Self::default();
        if let Some(stripe) = &configuration.stripe {
            providers.add(&guard, build_stripe(stripe, system, outside)?, stripe.quota);
        } else {
            tracing::warn!("Stripe is off: STRIPE_SECRET_KEY is not set");
        }
        if let Some(paypal) = &configuration.paypal {
            providers.add(&guard, build_paypal(paypal, system, outside)?, paypal.quota);
        } else {
            tracing::warn!("PayPal is off: PAYPAL_CLIENT_ID is not set");
        }
        if let Some(bank) = &configuration.bank {
            providers.add(&guard, build_bank(bank, secrets, system, outside)?, bank.quota);
        } else {
            tracing::warn!("the bank is off: BANK_CLIENT_ID is not set");
        }
        Ok(providers)
    }

    fn add<P: Provider>(&mut self, guard: &Guard, (provider, reader): Built<P>, quota: QuotaSettings) {
        let provider = guard.around(provider, quota);
        self.breakers.push(provider.breakers());
        self.readers.insert(provider.name(), reader);
        self.all.push(Arc::new(provider));
    }
}

/// What is put around every provider.
struct Guard {
    configuration: GuardConfiguration,
    ports: GuardPorts,
}

impl Guard {
    fn of(configuration: &Configuration, counters: &Arc<dyn Counters>, system: &System) -> Self {
        let (counters, time, entropy) = (Arc::clone(counters), Arc::clone(&system.time), Arc::clone(&system.entropy));
        Self { configuration: configuration.guard, ports: GuardPorts { counters, time, entropy } }
    }

    fn around<P: Provider>(&self, provider: P, quota: QuotaSettings) -> Guarded<P> {
        let GuardConfiguration { breaker, in_flight } = self.configuration;
        Guarded::new(provider, GuardSettings { breaker, quota, in_flight }, self.ports.clone())
    }
}

fn build_stripe(
    configuration: &StripeConfiguration,
    system: &System,
    outside: &Outside,
) -> anyhow::Result<Built<Stripe>> {
    let secret = |secret: &tollgate_runtime::Secret| Secret::new(secret.expose());
    let config = StripeConfig { api_url: configuration.api_url.clone(), secret_key: secret(&configuration.secret_key) };
    let stripe = Stripe::new(&config, Arc::clone(&outside.http), Arc::clone(&system.time))?;
    let events = StripeEvents::new(configuration.webhook_secrets.iter().map(secret).collect())?;
    Ok((Metered::new(stripe, Arc::clone(&system.time)), Arc::new(events)))
}

fn build_paypal(
    configuration: &PaypalConfiguration,
    system: &System,
    outside: &Outside,
) -> anyhow::Result<Built<Paypal>> {
    let secret = |secret: &tollgate_runtime::Secret| Secret::new(secret.expose());
    let PaypalConfiguration { api_url, client_id, client_secret, webhook_id, .. } = configuration;
    let config =
        PaypalConfig { api_url: api_url.clone(), client_id: secret(client_id), client_secret: secret(client_secret) };
    let (http, time) = (&outside.http, &system.time);
    let paypal = Paypal::new(&config, Arc::clone(http), Arc::clone(time))?;
    let events = PaypalEvents::new(webhook_id, api_url, Arc::clone(http), Arc::clone(time))?;
    Ok((Metered::new(paypal, Arc::clone(time)), Arc::new(events)))
}

fn build_bank(
    configuration: &BankConfiguration,
    secrets: &SecretsKey,
    system: &System,
    outside: &Outside,
) -> anyhow::Result<Built<Bank>> {
    let config = BankConfig {
        api_url: configuration.api_url.clone(),
        issuer: configuration.issuer.clone(),
        client_id: configuration.client_id.clone(),
        signing_key: Secret::new(configuration.signing_key.expose()),
        signing_key_id: configuration.signing_key_id.clone(),
        creditor: configuration.creditor.clone(),
        refunds_from: configuration.refunds_from.clone(),
        currencies: configuration.currencies.clone(),
    };
    let sealing = BankSealing { key: secrets.clone(), entropy: Arc::clone(&system.entropy) };
    let (http, time) = (&outside.http, &system.time);
    let bank = Bank::new(&config, sealing, Arc::clone(http), Arc::clone(time))?;
    let events = BankEvents::new(&config, &configuration.events_audience, Arc::clone(http), Arc::clone(time))?;
    Ok((Metered::new(bank, Arc::clone(time)), Arc::new(events)))
}
