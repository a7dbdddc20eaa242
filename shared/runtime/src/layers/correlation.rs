//! The id that ties a request's answer and log lines together.
//!
//! Must not know: who reads it.

use std::sync::Arc;

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue},
    response::Response,
};
use tollgate_api::{Problem, card_data};
use tollgate_gateway::{authenticate::API_KEY_PREFIX, ports::Entropy};

/// The header that it comes and goes in.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

const MAX_LENGTH: usize = 128;

/// A request's correlation id: 1 to 128 visible ASCII characters. Handlers get it as a request extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one that came, if it is well formed; else a new one. It is logged, so what is, or holds, a card number or
    /// an API key is not taken.
    pub(super) fn of(headers: &HeaderMap, entropy: &dyn Entropy) -> Self {
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok());
        let usable = given.filter(|id| {
            (1..=MAX_LENGTH).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_graphic())
                && !card_data::is_in(id)
                && !id.contains(API_KEY_PREFIX)
        });
        usable.map_or_else(|| Self::new(entropy), |id| Self(id.into()))
    }

    fn new(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
        Self(text.into_iter().map(char::from).collect::<String>().into())
    }

    /// Puts the id on an answer: into the header, and into the body of a problem.
    pub(super) fn put_on(&self, response: &mut Response) {
        Problem::add_correlation_id(response, &self.0);
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            response.headers_mut().insert(HEADER, value);
        }
    }
}

fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}
