//! Who the sandbox's merchants are. Keys are shown once in production; a sandbox keeps them in `sandbox.json`, so that a
//! restart does not change them.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use tollgate_assembly::Parts;
use tollgate_domain::MerchantId;
use tollgate_gateway::{
    authenticate::{api_key_digest, new_api_key},
    ports::{
        Entropy,
        merchants::{ApiKey, Merchant, WebhookEndpoint},
    },
};
use tollgate_runtime::System;

use crate::inbox;

/// More than anybody meets by hand.
const NO_LIMIT: u32 = 1_000_000;

/// `sandbox.json`: everything that somebody needs to use the sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) url: String,
    pub(crate) api_key: String,
    pub(crate) webhook_secret: String,
    pub(crate) console: String,
    pub(crate) other_api_key: String,
    pub(crate) limited_api_key: String,
    /// The merchants behind the keys, in that order.
    #[serde(default)]
    merchants: Vec<String>,
}

impl Identity {
    /// The one that `folder` remembers, or a new one.
    pub(crate) fn load_or_make(folder: &Path, entropy: &dyn Entropy) -> anyhow::Result<Self> {
        let file = folder.join("sandbox.json");
        if let Ok(text) = fs::read(&file) {
            let damaged = || format!("{} is damaged: delete it to make new merchants and keys", file.display());
            return serde_json::from_slice(&text).with_context(damaged);
        }
        Ok(Self {
            url: String::new(),
            api_key: new_api_key(entropy),
            webhook_secret: format!("whsec_{}", STANDARD.encode(random::<24>(entropy))),
            console: String::new(),
            other_api_key: new_api_key(entropy),
            limited_api_key: new_api_key(entropy),
            merchants: (0..3).map(|_| MerchantId::from_random(random(entropy)).to_string()).collect(),
        })
    }

    /// The merchants, their names and keys.
    pub(crate) fn merchants(&self) -> anyhow::Result<Vec<(MerchantId, &'static str, &str)>> {
        let names = ["Sandbox shop", "Other shop", "Limited shop"];
        let keys = [&self.api_key, &self.other_api_key, &self.limited_api_key];
        self.merchants
            .iter()
            .zip(names)
            .zip(keys)
            .map(|((id, name), key)| Ok((id.parse().context("sandbox.json names no merchant")?, name, key.as_str())))
            .collect()
    }

    /// Makes sure that the store knows the merchants, their keys, and the first one's webhook secret.
    pub(crate) async fn seed(&self, parts: &Parts, system: &System, inbox: &str) -> anyhow::Result<()> {
        let now = system.time.now();
        let merchants = self.merchants()?;
        for (index, (id, name, key)) in merchants.iter().enumerate() {
            let digest = api_key_digest(key);
            if parts.stores.merchants.by_key(digest).await?.is_some() {
                follow_inbox(parts, *id, inbox).await?;
                continue;
            }
            let requests_per_minute = (index < 2).then_some(NO_LIMIT);
            let name = (*name).to_owned();
            let merchant = Merchant { id: *id, name, requests_per_minute, fee_basis_points: 0, created_at: now };
            parts.stores.merchants.put_merchant(&merchant).await?;
            let sealed_secret = parts.secrets_key.seal(*id, &self.webhook_secret, system.entropy.as_ref())?;
            let endpoint = WebhookEndpoint {
                merchant: *id,
                url: inbox.to_owned(),
                sealed_secret,
                sealed_previous: Vec::new(),
                paused_at: None,
                revision: 1,
                updated_at: now,
            };
            parts.stores.endpoints.put_endpoint(&endpoint).await?;
            let key = ApiKey { digest, merchant: *id, created_at: now, revoked_at: None };
            parts.stores.merchants.put_api_key(&key).await?;
        }
        Ok(())
    }

    /// A store with merchants, none of whom are this sandbox's, is somebody's: played providers know nothing of its payments, and
    /// would have every one of them found missing.
    pub(crate) async fn owns(&self, parts: &Parts) -> anyhow::Result<()> {
        for (id, ..) in self.merchants()? {
            if parts.stores.merchants.merchant(id).await?.is_some() {
                return Ok(());
            }
        }
        let others = parts.stores.merchants.merchants(None, 1).await?;
        anyhow::ensure!(
            others.is_empty(),
            "STORE_URL: this store has merchants that are not this sandbox's, whose payments its played providers would deny; \
             unset STORE_URL, or give the --data DIR that it was made with"
        );
        Ok(())
    }

    /// Writes `sandbox.json` in one step: who reads it reads it whole.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        write_whole(&folder.join("sandbox.json"), &serde_json::to_vec_pretty(self)?)
    }
}

/// The built-in inbox may be at another port now; an endpoint that the merchant has set is left alone.
async fn follow_inbox(parts: &Parts, merchant: MerchantId, inbox: &str) -> anyhow::Result<()> {
    let Some(mut endpoint) = parts.stores.endpoints.endpoint(merchant).await? else { return Ok(()) };
    let built_in = endpoint.url.starts_with("http://127.0.0.1:") && endpoint.url.ends_with(inbox::PATH);
    if built_in && endpoint.url != inbox {
        inbox.clone_into(&mut endpoint.url);
        endpoint.revision += 1;
        parts.stores.endpoints.put_endpoint(&endpoint).await?;
    }
    Ok(())
}

/// Writes a file in one step: a kill leaves the old one or the new one, never a part.
pub(crate) fn write_whole(file: &Path, text: &[u8]) -> anyhow::Result<()> {
    let new = file.with_extension("new");
    // Keys are in these files: they are for their owner only.
    let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
    let written = open.and_then(|mut open| open.write_all(text)).and_then(|()| fs::rename(&new, file));
    written.with_context(|| format!("{} cannot be written", file.display()))
}

/// A secret kept in a file of its own, made when it is first needed.
pub(crate) fn kept_secret(file: &Path, entropy: &dyn Entropy) -> anyhow::Result<String> {
    if let Ok(secret) = fs::read_to_string(file) {
        return Ok(secret.trim().to_owned());
    }
    let secret = STANDARD.encode(random::<32>(entropy));
    write_whole(file, secret.as_bytes())?;
    Ok(secret)
}

fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}
