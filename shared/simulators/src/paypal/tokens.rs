//! Access tokens: `POST /v1/oauth2/token`, and which tokens hold.

use std::collections::{BTreeSet, HashMap};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Call, PayPal, errors::ApiError};

/// How long a token holds, in seconds.
const LIFETIME: i64 = 32_400;
const SCOPE: &str = "https://uri.paypal.com/services/payments/realtimepayment \
    https://uri.paypal.com/services/payments/payment/authcapture https://uri.paypal.com/services/payments/refund \
    https://api-m.paypal.com/v1/vault/credit-card https://uri.paypal.com/services/applications/webhooks openid";

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Token {
    token: String,
    expires: i64,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Token").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// The tokens that hold.
#[derive(Default)]
pub(super) struct Tokens {
    by_text: HashMap<String, Token>,
    by_age: BTreeSet<(i64, String)>,
}

impl Tokens {
    pub(super) fn keep(&mut self, token: Token) {
        self.by_age.insert((token.expires, token.token.clone()));
        self.by_text.insert(token.token.clone(), token);
    }

    /// Forgets what has expired at `now` (Unix seconds).
    pub(super) fn forget_old(&mut self, now: i64) {
        while self.by_age.first().is_some_and(|(expires, _)| *expires <= now) {
            if let Some((_, token)) = self.by_age.pop_first() {
                self.by_text.remove(&token);
            }
        }
    }

    fn holds(&self, token: &str, now: i64) -> bool {
        self.by_text.get(token).is_some_and(|token| token.expires > now)
    }

    pub(super) fn oldest_first(&self) -> impl Iterator<Item = &Token> {
        self.by_age.iter().filter_map(|(_, token)| self.by_text.get(token))
    }
}

fn authorization<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (given, rest) = text.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then_some(rest.trim())
}

impl PayPal {
    /// Refuses a call without a token that holds.
    pub(super) fn authenticate(&self, call: &Call, headers: &HeaderMap) -> Result<(), ApiError> {
        let token = authorization(headers, "Bearer").ok_or_else(ApiError::unauthenticated)?;
        if self.state.tokens.holds(token, call.unix()) {
            return Ok(());
        }
        Err(ApiError::oauth(401, "invalid_token", "Token signature verification failed"))
    }

    /// Any client gets a token here.
    pub(super) fn issue_token(&mut self, call: &Call, request: &Request<Bytes>) -> Result<Value, ApiError> {
        let client = authorization(request.headers(), "Basic")
            .and_then(|text| BASE64_STANDARD.decode(text).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|text| text.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned())));
        if !client.is_some_and(|(id, secret)| !id.is_empty() && !secret.is_empty()) {
            return Err(ApiError::oauth(401, "invalid_client", "Client Authentication failed"));
        }
        let form: HashMap<String, String> = serde_urlencoded::from_bytes(request.body()).unwrap_or_default();
        match form.get("grant_type").map(String::as_str) {
            Some("client_credentials") => {}
            Some(_) => {
                return Err(ApiError::oauth(400, "unsupported_grant_type", "unsupported grant_type"));
            }
            None => return Err(ApiError::oauth(400, "unsupported_grant_type", "Grant Type is NULL")),
        }
        self.state.tokens.forget_old(call.unix());
        let token = Token { token: self.random("A21AA", 92), expires: call.unix() + LIFETIME };
        let answer = json!({
            "scope": SCOPE,
            "access_token": token.token,
            "token_type": "Bearer",
            "app_id": "APP-80W284485P519543T",
            "expires_in": LIFETIME,
            "nonce": format!("{}{}", call.now, self.random("", 43)),
        });
        self.state.put_token(token);
        Ok(answer)
    }
}
