//! The bank's own signing key: made when it is first needed, shown as a JWK, and kept in the journal.

use std::convert::Infallible;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rsa::{
    PrivateKey,
    pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey},
    pss,
    rand_core::{TryCryptoRng, TryRng},
    signature::{Keypair, RandomizedSigner, SignatureEncoding},
    traits::PublicKeyParts,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use tollgate_gateway::ports::Entropy;

use super::jose::PublicKey;

const BITS: usize = 2048;

/// A key that signs with PS256.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Kept", into = "Kept")]
pub(super) struct SigningKey {
    private: pss::SigningKey<Sha256>,
    public: PublicKey,
    /// As the journal keeps it.
    der: String,
}

/// What the journal holds: PKCS #1 in base64url.
#[derive(Serialize, Deserialize)]
struct Kept {
    pkcs1: String,
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("the signing key is not base64url")]
    Encoding(#[from] base64::DecodeError),
    #[error("the signing key is not an RSA key in PKCS #1")]
    Format(#[from] rsa::pkcs1::Error),
    #[error("the signing key cannot be made")]
    Generation(#[from] rsa::Error),
}

impl SigningKey {
    /// A new key from `entropy`.
    pub(super) fn generate(entropy: &dyn Entropy) -> Result<Self, KeyError> {
        Self::new(PrivateKey::new(&mut Random(entropy), BITS)?)
    }

    fn new(key: PrivateKey) -> Result<Self, KeyError> {
        let der = BASE64_URL_SAFE_NO_PAD.encode(key.to_pkcs1_der()?.as_bytes());
        let private = pss::SigningKey::new(key);
        let public: rsa::PublicKey = private.verifying_key().into();
        let part = |bytes: Box<[u8]>| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let public = PublicKey::new(part(public.n_bytes()), part(public.e_bytes()), None);
        Ok(Self { private, public, der })
    }

    /// The name by which others find its public half.
    pub(super) fn id(&self) -> &str {
        &self.public.kid
    }

    /// Its public half.
    pub(super) fn jwk(&self) -> Value {
        self.public.jwk()
    }

    /// The signature of `message`, in base64url.
    pub(super) fn sign(&self, entropy: &dyn Entropy, message: &[u8]) -> String {
        let signature = self.private.sign_with_rng(&mut Random(entropy), message);
        BASE64_URL_SAFE_NO_PAD.encode(signature.to_bytes())
    }
}

impl TryFrom<Kept> for SigningKey {
    type Error = KeyError;

    fn try_from(kept: Kept) -> Result<Self, KeyError> {
        Self::new(PrivateKey::from_pkcs1_der(&BASE64_URL_SAFE_NO_PAD.decode(kept.pkcs1)?)?)
    }
}

impl From<SigningKey> for Kept {
    fn from(key: SigningKey) -> Self {
        Self { pkcs1: key.der }
    }
}

/// The keys as a JWK set.
pub(super) fn key_set(keys: &[Value]) -> Value {
    json!({ "keys": keys })
}

/// The port for randomness, as the RSA library wants it.
struct Random<'a>(&'a dyn Entropy);

impl TryRng for Random<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Random<'_> {}
