//! What this bank signs: its answers, by a detached signature, and its event notifications. And the check of what
//! clients sign.

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::{
    Bank, ORGANISATION, TRUST_ANCHOR,
    clients::Client,
    errors::ApiError,
    jose::{self, ISSUED_AT, ISSUER, Signed},
    keys::{KeyError, SigningKey},
    oauth::CLOCK_SKEW_SECONDS,
};

/// The header that a body's signature comes in.
pub(super) const SIGNATURE: &str = "x-jws-signature";
const CRITICAL: [&str; 3] = [ISSUED_AT, ISSUER, jose::TRUST_ANCHOR];

impl Bank {
    /// Makes the bank's key, if it has none yet.
    pub(super) fn have_key(&mut self) {
        if self.state.key.is_some() {
            return;
        }
        match SigningKey::generate(self.entropy.as_ref()) {
            Ok(key) => self.state.put_key(key),
            Err(error) => no_key(&error),
        }
    }

    /// The bank's keys, as whoever checks its signatures wants them.
    pub(super) fn key_set(&self) -> Value {
        super::keys::key_set(&self.state.key.iter().map(SigningKey::jwk).collect::<Vec<_>>())
    }

    fn header(&self, now: i64, kind: &Value) -> Value {
        let mut header = json!({
            "alg": "PS256",
            "kid": self.state.key.as_ref().map(SigningKey::id),
            ISSUED_AT: now,
            ISSUER: ORGANISATION,
            jose::TRUST_ANCHOR: TRUST_ANCHOR,
            "crit": CRITICAL,
        });
        for (name, value) in kind.as_object().into_iter().flatten() {
            header[name] = value.clone();
        }
        header
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        let message = format!("{header}.{payload}");
        let key = self.state.key.as_ref();
        key.map(|key| key.sign(self.entropy.as_ref(), message.as_bytes())).unwrap_or_default()
    }

    /// A token with these claims.
    pub(super) fn sign_token(&self, now: i64, claims: &Value) -> String {
        let header = jose::encode(self.header(now, &json!({"typ": "JWT"})).to_string());
        let payload = jose::encode(claims.to_string());
        let signature = self.sign(&header, &payload);
        format!("{header}.{payload}.{signature}")
    }

    /// Puts the signature of `body` into the headers of its answer.
    pub(super) fn sign_answer(&self, now: i64, body: &[u8], headers: &mut HeaderMap) {
        let header = self.header(now, &json!({"typ": "JOSE", "cty": "application/json"})).to_string();
        let header = jose::encode(header);
        let signature = self.sign(&header, &jose::encode(body));
        if let Ok(value) = HeaderValue::from_str(&format!("{header}..{signature}")) {
            headers.insert(SIGNATURE, value);
        }
    }
}

fn no_key(error: &KeyError) {
    tracing::error!(%error, "the simulated bank has no key to sign with");
}

/// Refuses a body that `client` has not signed.
pub(super) fn check_signature(client: &Client, now: i64, headers: &HeaderMap, body: &[u8]) -> Result<(), ApiError> {
    let malformed = || ApiError::signature("U018", SIGNATURE, "This is no detached JWS");
    let text = headers
        .get(SIGNATURE)
        .ok_or_else(|| ApiError::signature("U019", SIGNATURE, "The body must come with a detached JWS signature"))?;
    let signed = text.to_str().ok().and_then(|text| Signed::detached(text, body)).ok_or_else(malformed)?;
    let missing = |claim: &str| ApiError::signature("U017", claim, "The signature's header does not have this claim");
    let invalid = |claim: &str, message: &str| Err(ApiError::signature("U016", claim, message));
    let header = &signed.header;
    for claim in ["alg", "kid", "crit"].into_iter().chain(CRITICAL) {
        header.get(claim).ok_or_else(|| missing(claim))?;
    }
    if signed.text("alg") != Some("PS256") {
        return invalid("alg", "Bodies are signed with PS256");
    }
    let critical: Vec<&str> = header["crit"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if critical.len() != CRITICAL.len() || CRITICAL.iter().any(|claim| !critical.contains(claim)) {
        return invalid("crit", "It must name the times, issuer and trust anchor of Open Banking, and nothing else");
    }
    if header.get("b64").is_some() {
        return invalid("b64", "Version 4.0 has no b64");
    }
    if header.get("typ").is_some_and(|kind| kind != "JOSE") {
        return invalid("typ", "If it is there, it is JOSE");
    }
    if header.get("cty").is_some_and(|kind| kind != "json" && kind != "application/json") {
        return invalid("cty", "If it is there, it is application/json");
    }
    if header[ISSUED_AT].as_i64().is_none_or(|at| at > now + CLOCK_SKEW_SECONDS) {
        return invalid(ISSUED_AT, "It must be a time in the past, in seconds");
    }
    if header[ISSUER] != client.id.as_str() {
        return invalid(ISSUER, "In this sandbox the issuer is the client's id");
    }
    if signed.text(jose::TRUST_ANCHOR).is_none_or(str::is_empty) {
        return invalid(jose::TRUST_ANCHOR, "It must be a domain name");
    }
    if !signed.text("kid").is_some_and(|kid| client.has_key(kid)) {
        return invalid("kid", "This client has no such key");
    }
    if !client.has_signed(&signed) {
        return Err(ApiError::signature("U015", SIGNATURE, "The signature is not of this body"));
    }
    Ok(())
}
