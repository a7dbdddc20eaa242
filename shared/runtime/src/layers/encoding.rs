//! Bodies are taken as they are: what is compressed is refused, and never unpacked. (A few bytes may stand for gigabytes.)
//!
//! Must not know: what is in a body, which route it is for.

use axum::http::{HeaderMap, header};
use tollgate_api::{Problem, ProblemCode};

/// Fails with `unsupported_media_type` where a body's bytes would have to be decoded first.
pub(super) fn taken_as_it_is(headers: &HeaderMap) -> Result<(), Problem> {
    let is_plain = |coding: &[u8]| {
        let coding = coding.trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    };
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    if values.all(|value| value.as_bytes().split(|byte| *byte == b',').all(is_plain)) {
        return Ok(());
    }
    let detail = "Bodies are taken as they are, without a Content-Encoding such as gzip.";
    Err(Problem::new(ProblemCode::UnsupportedMediaType, detail))
}
