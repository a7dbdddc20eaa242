//! The `Stripe-Signature` header: `t=<unix seconds>,v1=<hex>[,v1=<hex>]`, an HMAC-SHA256 over `t.body`. Knows nothing of
//! what the body says.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::Sha256;
use tollgate_domain::Timestamp;

use crate::Secret;

/// How old a signature may be (Stripe's own bound).
const PAST_TOLERANCE_S: i64 = 300;
/// How far in the future it may be. Stripe's own verifier has no bound here, so that a signature made for later would
/// stay good until then. The same as for the past: clocks are off both ways, and a delivery can only be late.
const FUTURE_TOLERANCE_S: i64 = 300;
/// While a secret is rolled over Stripe signs with two or three; this many are compared at most.
const MAX_SIGNATURES: usize = 8;
const MAX_HEADER_LEN: usize = 2048;

/// Whether the body was signed with one of `secrets`, not too long ago. The error is for the log.
pub(super) fn verify(headers: &HeaderMap, body: &[u8], secrets: &[Secret], now: Timestamp) -> Result<(), &'static str> {
    let mut values = headers.get_all("stripe-signature").iter();
    let value = values.next().ok_or("no Stripe-Signature header")?;
    if values.next().is_some() {
        return Err("more than one Stripe-Signature header");
    }
    if value.len() > MAX_HEADER_LEN {
        return Err("the Stripe-Signature header is too long");
    }
    let parts = parse(value.to_str().map_err(|_| "the Stripe-Signature header is not text")?)?;
    let signed_by =
        |secret: &Secret| parts.signatures.iter().any(|signature| holds(secret, parts.time, body, signature));
    if !secrets.iter().any(signed_by) {
        return Err("no signature matches");
    }
    let seconds: i64 = parts.time.parse().map_err(|_| "the time is not a number")?;
    let age = i128::from(now.as_second()) - i128::from(seconds);
    if age > i128::from(PAST_TOLERANCE_S) {
        return Err("the signature is too old");
    }
    if age < -i128::from(FUTURE_TOLERANCE_S) {
        return Err("the signature is from the future");
    }
    Ok(())
}

struct Parts<'a> {
    /// As it stands in the header: that text is what was signed.
    time: &'a str,
    signatures: Vec<[u8; 32]>,
}

/// Schemes other than `v1` are ignored, as Stripe asks (`v0` is for its tests); so is a `v1` that cannot be one.
fn parse(header: &str) -> Result<Parts<'_>, &'static str> {
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", _)) if time.is_some() => return Err("more than one time"),
            Some(("t", value)) => time = Some(value),
            Some(("v1", value)) => {
                let mut signature = [0_u8; 32];
                if hex::decode_to_slice(value, &mut signature).is_ok() {
                    signatures.push(signature);
                }
            }
            _ => {}
        }
    }
    if signatures.len() > MAX_SIGNATURES {
        return Err("too many signatures");
    }
    if signatures.is_empty() {
        return Err("no v1 signature");
    }
    Ok(Parts { time: time.ok_or("no time")?, signatures })
}

/// In constant time.
fn holds(secret: &Secret, time: &str, body: &[u8], signature: &[u8]) -> bool {
    // The key is the whole secret, `whsec_` included.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else { return false };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}
