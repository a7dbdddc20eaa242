//! Takes the bearer token out of a request's headers.
//!
//! Must not know: what a token says.

use axum::http::{HeaderMap, HeaderName, header};

use super::refusal::Refusal;

/// The header that Cloud Run looks at first.
pub(super) const SERVERLESS: HeaderName = HeaderName::from_static("x-serverless-authorization");

/// Google's ID tokens have about 1,200 bytes.
const MAX_TOKEN_BYTES: usize = 4096;

/// A token in its three parts, none of them empty.
#[derive(Clone, Copy)]
pub(super) struct Bearer<'a> {
    /// As it came.
    pub(super) whole: &'a str,
    /// The third part.
    pub(super) signature: &'a str,
}

impl<'a> Bearer<'a> {
    /// The token of the header `name`, which must be there once.
    pub(super) fn of(headers: &'a HeaderMap, name: &HeaderName) -> Result<Self, Refusal> {
        let mut values = headers.get_all(name).iter();
        let value = values.next().ok_or(Refusal::Missing)?;
        if values.next().is_some() {
            return Err(Refusal::Duplicate);
        }
        let text = value.to_str().map_err(|_| Refusal::Malformed)?;
        let (scheme, token) = text.split_once(' ').ok_or(Refusal::Malformed)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::Malformed);
        }
        Self::split(token)
    }

    /// The token that Cloud Run has checked. "Authenticating service-to-service" in its documentation
    /// (cloud.google.com/run/docs/authenticating/service-to-service): a caller sends the ID token in `Authorization` or in
    /// `X-Serverless-Authorization`; where both are there, only `X-Serverless-Authorization` is checked, and the signature
    /// is removed before the token is passed to the container. So where that header is, the other is anybody's word.
    pub(super) fn checked_by_cloud_run(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let name = if headers.contains_key(SERVERLESS) { SERVERLESS } else { header::AUTHORIZATION };
        Self::of(headers, &name)
    }

    fn split(token: &'a str) -> Result<Self, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::Oversized);
        }
        let is_base64url = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        match token.split('.').collect::<Vec<_>>()[..] {
            [head, claims, signature] if [head, claims, signature].into_iter().all(is_base64url) => {
                Ok(Self { whole: token, signature })
            }
            _ => Err(Refusal::Malformed),
        }
    }
}
