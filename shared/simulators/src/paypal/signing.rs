//! The key that webhooks are signed with, its certificate, and PayPal's scheme of signatures.

use std::{convert::Infallible, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, PKCS_RSA_SHA256, PublicKeyData, SerialNumber};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use rsa::{
    PrivateKey,
    pkcs1::EncodeRsaPublicKey,
    pkcs1v15::SigningKey,
    pkcs8::EncodePrivateKey,
    rand_core::{TryCryptoRng, TryRng},
    sha2::Sha256,
    signature::{SignatureEncoding, Signer},
};
use serde::{Deserialize, Serialize};
use tollgate_gateway::ports::Entropy;

/// Written by this scheme alone.
pub(super) const ALGORITHM: &str = "SHA256withRSA";
/// Where certificates are served.
pub(super) const CERTIFICATES: &str = "/v1/notifications/certs/";
const KEY_BITS: usize = 2048;

/// A key as the journal keeps it. It signs what a sandbox sends, and nothing else.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredKey {
    /// What its certificate is called.
    pub(super) id: String,
    /// X.509, as PEM.
    pub(super) certificate: String,
    /// PKCS#8, in base64.
    private_key: String,
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StoredKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("the key cannot be made or used: {0}")]
    Key(#[from] rsa::Error),
    #[error("the key cannot be written or read: {0}")]
    Encoding(#[from] rsa::pkcs8::Error),
    #[error("the public key cannot be written: {0}")]
    PublicKey(#[from] rsa::pkcs1::Error),
    #[error("the certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("the key cannot be used: {0}")]
    Rejected(ring::error::KeyRejected),
    #[error("the key is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
}

/// A key that signs.
pub(super) struct WebhookKey(RsaKeyPair);

/// The entropy port as a source of random numbers.
struct Numbers<'a>(&'a dyn Entropy);

impl TryRng for Numbers<'_> {
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

impl TryCryptoRng for Numbers<'_> {}

/// Signs its own certificate.
struct Issuer {
    signer: SigningKey<Sha256>,
    public: Vec<u8>,
}

impl PublicKeyData for Issuer {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl rcgen::SigningKey for Issuer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.signer.sign(message).to_vec())
    }
}

impl StoredKey {
    /// Makes a key with a certificate of its own, called `id`. Takes about a second where code is not optimised.
    pub(super) fn make(entropy: &Arc<dyn Entropy>, id: String) -> Result<Self, KeyError> {
        let key = PrivateKey::new(&mut Numbers(entropy.as_ref()), KEY_BITS)?;
        let private_key = BASE64_STANDARD.encode(key.to_pkcs8_der()?.as_bytes());
        let public = key.to_public_key().to_pkcs1_der()?.as_bytes().to_vec();
        let issuer = Issuer { signer: SigningKey::new(key), public };
        let mut params = CertificateParams::default();
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, "messageverificationcerts.paypal.tollgate.example");
        name.push(DnType::OrganizationName, "Tollgate's simulated PayPal");
        params.distinguished_name = name;
        params.serial_number = Some(SerialNumber::from(serial(entropy)));
        let certificate = pem(params.self_signed(&issuer)?.der());
        Ok(Self { id, certificate, private_key })
    }

    /// The key, ready to sign.
    pub(super) fn open(&self) -> Result<WebhookKey, KeyError> {
        let key = BASE64_STANDARD.decode(&self.private_key)?;
        RsaKeyPair::from_pkcs8(&key).map(WebhookKey).map_err(KeyError::Rejected)
    }
}

/// A positive number of 63 bits.
fn serial(entropy: &Arc<dyn Entropy>) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    u64::from_be_bytes(bytes) >> 1
}

fn pem(der: &[u8]) -> String {
    let encoded = BASE64_STANDARD.encode(der);
    let lines = encoded.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n");
    let lines: String = lines.collect();
    format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
}

/// What a webhook's signature covers.
pub(super) struct Transmission<'a> {
    pub(super) id: &'a str,
    /// As it is written in the header.
    pub(super) time: &'a str,
    pub(super) webhook_id: &'a str,
    /// The raw bytes.
    pub(super) body: &'a [u8],
}

impl Transmission<'_> {
    fn signed_text(&self) -> String {
        format!("{}|{}|{}|{}", self.id, self.time, self.webhook_id, crc32fast::hash(self.body))
    }
}

impl WebhookKey {
    /// The signature, in base64.
    fn sign(&self, transmission: &Transmission) -> String {
        let mut signature = vec![0; self.0.public().modulus_len()];
        let text = transmission.signed_text();
        // It signs whatever fits its length. Nothing of it is random.
        match self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature) {
            Ok(()) => BASE64_STANDARD.encode(signature),
            Err(_) => String::new(),
        }
    }

    pub(super) fn verify(&self, transmission: &Transmission, signature: &str) -> bool {
        let Ok(signature) = BASE64_STANDARD.decode(signature) else { return false };
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.0.public().as_ref());
        key.verify(transmission.signed_text().as_bytes(), &signature).is_ok()
    }

    /// The headers of a webhook with this body that is sent at `now`. `certificate` is where the certificate is.
    pub(super) fn headers(
        &self,
        transmission_id: &str,
        webhook_id: &str,
        now: Timestamp,
        certificate: &str,
        body: &str,
    ) -> HeaderMap {
        let time = super::show::time(now.as_second());
        let transmission = Transmission { id: transmission_id, time: &time, webhook_id, body: body.as_bytes() };
        let signature = self.sign(&transmission);
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/json"),
            ("user-agent", "PayPal/AUHD-214.0-58843000"),
            ("paypal-auth-algo", ALGORITHM),
            ("paypal-auth-version", "v2"),
            ("paypal-cert-url", certificate),
            ("paypal-transmission-id", transmission_id),
            ("paypal-transmission-time", &time),
            ("paypal-transmission-sig", &signature),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers
    }
}
