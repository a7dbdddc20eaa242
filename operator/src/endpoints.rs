//! `tollgate endpoints`: where a merchant's webhooks go, by the merchants' own use-cases. A secret is shown once, when it is
//! made.
//!
//! Must not know: how a secret is made or sealed.

use anyhow::{Context, anyhow};
use tollgate_api::webhooks::WebhookEndpointBody;
use tollgate_domain::MerchantId;
use tollgate_gateway::{EndpointChanged, Error, ports::merchants::WebhookEndpoint, secrets::SecretsKey};
use zeroize::Zeroizing;

use crate::{
    arguments::Endpoints,
    audit::{Who, audited, audited_as},
    failure::mistaken,
    open::Operator,
    output::{self, answer},
    table::facts,
};

/// So many merchants are looked at for a secret that opens.
const LOOKED_AT: u32 = 50;

/// Does what was typed.
pub(crate) async fn run(
    operator: &Operator,
    command: Endpoints,
    secrets_key: Option<Zeroizing<[u8; 32]>>,
    json: bool,
) -> anyhow::Result<()> {
    match (command, secrets_key) {
        (Endpoints::Set { merchant, url, secrets_key_was_changed, word }, Some(key)) => {
            let who = Who::of(word)?;
            if !secrets_key_was_changed {
                is_the_functions(operator, &key, merchant).await?;
            }
            let done = set(operator, &key, merchant, &url, json);
            audited_as(operator, &who, "endpoints set", merchant, done, |url| Some(url.clone())).await.map(drop)
        }
        (Endpoints::RotateSecret { merchant, secrets_key_was_changed, word }, Some(key)) => {
            let done = rotate_secret(operator, &key, merchant, secrets_key_was_changed, json);
            audited(operator, &Who::of(word)?, "endpoints rotate-secret", merchant, done).await
        }
        (command, _) => show(operator, command.merchant(), json).await,
    }
}

/// Shows the endpoint; never its secret.
async fn show(operator: &Operator, merchant: MerchantId, json: bool) -> anyhow::Result<()> {
    operator.merchant(merchant).await?;
    let found = operator.ask(operator.stores.endpoints.endpoint(merchant)).await?;
    let mut endpoint = found.with_context(|| without(merchant))?;
    // Those whose day is over sign no more.
    endpoint.sealed_previous.retain(|(_, until)| operator.now() < *until);
    answer(json, &WebhookEndpointBody::from(&endpoint), || words(&endpoint))
}

/// Sets the URL, by the rules of the API; answers the one that is set.
async fn set(
    operator: &Operator,
    secrets_key: &[u8; 32],
    merchant: MerchantId,
    url: &str,
    json: bool,
) -> anyhow::Result<String> {
    operator.merchant(merchant).await?;
    let changed = operator.gateway(secrets_key).set_webhook_endpoint(merchant, url).await;
    let changed = changed.map_err(|error| said(error, merchant))?;
    let set = changed.endpoint.url.clone();
    show_changed(changed, json)?;
    Ok(set)
}

/// Makes a new secret; the old one signs along for a day.
async fn rotate_secret(
    operator: &Operator,
    secrets_key: &[u8; 32],
    merchant: MerchantId,
    secrets_key_was_changed: bool,
    json: bool,
) -> anyhow::Result<()> {
    operator.merchant(merchant).await?;
    if !secrets_key_was_changed {
        opens_with(operator, secrets_key, merchant).await?;
    }
    let changed = operator.gateway(secrets_key).rotate_webhook_secret(merchant).await;
    show_changed(changed.map_err(|error| said(error, merchant))?, json)
}

/// A secret that is sealed with another key than the functions' signs nothing: a slip of the shell must not silence a merchant.
async fn opens_with(operator: &Operator, secrets_key: &[u8; 32], merchant: MerchantId) -> anyhow::Result<()> {
    let Some(endpoint) = operator.ask(operator.stores.endpoints.endpoint(merchant)).await? else { return Ok(()) };
    if SecretsKey::new(secrets_key).open(merchant, &endpoint.sealed_secret).is_err() {
        return Err(mistaken(
            "SECRETS_KEY is not the key that the present secret is sealed with; if the functions have this one by now, \
             say --secrets-key-was-changed"
                .to_owned(),
        ));
    }
    Ok(())
}

/// The first secret of a merchant is held against others': sealed with a key that is not the functions', it would sign nothing, and
/// nobody would know.
async fn is_the_functions(operator: &Operator, secrets_key: &[u8; 32], merchant: MerchantId) -> anyhow::Result<()> {
    let (endpoints, key) = (&operator.stores.endpoints, SecretsKey::new(secrets_key));
    if operator.ask(endpoints.endpoint(merchant)).await?.is_some() {
        return Ok(());
    }
    let mut others = 0;
    for other in operator.ask(operator.stores.merchants.merchants(None, LOOKED_AT)).await? {
        if let Some(endpoint) = operator.ask(endpoints.endpoint(other.id)).await? {
            if key.open(other.id, &endpoint.sealed_secret).is_ok() {
                return Ok(());
            }
            others += 1;
        }
    }
    if others == 0 {
        return Ok(());
    }
    Err(mistaken(format!(
        "SECRETS_KEY opens no other merchant's secret ({others} tried): is it the functions'? If they have this one by now, say \
         --secrets-key-was-changed"
    )))
}

fn show_changed(changed: EndpointChanged, json: bool) -> anyhow::Result<()> {
    let (endpoint, secret) = (changed.endpoint.clone(), changed.secret.clone());
    let body = WebhookEndpointBody::from(changed);
    let shown = answer(json, &body, || {
        let shown_once = secret.as_ref().map(|secret| format!("secret                 {}\n", secret.as_str()));
        words(&endpoint) + &shown_once.unwrap_or_default()
    });
    if secret.is_none() {
        return shown;
    }
    shown.context("the secret was made but not shown: make another with `tollgate endpoints rotate-secret`")?;
    output::note("the secret is shown this once");
    Ok(())
}

fn words(endpoint: &WebhookEndpoint) -> String {
    facts([
        ("url", Some(endpoint.url.clone())),
        ("paused since", endpoint.paused_at.map(|at| at.to_string())),
        ("previous secret until", endpoint.sealed_previous.first().map(|(_, until)| until.to_string())),
        ("updated", Some(endpoint.updated_at.to_string())),
    ])
}

fn without(merchant: MerchantId) -> String {
    format!("{merchant} has no webhook endpoint yet: `tollgate endpoints set` makes it")
}

fn said(error: Error, merchant: MerchantId) -> anyhow::Error {
    match error {
        Error::EndpointRefused(why) => mistaken(format!("URL {why}")),
        Error::NotFound => anyhow!(without(merchant)),
        Error::TooManySecrets { retry_after } => {
            anyhow!("too many secrets sign already; the oldest one's day is over in {} s", retry_after.as_secs())
        }
        error => error.into(),
    }
}
