//! What a token says, and whether that is enough to call.
//!
//! Must not know: how its signature is checked.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Deserialize;

use super::refusal::Refusal;

/// How far Google's clocks and ours may be apart.
const SKEW_SECONDS: i64 = 30;

/// Google names itself in both ways.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// The claims that are looked at, as Google writes them (times in seconds since 1970). Another type, or a name that comes
/// twice, is no token of Google's.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    email: Option<String>,
    email_verified: Option<bool>,
}

/// Whose tokens for what are taken.
pub(super) struct Expected {
    /// What a token must have been made for: one of these.
    pub(super) audiences: HashSet<String>,
    /// Whose it must be: one of these.
    pub(super) accounts: HashSet<String>,
}

impl Expected {
    /// Whether these claims are enough at `now`. The account comes last: it alone is answered with "forbidden".
    pub(super) fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), Refusal> {
        let now = now.as_second();
        if !ISSUERS.contains(&claims.iss.as_str()) {
            return Err(Refusal::Issuer);
        }
        if !self.audiences.contains(&claims.aud) {
            return Err(Refusal::Audience);
        }
        if claims.exp.saturating_add(SKEW_SECONDS) <= now {
            return Err(Refusal::Expired);
        }
        if claims.iat.max(claims.nbf.unwrap_or(claims.iat)) > now.saturating_add(SKEW_SECONDS) {
            return Err(Refusal::NotYetValid);
        }
        let Some(email) = claims.email.as_ref().filter(|_| claims.email_verified == Some(true)) else {
            return Err(Refusal::AccountUnverified);
        };
        if self.accounts.contains(email) { Ok(()) } else { Err(Refusal::Account) }
    }
}
