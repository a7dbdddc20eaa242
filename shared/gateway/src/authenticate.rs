//! Who calls: API keys by digest, through a cache of at most 5 s, so that a payment needs no read (rule 16) and a
//! revoked key is refused within that time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tollgate_domain::{KeyHash, MerchantId};

use crate::{
    Error,
    bounded::within,
    ports::{Entropy, Merchants, StoreError, Time, merchants::Merchant},
};

/// How long an answer of the store counts.
const CACHED_FOR: Duration = Duration::from_secs(5);
/// How many keys are remembered: a bound against floods of made-up keys.
const CACHED_AT_MOST: usize = 10_000;
/// A store that does not say who calls within this is unavailable.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than any key of ours: such a header is not even hashed.
const KEY_LEN_AT_MOST: usize = 128;

/// Knows merchants by their API keys.
pub struct Authenticator {
    merchants: Arc<dyn Merchants>,
    time: Arc<dyn Time>,
    cache: Mutex<HashMap<KeyHash, Known>>,
}

/// What the store said of a digest. Its absence is remembered like its presence.
#[derive(Clone)]
struct Known {
    merchant: Option<Arc<Merchant>>,
    /// On the clock that a sandbox does not move.
    at: Duration,
}

impl Authenticator {
    /// Asks `merchants`.
    pub fn new(merchants: Arc<dyn Merchants>, time: Arc<dyn Time>) -> Self {
        Self { merchants, time, cache: Mutex::default() }
    }

    /// The merchant whose key this is, or `None`.
    pub async fn authenticate(&self, api_key: &str) -> Result<Option<Arc<Merchant>>, Error> {
        if api_key.is_empty() || api_key.len() > KEY_LEN_AT_MOST {
            return Ok(None);
        }
        let digest = api_key_digest(api_key);
        if let Some(known) = self.cached(digest) {
            return Ok(known.merchant);
        }
        let found = within(self.time.as_ref(), STORE_TIMEOUT, self.merchants.by_key(digest))
            .await
            .unwrap_or_else(|| Err(StoreError::Unavailable("no answer in time".to_owned())))?;
        let merchant = found
            .filter(|(key, _)| bool::from(key.digest.0.ct_eq(&digest.0)))
            .filter(|(key, _)| key.revoked_at.is_none_or(|at| self.time.now() < at))
            .map(|(_, merchant)| Arc::new(merchant));
        self.remember(digest, merchant.clone());
        Ok(merchant)
    }

    fn cached(&self, digest: KeyHash) -> Option<Known> {
        let now = self.time.monotonic();
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(&digest).filter(|known| now.saturating_sub(known.at) < CACHED_FOR).cloned()
    }

    fn remember(&self, digest: KeyHash, merchant: Option<Arc<Merchant>>) {
        let at = self.time.monotonic();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED_AT_MOST {
            cache.retain(|_, known| at.saturating_sub(known.at) < CACHED_FOR);
        }
        // Still full: a flood of made-up keys. Theirs are not remembered; merchants' are, in their place.
        if cache.len() >= CACHED_AT_MOST {
            if merchant.is_none() {
                return;
            }
            cache.retain(|_, known| known.merchant.is_some());
        }
        cache.insert(digest, Known { merchant, at });
    }
}

/// What the store keeps of an API key.
pub fn api_key_digest(api_key: &str) -> KeyHash {
    KeyHash(Sha256::digest(api_key.as_bytes()).into())
}

/// A new API key: shown once, never stored. 160 random bits behind a prefix that scanners can recognise.
pub fn new_api_key(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    let first = MerchantId::from_random(bytes).to_string();
    format!("tgk_{}", &first[MerchantId::PREFIX.len()..])
}
