//! Secrets that reach the store, sealed with `SECRETS_KEY` before (XChaCha20-Poly1305, a random nonce before the text): merchants'
//! webhook secrets, and what a payer's approval gave us. Each is bound to whose it is, so that a row copied to another
//! merchant or payment does not open.

use std::fmt;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use tollgate_domain::{MerchantId, PaymentId};

use crate::ports::Entropy;

/// How long the nonce is.
const NONCE_LEN: usize = 24;

/// A sealed secret that does not open: another key, another merchant, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret does not open with this SECRETS_KEY")]
pub struct NotOurs;

/// Seals and opens secrets.
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
        self.seal_bound(&merchant.to_bytes(), secret, entropy)
    }

    /// Opens what was sealed for `merchant`.
    pub fn open(&self, merchant: MerchantId, sealed: &[u8]) -> Result<String, NotOurs> {
        self.open_bound(&merchant.to_bytes(), sealed)
    }

    /// Seals `secret` for `payment`, as what `purpose` says: it opens as nothing else.
    pub fn seal_for_payment(
        &self,
        payment: PaymentId,
        purpose: &str,
        secret: &str,
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, NotOurs> {
        self.seal_bound(&of_payment(payment, purpose), secret, entropy)
    }

    /// Opens what was sealed for `payment`, as what `purpose` says.
    pub fn open_for_payment(&self, payment: PaymentId, purpose: &str, sealed: &[u8]) -> Result<String, NotOurs> {
        self.open_bound(&of_payment(payment, purpose), sealed)
    }

    fn seal_bound(&self, to: &[u8], secret: &str, entropy: &dyn Entropy) -> Result<Vec<u8>, NotOurs> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let payload = Payload { msg: secret.as_bytes(), aad: to };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| NotOurs)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn open_bound(&self, to: &[u8], sealed: &[u8]) -> Result<String, NotOurs> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(NotOurs)?;
        let payload = Payload { msg: text, aad: to };
        let secret = self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| NotOurs)?;
        String::from_utf8(secret).map_err(|_| NotOurs)
    }
}

/// Longer than a merchant's id, and unlike it from the first byte on.
fn of_payment(payment: PaymentId, purpose: &str) -> Vec<u8> {
    [b"tollgate payment v1 ", purpose.as_bytes(), b" ", &payment.to_bytes()].concat()
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

    #[test]
    fn what_is_sealed_for_a_payment_opens_for_it_alone_and_as_what_it_is() {
        let (key, payment) = (SecretsKey::new(&[1; 32]), PaymentId::from_random([2; 16]));
        let sealed = key.seal_for_payment(payment, "code", "c0de", &Counter).unwrap();
        assert_eq!(key.open_for_payment(payment, "code", &sealed).as_deref(), Ok("c0de"));
        assert_eq!(key.open_for_payment(payment, "token", &sealed), Err(NotOurs));
        assert_eq!(key.open_for_payment(PaymentId::from_random([3; 16]), "code", &sealed), Err(NotOurs));
        assert_eq!(key.open(MerchantId::from_random([2; 16]), &sealed), Err(NotOurs), "the same bytes of an id");
    }
}
