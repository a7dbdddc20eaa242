//! Merchants' webhook secrets, sealed with `SECRETS_KEY` before they reach the store (XChaCha20-Poly1305, a random
//! nonce before the text, bound to the merchant, so that a row copied to another merchant does not open).

use std::fmt;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use tollgate_domain::MerchantId;

use crate::ports::Entropy;

/// How long the nonce is.
const NONCE_LEN: usize = 24;

/// A sealed secret that does not open: another key, another merchant, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret does not open with this SECRETS_KEY")]
pub struct NotOurs;

/// Seals and opens merchants' secrets.
#[derive(Clone)]
pub struct SecretsKey(XChaCha20Poly1305);

impl fmt::Debug for SecretsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretsKey([redacted])")
    }
}

impl SecretsKey {
    /// From the 32 bytes of `SECRETS_KEY`.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// Seals `secret` for `merchant`.
    pub fn seal(&self, merchant: MerchantId, secret: &str, entropy: &dyn Entropy) -> Result<Vec<u8>, NotOurs> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let payload = Payload { msg: secret.as_bytes(), aad: &merchant.to_bytes() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| NotOurs)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for `merchant`.
    pub fn open(&self, merchant: MerchantId, sealed: &[u8]) -> Result<String, NotOurs> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(NotOurs)?;
        let payload = Payload { msg: text, aad: &merchant.to_bytes() };
        let secret = self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| NotOurs)?;
        String::from_utf8(secret).map_err(|_| NotOurs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter;

    impl Entropy for Counter {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(9);
        }
    }

    #[test]
    fn a_sealed_secret_opens_only_for_its_merchant_and_key_and_undamaged() {
        let (key, merchant) = (SecretsKey::new(&[1; 32]), MerchantId::from_random([2; 16]));
        let sealed = key.seal(merchant, "whsec_c2VjcmV0", &Counter).unwrap();
        assert_eq!(key.open(merchant, &sealed).as_deref(), Ok("whsec_c2VjcmV0"));
        assert!(!sealed.windows(6).any(|window| window == b"c2VjcmV0".get(..6).unwrap()));
        assert_eq!(key.open(MerchantId::from_random([3; 16]), &sealed), Err(NotOurs));
        assert_eq!(SecretsKey::new(&[4; 32]).open(merchant, &sealed), Err(NotOurs));
        for index in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[index] ^= 1;
            assert_eq!(key.open(merchant, &damaged), Err(NotOurs), "byte {index}");
        }
        assert_eq!(key.open(merchant, &[]), Err(NotOurs));
    }
}
