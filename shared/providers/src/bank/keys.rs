//! The bank's public keys: fetched from the bank itself, kept for a while, and used to check what it signed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use ring::signature::{RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use tollgate_gateway::ports::{HttpClient, Time};

use super::key::decode;

/// For fetching them: the bank waits for our answer meanwhile.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// They are believed for so long.
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// They are not asked for more often than this: strangers name what keys they like.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);
const SET_MAX_LEN: usize = 64 * 1024;
/// More are not read.
const KEYS_MAX: usize = 32;

/// Why a signature does not count.
#[derive(Debug)]
pub(super) enum NotSigned {
    /// It is not the bank's.
    Forged,
    /// The bank's keys cannot be had now.
    Away(String),
}

/// Fetches keys and keeps them.
pub(super) struct Keys {
    url: String,
    http: Arc<dyn HttpClient>,
    time: Arc<dyn Time>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    keys: Arc<[Jwk]>,
    /// When they came; none: they never did.
    at: Option<Duration>,
    /// When they were last asked for.
    asked: Option<Duration>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Jwk {
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let part = |part: &Option<String>| part.as_deref().and_then(decode);
        let (Some(n), Some(e)) = (part(&self.n), part(&self.e)) else { return false };
        self.kty == "RSA"
            && RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, message, signature).is_ok()
    }
}

impl Keys {
    /// The keys of the bank at `base`.
    pub(super) fn new(base: &str, http: Arc<dyn HttpClient>, time: Arc<dyn Time>) -> Self {
        Self { url: format!("{base}/jwks"), http, time, kept: Mutex::default() }
    }

    /// Checks that the bank's key `id` made `signature` of `message`, by PS256.
    pub(super) async fn check(&self, id: &str, message: &[u8], signature: &[u8]) -> Result<(), NotSigned> {
        let verifies = |keys: &[Jwk]| {
            let mut named = keys.iter().filter(|key| key.kid.as_deref() == Some(id)).peekable();
            named.peek().is_some().then(|| named.any(|key| key.verifies(message, signature)))
        };
        let (known, may_ask) = self.known();
        let known = known.and_then(|keys| verifies(&keys));
        let is_signed = match known {
            Some(is_signed) => is_signed,
            // The bank can have a new key.
            None if may_ask => verifies(&self.fetch().await.map_err(NotSigned::Away)?).unwrap_or(false),
            None => return Err(NotSigned::Away("the key is not known, and was asked for a moment ago".to_owned())),
        };
        if is_signed { Ok(()) } else { Err(NotSigned::Forged) }
    }

    /// What is kept and still believed, and whether the bank may be asked now; then it counts as asked.
    fn known(&self) -> (Option<Arc<[Jwk]>>, bool) {
        let now = self.time.monotonic();
        let passed = |at: Option<Duration>, time: Duration| at.is_none_or(|at| now.saturating_sub(at) >= time);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = (!passed(kept.at, KEPT_FOR)).then(|| Arc::clone(&kept.keys));
        (keys, passed(kept.asked, ASK_AGAIN_AFTER))
    }

    async fn fetch(&self) -> Result<Arc<[Jwk]>, String> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).asked = Some(self.time.monotonic());
        let request = Request::get(&self.url).body(Bytes::new()).map_err(|error| error.to_string())?;
        let answer = self.http.send(request, FETCH_TIMEOUT).await.map_err(|error| error.to_string())?;
        if answer.status() != 200 || answer.body().len() > SET_MAX_LEN {
            return Err(format!("status {} for the bank's keys", answer.status().as_u16()));
        }
        let set: Set = serde_json::from_slice(answer.body()).map_err(|_| "an answer that is no key set".to_owned())?;
        let keys: Arc<[Jwk]> = set.keys.into_iter().take(KEYS_MAX).collect();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.keys = Arc::clone(&keys);
        kept.at = Some(self.time.monotonic());
        Ok(keys)
    }
}
