//! JSON Web Signatures by PS256: read, checked, and put together. Nothing here knows what they say.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What Open Banking adds to a JOSE header, all of it critical.
pub(super) const ISSUED_AT: &str = "http://openbanking.org.uk/iat";
pub(super) const ISSUER: &str = "http://openbanking.org.uk/iss";
pub(super) const TRUST_ANCHOR: &str = "http://openbanking.org.uk/tan";

/// Longer ones are not read.
const LONGEST: usize = 16 * 1024;

/// Base64url without padding, as JOSE has it.
pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// A signature with what it is of, not checked yet.
pub(super) struct Signed {
    /// The JOSE header, an object.
    pub(super) header: Value,
    /// The payload where it came along.
    pub(super) payload: Vec<u8>,
    message: String,
    signature: Vec<u8>,
}

impl Signed {
    /// Reads `header.payload.signature`.
    pub(super) fn compact(text: &str) -> Option<Self> {
        let (header, payload, signature) = parts(text)?;
        let message = format!("{header}.{payload}");
        Some(Self {
            header: object(header)?,
            payload: decode(payload).filter(|payload| !payload.is_empty())?,
            message,
            signature: decode(signature)?,
        })
    }

    /// Reads `header..signature`, which is of `body`.
    pub(super) fn detached(text: &str, body: &[u8]) -> Option<Self> {
        let (header, nothing, signature) = parts(text)?;
        if !nothing.is_empty() {
            return None;
        }
        let message = format!("{header}.{}", encode(body));
        Some(Self { header: object(header)?, payload: Vec::new(), message, signature: decode(signature)? })
    }

    /// A text member of the header.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.header.get(name).and_then(Value::as_str)
    }

    /// The payload as claims.
    pub(super) fn claims(&self) -> Option<Value> {
        serde_json::from_slice(&self.payload).ok().filter(Value::is_object)
    }

    /// Is it `key`'s signature, by PS256?
    pub(super) fn is_by(&self, key: &PublicKey) -> bool {
        self.text("alg") == Some("PS256") && key.verifies(self.message.as_bytes(), &self.signature)
    }
}

fn parts(text: &str) -> Option<(&str, &str, &str)> {
    if text.len() > LONGEST {
        return None;
    }
    let mut parts = text.split('.');
    let three = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(three)
}

fn object(encoded: &str) -> Option<Value> {
    serde_json::from_slice(&decode(encoded)?).ok().filter(Value::is_object)
}

/// The public half of an RSA key, in base64url as JWKs have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PublicKey {
    pub(super) kid: String,
    n: String,
    e: String,
}

impl PublicKey {
    /// The key with this modulus and exponent; its name is its thumbprint (RFC 7638) unless it has one.
    pub(super) fn new(n: String, e: String, kid: Option<String>) -> Self {
        let thumbprint = || encode(Sha256::digest(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)));
        Self { kid: kid.unwrap_or_else(thumbprint), n, e }
    }

    /// Reads a JWK; `kid` is its name where it does not say.
    pub(super) fn from_jwk(jwk: &Value, kid: Option<&str>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let is_for_us = text("kty") == Some("RSA")
            && text("alg").is_none_or(|alg| alg == "PS256")
            && text("use").is_none_or(|r#use| r#use == "sig");
        let (n, e) = (text("n")?, text("e")?);
        let bits = decode(n)?.len() * 8;
        let is_sound = (2048..=8192).contains(&bits) && (1..=8).contains(&decode(e)?.len());
        let kid = text("kid").or(kid).map(ToOwned::to_owned);
        (is_for_us && is_sound).then(|| Self::new(n.to_owned(), e.to_owned(), kid))
    }

    /// The same key, whatever it is called?
    pub(super) fn is(&self, other: &Self) -> bool {
        (&self.n, &self.e) == (&other.n, &other.e)
    }

    pub(super) fn jwk(&self) -> Value {
        json!({"kty": "RSA", "use": "sig", "alg": "PS256", "kid": self.kid, "n": self.n, "e": self.e})
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let (Some(n), Some(e)) = (decode(&self.n), decode(&self.e)) else { return false };
        RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, message, signature).is_ok()
    }
}
