//! The keys that providers and Google would sign with, made anew in every process: none is kept anywhere.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use getrandom::SysRng;
use ring::{
    rand::SystemRandom,
    signature::{KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair},
};
use rsa::{PrivateKey, pkcs8::EncodePrivateKey, rand_core::UnwrapErr};
use serde_json::{Value, json};

/// Whoever signs to us.
pub(crate) static THEIRS: LazyLock<Key> = LazyLock::new(Key::make);

/// An RSA key.
pub(crate) struct Key {
    pair: RsaKeyPair,
    der: Vec<u8>,
    random: SystemRandom,
}

impl Key {
    fn make() -> Self {
        let key = PrivateKey::new(&mut UnwrapErr(SysRng), 2048).expect("a key is made");
        let der = key.to_pkcs8_der().expect("it is written").as_bytes().to_vec();
        let pair = RsaKeyPair::from_pkcs8(&der).expect("it is read");
        Self { pair, der, random: SystemRandom::new() }
    }

    /// By RS256, as Google and PayPal do.
    pub(crate) fn rs256(&self, message: &[u8]) -> Vec<u8> {
        self.sign(&RSA_PKCS1_SHA256, message)
    }

    /// By PS256, as the bank does.
    pub(crate) fn ps256(&self, message: &[u8]) -> Vec<u8> {
        self.sign(&RSA_PSS_SHA256, message)
    }

    fn sign(&self, how: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair.sign(how, &self.random, message, &mut signature).expect("it signs");
        signature
    }

    /// As it stands in a key set.
    pub(crate) fn jwk(&self, id: &str) -> Value {
        let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(self.pair.public());
        let (n, e) = (BASE64_URL_SAFE_NO_PAD.encode(public.n), BASE64_URL_SAFE_NO_PAD.encode(public.e));
        json!({"kty": "RSA", "use": "sig", "kid": id, "n": n, "e": e})
    }

    /// The private half, PKCS #8 in PEM.
    pub(crate) fn pem(&self) -> String {
        pem("PRIVATE KEY", &self.der)
    }

    /// A certificate of the public half, in PEM.
    pub(crate) fn certificate(&self) -> String {
        let certificate = rcgen::CertificateParams::default().self_signed(self).expect("it signs its own");
        pem("CERTIFICATE", certificate.der())
    }
}

impl rcgen::PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.rs256(message))
    }
}

/// `head.claims`, each in base64url as it came.
pub(crate) fn unsigned(head: &str, claims: &str) -> String {
    format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(head), BASE64_URL_SAFE_NO_PAD.encode(claims))
}

/// `message` with its signature, as a JWT has it.
pub(crate) fn signed(message: &str, signature: &[u8]) -> String {
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::prelude::BASE64_STANDARD.encode(der);
    let lines: String = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n").collect();
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}
