//! The keys that Google signs with, as its JWKS endpoint shows them (RFC 7517), and how long they may be kept.
//!
//! Must not know: when they are fetched.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::http::{HeaderMap, HeaderName, Response, StatusCode, header};
use bytes::Bytes;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;

/// Google's has about 1,500 bytes.
const MAX_BODY_BYTES: usize = 128 * 1024;
/// Google shows two to four.
const MAX_KEYS: usize = 32;
const MAX_KEY_ID_BYTES: usize = 128;
/// In base64url: 2048 bits at least (ring checks that), and no more than 4096, or each check takes long.
const MAX_MODULUS_CHARS: usize = 4096_usize.div_ceil(6);
const MAX_EXPONENT_CHARS: usize = 6;

/// However short the answer says that it is good for, and however long.
const FRESH_AT_LEAST: Duration = Duration::from_secs(60);
const FRESH_AT_MOST: Duration = Duration::from_secs(24 * 3600);
/// Where the answer does not say.
const FRESH_BY_DEFAULT: Duration = Duration::from_secs(3600);

/// Keys by their names.
#[derive(Default)]
pub(super) struct KeySet {
    keys: HashMap<String, Arc<DecodingKey>>,
    /// How long they may be used without asking again.
    pub(super) fresh_for: Duration,
}

/// Why an answer gives no keys.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoKeys {
    #[error("the answer has status {0}")]
    Status(StatusCode),
    #[error("the answer has more than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    #[error("the answer is no key set")]
    NotAKeySet,
    #[error("the answer has more than {MAX_KEYS} keys")]
    TooMany,
    #[error("the answer has no key for RS256")]
    NoneOfUse,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Entry>,
}

/// A key as it is shown; others than RSA's have other members.
#[derive(Deserialize)]
struct Entry {
    kty: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl KeySet {
    /// Reads an answer, all of it or nothing.
    pub(super) fn read(answer: &Response<Bytes>) -> Result<Self, NoKeys> {
        if answer.status() != StatusCode::OK {
            return Err(NoKeys::Status(answer.status()));
        }
        if answer.body().len() > MAX_BODY_BYTES {
            return Err(NoKeys::TooLarge);
        }
        let document: Document = serde_json::from_slice(answer.body()).map_err(|_| NoKeys::NotAKeySet)?;
        if document.keys.len() > MAX_KEYS {
            return Err(NoKeys::TooMany);
        }
        let keys: HashMap<_, _> = document.keys.into_iter().filter_map(Entry::usable).collect();
        if keys.is_empty() {
            return Err(NoKeys::NoneOfUse);
        }
        Ok(Self { keys, fresh_for: fresh_for(answer.headers()) })
    }

    /// The key of this name.
    pub(super) fn get(&self, id: &str) -> Option<Arc<DecodingKey>> {
        self.keys.get(id).cloned()
    }
}

impl Entry {
    /// Its name and itself, if it is one that signs by RS256.
    fn usable(self) -> Option<(String, Arc<DecodingKey>)> {
        let is_for_us = self.kty.as_deref() == Some("RSA")
            && self.alg.is_none_or(|alg| alg == "RS256")
            && self.r#use.is_none_or(|r#use| r#use == "sig");
        let id = self.kid.filter(|id| is_for_us && (1..=MAX_KEY_ID_BYTES).contains(&id.len()))?;
        let modulus = self.n.filter(|n| n.len() <= MAX_MODULUS_CHARS)?;
        let exponent = self.e.filter(|e| e.len() <= MAX_EXPONENT_CHARS)?;
        Some((id, Arc::new(DecodingKey::from_rsa_components(&modulus, &exponent).ok()?)))
    }
}

/// `Cache-Control: max-age` less `Age`, within bounds.
fn fresh_for(headers: &HeaderMap) -> Duration {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let control = text(header::CACHE_CONTROL).unwrap_or_default().to_ascii_lowercase();
    let directives = || control.split(',').map(str::trim);
    if directives().any(|directive| matches!(directive, "no-store" | "no-cache")) {
        return FRESH_AT_LEAST;
    }
    let seconds = |text: &str| text.trim_matches('"').parse().map(Duration::from_secs).ok();
    let max_age = directives().find_map(|directive| directive.strip_prefix("max-age=").and_then(seconds));
    let age = text(header::AGE).and_then(seconds).unwrap_or_default();
    max_age.map_or(FRESH_BY_DEFAULT, |max_age| max_age.saturating_sub(age)).clamp(FRESH_AT_LEAST, FRESH_AT_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_is_honoured_within_bounds() {
        let cases: [(&[(HeaderName, &str)], u64); 8] = [
            (&[], 3600),
            (&[(header::CACHE_CONTROL, "public, max-age=19800, must-revalidate")], 19_800),
            (&[(header::CACHE_CONTROL, "Max-Age=19800"), (header::AGE, "800")], 19_000),
            (&[(header::CACHE_CONTROL, "max-age=0")], 60),
            (&[(header::CACHE_CONTROL, "no-store, max-age=600")], 60),
            (&[(header::CACHE_CONTROL, "max-age=99999999999")], 86_400),
            (&[(header::CACHE_CONTROL, "max-age=100"), (header::AGE, "5000")], 60),
            (&[(header::CACHE_CONTROL, "max-age=soon")], 3600),
        ];
        for (headers, seconds) in cases {
            let map = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
            assert_eq!(fresh_for(&map), Duration::from_secs(seconds), "{headers:?}");
        }
    }

    fn read(body: impl Into<Bytes>) -> Result<KeySet, NoKeys> {
        KeySet::read(&Response::new(body.into()))
    }

    #[test]
    fn what_is_too_large_or_too_many_is_refused_as_a_whole() {
        let many = format!(r#"{{"keys":[{}{{}}]}}"#, "{},".repeat(9_999));
        assert_eq!(read(many).err(), Some(NoKeys::TooMany));
        assert_eq!(read(vec![b' '; 10 << 20]).err(), Some(NoKeys::TooLarge));
        assert_eq!(read("[]").err(), Some(NoKeys::NotAKeySet));
        assert_eq!(read(r#"{"keys":[]}"#).err(), Some(NoKeys::NoneOfUse));
    }

    #[test]
    fn only_rsa_keys_for_signing_by_rs256_are_taken() {
        let key = |member: &str, value: &str| {
            let mut key =
                serde_json::json!({ "kty": "RSA", "kid": "k", "alg": "RS256", "use": "sig", "n": "AQAB", "e": "AQAB" });
            key[member] = value.into();
            read(serde_json::json!({ "keys": [key] }).to_string()).ok().and_then(|keys| keys.get("k"))
        };
        assert!(key("kid", "k").is_some());
        let large = "A".repeat(1000);
        for (member, value) in
            [("kty", "EC"), ("alg", "RS512"), ("use", "enc"), ("n", &*large), ("e", "AQABAQABAQAB"), ("n", "+/+/")]
        {
            assert!(key(member, value).is_none(), "{member}={value}");
        }
    }
}
