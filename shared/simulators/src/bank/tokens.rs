//! Access tokens and authorization codes. Only their digests are kept.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Bank, jose};

/// How long a client's own token is good for.
pub(super) const CLIENT_SECONDS: i64 = 300;
/// How long a token for one consent is good for: ninety days.
pub(super) const CONSENT_SECONDS: i64 = 90 * 24 * 3600;
/// How long a code can be changed for a token.
const CODE_SECONDS: i64 = 60;

/// An access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) digest: String,
    pub(super) client: String,
    /// The one consent that it is for; none: it is the client's own.
    pub(super) consent: Option<String>,
    /// Unix seconds.
    pub(super) issued: i64,
    /// Unix seconds.
    pub(super) expires: i64,
}

/// A code that a payer's approval gave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) digest: String,
    pub(super) client: String,
    pub(super) consent: String,
    pub(super) redirect_uri: String,
    /// PKCE's S256 challenge, where there was one.
    pub(super) challenge: Option<String>,
    /// Unix seconds.
    pub(super) issued: i64,
    /// Unix seconds.
    pub(super) expires: i64,
    /// The digest of the token that it was changed for.
    pub(super) token: Option<String>,
}

/// The id of a client assertion that was used, so that it cannot be used again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Assertion {
    /// Of the client and the assertion's `jti`.
    pub(super) digest: String,
    /// Unix seconds.
    pub(super) used: i64,
    /// Unix seconds.
    pub(super) expires: i64,
}

/// What is kept of a secret.
pub(super) fn digest(secret: &str) -> String {
    jose::encode(Sha256::digest(secret))
}

impl Bank {
    /// Makes a token; answers it, and how many seconds it is good for.
    pub(super) fn issue_token(&mut self, now: i64, client: &str, consent: Option<&str>) -> (String, i64) {
        let secret = self.random("", 32);
        let seconds = if consent.is_some() { CONSENT_SECONDS } else { CLIENT_SECONDS };
        self.state.put_token(Token {
            digest: digest(&secret),
            client: client.to_owned(),
            consent: consent.map(ToOwned::to_owned),
            issued: now,
            expires: now + seconds,
        });
        (secret, seconds)
    }

    /// Makes a code for a consent that its payer approved.
    pub(super) fn issue_code(
        &mut self,
        now: i64,
        client: &str,
        consent: &str,
        redirect_uri: &str,
        challenge: Option<&str>,
    ) -> String {
        let secret = self.random("", 32);
        self.state.put_code(Code {
            digest: digest(&secret),
            client: client.to_owned(),
            consent: consent.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            challenge: challenge.map(ToOwned::to_owned),
            issued: now,
            expires: now + CODE_SECONDS,
            token: None,
        });
        secret
    }
}
