//! Request bodies, read strictly: what two readers could understand differently is refused, and so is every field that
//! nobody asked for. All mistakes are named at once, each with its place.
//!
//! Must not know: any particular request.

mod parser;
mod pointer;
mod reader;

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};

pub use parser::parse;
pub use pointer::Pointer;
pub use reader::{Checked, MapLimits, ObjectReader, Refused};

use crate::{
    card_data,
    problem::{FieldError, Problem, ProblemCode},
};

/// How deep arrays and objects may be nested.
pub const MAX_DEPTH: usize = 16;

/// How many mistakes one answer names at most.
const MAX_ERRORS: usize = 32;

/// A JSON value without anything ambiguous in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number written as an integer that fits.
    Integer(i64),
    /// Any other number (`1.5`, `1e3`, one too large), as it was written.
    OtherNumber(String),
    /// A string, its escapes resolved. Holds no NUL.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; no key came twice.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// What it is, to follow "must be …, not".
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::OtherNumber(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads a body that must be a JSON object. Card numbers anywhere in it are refused before anything else is looked at.
pub fn read_object(body: &[u8]) -> Result<ObjectReader, Problem> {
    let json = parse(body)?;
    card_data::refuse(&json)?;
    match json {
        Json::Object(members) => Ok(ObjectReader::new(members)),
        other => Err(Problem::invalid_fields(vec![FieldError {
            pointer: String::new(),
            detail: format!("must be a JSON object, not {}", other.kind()),
        }])),
    }
}

/// Like [`read_object`], and takes no body at all for an empty object.
pub fn read_object_if_any(body: &[u8]) -> Result<ObjectReader, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) { Ok(ObjectReader::new(BTreeMap::new())) } else { read_object(body) }
}

/// Refuses a body that does not say it is JSON, with `unsupported_media_type`.
pub fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let mut named = headers.get_all(header::CONTENT_TYPE).iter().map(|value| value.to_str().unwrap_or_default());
    // Named twice, or in another alphabet, two readers could understand it differently.
    let good = matches!((named.next(), named.next()), (Some(named), None) if is_json(named));
    let detail = "The body must be JSON in UTF-8, sent as Content-Type: application/json.";
    if good { Ok(()) } else { Err(Problem::new(ProblemCode::UnsupportedMediaType, detail)) }
}

/// Whether a media type is JSON, and in no other character set than UTF-8 (RFC 8259, section 8.1).
fn is_json(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    essence.eq_ignore_ascii_case("application/json") && parts.all(utf8)
}

#[cfg(test)]
mod tests;
