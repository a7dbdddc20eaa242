//! The links by which payers come back (`/return/{opaque}`): they name a payment and prove that we made them, so that
//! nobody can walk through payments, and need no row of their own.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tollgate_domain::PaymentId;

/// How much of the proof a link carries: 96 bits.
const PROOF_LEN: usize = 12;

/// Makes and checks return links.
#[derive(Clone)]
pub struct ReturnLinks {
    key: Hmac<Sha256>,
    base_url: String,
}

impl fmt::Debug for ReturnLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReturnLinks").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl ReturnLinks {
    /// Links under `base_url` (our own public address, without a slash at the end), proven with `secret`.
    pub fn new(base_url: &str, secret: &[u8; 32]) -> Self {
        // A block-sized key made of the secret and the purpose: the same secret is used elsewhere for other things.
        let mut block = [0; 64];
        block[..32].copy_from_slice(secret);
        let purpose = b"tollgate return link v1";
        block[32..32 + purpose.len()].copy_from_slice(purpose);
        let key = Hmac::<Sha256>::new(&block.into());
        Self { key, base_url: base_url.trim_end_matches('/').to_owned() }
    }

    /// The address to give to the provider.
    pub fn url(&self, payment: PaymentId) -> String {
        format!("{}/return/{}", self.base_url, self.opaque(payment))
    }

    fn opaque(&self, payment: PaymentId) -> String {
        let id = payment.to_string();
        let proof = self.key.clone().chain_update(payment.to_bytes()).finalize().into_bytes();
        format!("{}.{}", &id[PaymentId::PREFIX.len()..], hex::encode(&proof[..PROOF_LEN]))
    }

    /// The payment that `opaque` names, if we made it.
    pub fn read(&self, opaque: &str) -> Option<PaymentId> {
        let (id, _) = opaque.split_once('.')?;
        let payment = format!("{}{id}", PaymentId::PREFIX).parse().ok()?;
        let expected = self.opaque(payment);
        let same: bool = subtle::ConstantTimeEq::ct_eq(expected.as_bytes(), opaque.as_bytes()).into();
        same.then_some(payment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> ReturnLinks {
        ReturnLinks::new("https://pay.example/", &[7; 32])
    }

    #[test]
    fn a_link_of_ours_names_its_payment() {
        let payment = PaymentId::from_random([3; 16]);
        let url = links().url(payment);
        let opaque = url.strip_prefix("https://pay.example/return/").unwrap();
        assert_eq!(links().read(opaque), Some(payment));
    }

    #[test]
    fn a_link_that_we_did_not_make_names_nothing() {
        let payment = PaymentId::from_random([3; 16]);
        let opaque = links().opaque(payment);
        let forged = ReturnLinks::new("https://pay.example", &[8; 32]).opaque(payment);
        for wrong in ["", ".", "x.y", &opaque[1..], &opaque[..opaque.len() - 1], &format!("{opaque}0"), &forged, "pay_"]
        {
            assert_eq!(links().read(wrong), None, "{wrong}");
        }
    }
}
