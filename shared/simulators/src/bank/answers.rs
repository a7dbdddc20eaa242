//! Answers outside of the payments API: JSON for the token call and the keys, and OAuth's errors.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// An answer with a JSON body that nobody may keep.
pub(super) fn json(status: u16, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An error of the token call (RFC 6749, section 5.2).
#[derive(Debug)]
pub(super) struct OAuthError {
    status: u16,
    error: &'static str,
    description: String,
}

impl OAuthError {
    pub(super) fn new(status: u16, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, error, description: description.into() }
    }

    pub(super) fn answer(&self) -> Response<Bytes> {
        json(self.status, &json!({"error": self.error, "error_description": self.description}))
    }
}
