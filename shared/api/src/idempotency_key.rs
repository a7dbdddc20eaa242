//! The `Idempotency-Key` header, as a type that cannot hold a bad one.
//!
//! Must not know: what a key guards or where it is recorded.

use axum::http::HeaderMap;

use crate::{
    card_data,
    problem::{Problem, ProblemCode},
};

/// The header's name.
pub const HEADER: &str = "idempotency-key";

const MAX_LENGTH: usize = 255;

/// A merchant's idempotency key: 1 to 255 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Takes the key from a request's headers. Fails with `idempotency_key_missing`, with `invalid_request` for one that
    /// is not well formed or comes twice, and with `card_data_not_accepted`, since keys are stored.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else {
            return Err(Problem::new(
                ProblemCode::IdempotencyKeyMissing,
                "This call needs an Idempotency-Key header, best a UUID made once per payment, capture, void or refund.",
            ));
        };
        if values.next().is_some() {
            return Err(invalid("must come once, not several times"));
        }
        let bytes = value.as_bytes();
        if bytes.is_empty() || bytes.len() > MAX_LENGTH {
            return Err(invalid("must have 1 to 255 characters"));
        }
        let Some(key) = printable_ascii(bytes) else {
            return Err(invalid("must consist of printable ASCII characters"));
        };
        card_data::refuse_in_text("The Idempotency-Key header", key)?;
        Ok(Self(key.to_owned()))
    }

    /// The key as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn printable_ascii(bytes: &[u8]) -> Option<&str> {
    let printable = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
    if printable { std::str::from_utf8(bytes).ok() } else { None }
}

fn invalid(what: &str) -> Problem {
    Problem::new(ProblemCode::InvalidRequest, format!("The Idempotency-Key header {what}."))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn key(values: &[&[u8]]) -> Result<IdempotencyKey, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        IdempotencyKey::from_headers(&headers)
    }

    #[test]
    fn any_printable_ascii_is_a_key() {
        let longest = "k".repeat(255);
        for text in ["1", "550e8400-e29b-41d4-a716-446655440000", "order 17 / try #2 ~", &longest] {
            assert_eq!(key(&[text.as_bytes()]).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_missing_key_has_a_code_of_its_own() {
        assert_eq!(key(&[]).unwrap_err().code, ProblemCode::IdempotencyKeyMissing);
    }

    #[test]
    fn a_key_that_is_not_well_formed_or_comes_twice_is_refused() {
        let too_long = "k".repeat(256);
        for values in [&[b"".as_slice()][..], &[too_long.as_bytes()], &["é".as_bytes()], &[b"a\tb"], &[b"a", b"a"]] {
            assert_eq!(key(values).unwrap_err().code, ProblemCode::InvalidRequest, "{values:?}");
        }
    }

    #[test]
    fn a_card_number_is_no_key() {
        assert_eq!(key(&[b"4242424242424242"]).unwrap_err().code, ProblemCode::CardDataNotAccepted);
    }
}
