//! Our key at the bank: signs by PS256, and shows its public half. Knows JOSE's outline, and nothing of what is said in it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{RSA_PSS_SHA256, RsaKeyPair, RsaPublicKeyComponents},
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};
/// What Open Banking adds to a JOSE header, all of it critical.
pub(super) const ISSUED_AT: &str = "http://openbanking.org.uk/iat";
/// Who signed.
pub(super) const ISSUER: &str = "http://openbanking.org.uk/iss";
/// Which directory knows the key.
pub(super) const TRUST_ANCHOR: &str = "http://openbanking.org.uk/tan";
/// Open Banking's own.
const DIRECTORY: &str = "openbanking.org.uk";
const SMALLEST_KEY_BYTES: usize = 2048 / 8;

/// No signature could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoSignature;

/// An RSA key with its name at the bank.
pub(super) struct SigningKey {
    pair: RsaKeyPair,
    id: String,
    // A signature by PS256 has a salt: the library takes it from the system, and from nowhere else.
    random: SystemRandom,
}

impl SigningKey {
    /// Reads a key from PKCS #8 in PEM; `None` if it is no RSA key of 2048 bits or more.
    pub(super) fn read(pem: &str, id: &str) -> Option<Self> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok()?;
        let is_sound = pair.public().modulus_len() >= SMALLEST_KEY_BYTES && !id.is_empty();
        is_sound.then(|| Self { pair, id: id.to_owned(), random: SystemRandom::new() })
    }

    /// The public half.
    pub(super) fn jwk(&self) -> Value {
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(self.pair.public());
        json!({
            "kty": "RSA", "use": "sig", "alg": "PS256", "kid": self.id, "n": encode(public.n), "e": encode(public.e),
        })
    }

    /// A JWT of `claims`; `more` goes into its header.
    pub(super) fn token(&self, claims: &Value, more: &Value) -> Result<String, NoSignature> {
        let mut header = json!({"alg": "PS256", "typ": "JWT", "kid": self.id});
        for (name, value) in more.as_object().into_iter().flatten() {
            header[name] = value.clone();
        }
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        Ok(format!("{message}.{}", self.sign(&message)?))
    }

    /// The detached signature of `body` by `issuer` at `now`, in Unix seconds.
    pub(super) fn detached(&self, issuer: &str, now: i64, body: &[u8]) -> Result<String, NoSignature> {
        let header = json!({
            "alg": "PS256", "kid": self.id, "typ": "JOSE", "cty": "application/json",
            ISSUED_AT: now, ISSUER: issuer, TRUST_ANCHOR: DIRECTORY,
            "crit": [ISSUED_AT, ISSUER, TRUST_ANCHOR],
        });
        let header = encode(header.to_string());
        let signature = self.sign(&format!("{header}.{}", encode(body)))?;
        Ok(format!("{header}..{signature}"))
    }

    /// A name that nothing had before: for what may be used once.
    pub(super) fn fresh_name(&self) -> Result<String, NoSignature> {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes).map_err(|_| NoSignature)?;
        Ok(hex::encode(bytes))
    }

    fn sign(&self, message: &str) -> Result<String, NoSignature> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let signed = self.pair.sign(&RSA_PSS_SHA256, &self.random, message.as_bytes(), &mut signature);
        signed.map_err(|_| NoSignature)?;
        Ok(encode(signature))
    }
}

/// Base64url without padding, as JOSE has it.
pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use getrandom::SysRng;
    use ring::signature::RSA_PSS_2048_8192_SHA256;
    use rsa::{
        PrivateKey,
        pkcs8::{EncodePrivateKey, LineEnding},
        rand_core::UnwrapErr,
    };

    use super::*;

    fn key(bits: usize) -> Option<SigningKey> {
        let pem = PrivateKey::new(&mut UnwrapErr(SysRng), bits).unwrap().to_pkcs8_pem(LineEnding::LF).unwrap();
        SigningKey::read(&pem, "k1")
    }

    /// The header of what `signed` says, if `key`'s public half confirms it.
    fn verified(key: &SigningKey, signed: &str, body: Option<&[u8]>) -> Option<Value> {
        let parts: Vec<&str> = signed.split('.').collect();
        let payload = body.map_or_else(|| parts[1].to_owned(), encode);
        let jwk = key.jwk();
        let part = |name: &str| decode(jwk[name].as_str().unwrap()).unwrap();
        RsaPublicKeyComponents { n: part("n"), e: part("e") }
            .verify(&RSA_PSS_2048_8192_SHA256, format!("{}.{payload}", parts[0]).as_bytes(), &decode(parts[2]).unwrap())
            .ok()?;
        serde_json::from_slice(&decode(parts[0]).unwrap()).ok()
    }

    #[test]
    fn what_is_signed_can_be_checked_with_the_public_half() {
        let key = key(2048).unwrap();
        let detached = key.detached("tollgate", 1_795_406_400, b"{}").unwrap();
        assert!(detached.contains(".."), "{detached}");
        let header = verified(&key, &detached, Some(b"{}")).unwrap();
        assert_eq!((&header["alg"], &header["kid"]), (&json!("PS256"), &json!("k1")));
        assert_eq!((&header[ISSUER], &header[ISSUED_AT]), (&json!("tollgate"), &json!(1_795_406_400)));
        assert_eq!(header["crit"], json!([ISSUED_AT, ISSUER, TRUST_ANCHOR]));
        assert_eq!(verified(&key, &detached, Some(b"{ }")), None, "another body");
        let token = key.token(&json!({"iss": "tollgate"}), &json!({"jwk": key.jwk()})).unwrap();
        assert_eq!(verified(&key, &token, None).unwrap()["jwk"], key.jwk());
        assert_ne!(key.fresh_name(), key.fresh_name());
    }

    #[test]
    fn what_is_no_sound_key_is_not_read() {
        assert!(key(1024).is_none());
        assert!(SigningKey::read("-----BEGIN PRIVATE KEY-----", "k1").is_none());
        assert!(SigningKey::read("", "k1").is_none());
    }
}
