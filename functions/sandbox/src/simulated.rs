//! The sandbox's own values for whatever the environment does not say: its store, and the simulated providers, with whom it
//! agrees on keys, and whom it tells where their webhooks go.

use std::path::Path;

use tollgate_assembly::Configuration;
use tollgate_runtime::Variables;

use crate::{identity::kept_secret, providers_link::ProvidersLink, system::SandboxSystem};

/// What simulated Stripe is called with; it takes any test key.
const SIMULATED_STRIPE_KEY: &str = "sk_test_sandbox";

/// Simulated PayPal takes any client.
const SIMULATED_PAYPAL_CLIENT: &str = "sandbox";
/// The id of its one webhook.
const SIMULATED_PAYPAL_WEBHOOK: &str = "WH-SANDBOX";

/// The simulated bank takes any client, and the first key that comes under its id.
const SIMULATED_BANK_CLIENT: &str = "tollgate-sandbox";
/// That key: no secret, as anybody can read it here. It opens nothing but simulated banks; making one would hold up every start
/// of a sandbox by seconds.
const THROW_AWAY_KEY: &str = include_str!("bank_throw_away_key.pem");

/// Which providers are the simulated ones: those of which the environment says nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Simulated {
    stripe: bool,
    paypal: bool,
    bank: bool,
}

impl Simulated {
    /// By the environment, before [`defaults`] are set.
    pub(crate) fn of(vars: &Variables) -> Self {
        Self {
            stripe: !vars.is_set("STRIPE_SECRET_KEY"),
            paypal: !vars.is_set("PAYPAL_CLIENT_ID"),
            bank: !vars.is_set("BANK_CLIENT_ID"),
        }
    }

    /// Tells them where their webhooks go, and what to sign them with: real secrets are not for a simulation.
    pub(crate) async fn tell(self, link: &ProvidersLink, is: &Configuration, url: &str) -> anyhow::Result<()> {
        let stripe = is.stripe.as_ref().filter(|_| self.stripe).and_then(|stripe| stripe.webhook_secrets.first());
        let paypal = is.paypal.as_ref().filter(|_| self.paypal).map(|paypal| paypal.webhook_id.as_str());
        let bank = is.bank.as_ref().filter(|_| self.bank).map(|bank| bank.events_audience.as_str());
        let signed = [("stripe", stripe.map(tollgate_runtime::Secret::expose)), ("paypal", paypal), ("bank", bank)];
        for (provider, with) in signed {
            if let Some(with) = with {
                link.send_webhooks_to(provider, &format!("{url}/webhooks/providers/{provider}"), with).await?;
            }
        }
        Ok(())
    }
}

/// The environment's word counts; what it does not say is the sandbox's own.
pub(crate) fn defaults(
    vars: &mut Variables,
    folder: &Path,
    url: &str,
    providers_url: &str,
    system: &SandboxSystem,
) -> anyhow::Result<()> {
    let entropy = system.system.entropy.as_ref();
    vars.set_default("STORE_URL", &format!("sqlite:{}", folder.join("tollgate.sqlite").display()));
    vars.set_default("SECRETS_KEY", &kept_secret(&folder.join("secrets.key"), entropy)?);
    vars.set_default("PUBLIC_URL", url);
    // Whoever tries it is not to meet a provider's limits, unless that is what is tried.
    vars.set_default("STRIPE_REQUESTS_PER_SECOND", "off");
    vars.set_default("STRIPE_ENDPOINT_REQUESTS_PER_SECOND", "off");
    if !vars.is_set("STRIPE_SECRET_KEY") {
        vars.set_default("STRIPE_API_URL", &format!("{providers_url}/stripe"));
        vars.set_default("STRIPE_SECRET_KEY", SIMULATED_STRIPE_KEY);
        let secret = kept_secret(&folder.join("stripe-webhook.key"), entropy)?;
        vars.set_default("STRIPE_WEBHOOK_SECRET", &format!("whsec_{secret}"));
    }
    if vars.is_set("PAYPAL_CLIENT_ID") {
        vars.set_default("PAYPAL_API_URL", "https://api-m.sandbox.paypal.com");
    } else {
        vars.set_default("PAYPAL_API_URL", &format!("{providers_url}/paypal"));
        vars.set_default("PAYPAL_CLIENT_ID", SIMULATED_PAYPAL_CLIENT);
        vars.set_default("PAYPAL_CLIENT_SECRET", "sandbox");
        vars.set_default("PAYPAL_WEBHOOK_ID", SIMULATED_PAYPAL_WEBHOOK);
    }
    if !vars.is_set("BANK_CLIENT_ID") {
        vars.set_default("BANK_API_URL", &format!("{providers_url}/bank"));
        vars.set_default("BANK_CLIENT_ID", SIMULATED_BANK_CLIENT);
        vars.set_default("BANK_SIGNING_KEY", THROW_AWAY_KEY);
        vars.set_default("BANK_SIGNING_KEY_ID", "throw-away");
        vars.set_default("BANK_CREDITOR_ACCOUNT", "tollgate-collections");
        vars.set_default("BANK_CREDITOR_NAME", "Tollgate sandbox");
        // By this the simulated bank knows what is a refund.
        vars.set_default("BANK_REFUNDS_FROM_ACCOUNT", "tollgate-refunds");
        vars.set_default("BANK_CURRENCIES", "all");
    }
    Ok(())
}

/// A sandbox is for trying: it never moves real money.
pub(crate) fn refuse_live_keys(vars: &mut Variables) {
    let key = vars.var("STRIPE_SECRET_KEY", "Stripe's secret key").secret().optional();
    if let Ok(Some(key)) = key
        && key.expose().contains("_live_")
    {
        vars.refuse("STRIPE_SECRET_KEY is a live key: the sandbox takes test keys only");
    }
    let paypal = vars.var("PAYPAL_API_URL", "PayPal's API").optional();
    if let Ok(Some(url)) = paypal
        && (url.contains("://api-m.paypal.com") || url.contains("://api.paypal.com"))
    {
        vars.refuse("PAYPAL_API_URL is PayPal's live API: the sandbox takes PayPal's sandbox only");
    }
}
