//! RS256, and nothing else: reads tokens with `jsonwebtoken`, checks signatures with `ring`.
//!
//! Must not know: what the claims mean, where keys come from.

use std::sync::Once;

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    dangerous::insecure_decode,
    decode, decode_header,
    errors::{Error, ErrorKind},
    signature::{self, Verifier},
};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

use super::{bearer::Bearer, claims::Claims, refusal::Refusal};

/// The library takes its cryptography from one place per process. This is ours: it can do one thing.
static RING: CryptoProvider =
    CryptoProvider { signer_factory: no_signer, verifier_factory: verifier, key_utils: KeyUtils::new_unimplemented() };

/// Makes `ring` the library's cryptography. To be called before [`verified`].
pub(super) fn install() {
    static ONCE: Once = Once::new();
    // Nobody else in the process uses the library; if somebody does, tokens are checked by what they chose.
    ONCE.call_once(|| _ = RING.install_default());
}

/// The name of the key that should have signed the token. Fails where the token is not one for RS256.
pub(super) fn key_id(token: Bearer<'_>) -> Result<String, Refusal> {
    let header = decode_header(token.whole).map_err(|error| refusal(&error))?;
    only_rs256(&header)?;
    header.kid.ok_or(Refusal::Malformed)
}

/// The claims of a token that `key` has signed.
pub(super) fn verified(token: Bearer<'_>, key: &DecodingKey) -> Result<Claims, Refusal> {
    // The claims are checked by ours, with the time that comes through the port.
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    decode(token.whole, key, &validation).map(|token| token.claims).map_err(|error| refusal(&error))
}

/// The claims of a token whose signature somebody else has checked.
pub(super) fn unverified(token: Bearer<'_>) -> Result<Claims, Refusal> {
    let token = insecure_decode(token.whole).map_err(|error| refusal(&error))?;
    only_rs256(&token.header)?;
    Ok(token.claims)
}

fn only_rs256(header: &Header) -> Result<(), Refusal> {
    if header.crit.is_some() {
        // It says that there is more to understand than we do.
        return Err(Refusal::Malformed);
    }
    if header.alg == Algorithm::RS256 { Ok(()) } else { Err(Refusal::Algorithm) }
}

fn refusal(error: &Error) -> Refusal {
    match error.kind() {
        ErrorKind::InvalidSignature => Refusal::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => Refusal::Algorithm,
        _ => Refusal::Malformed,
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the library wants it so")]
fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the library wants it so")]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    match (algorithm, key.kind()) {
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            Ok(Box::new(Rs256(RsaPublicKeyComponents { n: n.clone(), e: e.clone() })))
        }
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    }
}

struct Rs256(RsaPublicKeyComponents<Vec<u8>>);

impl Verifier<Vec<u8>> for Rs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.0.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}
