//! A request's JSON, read member by member.

use serde_json::Value;

use super::{
    errors::ApiError,
    issues::{self, Area},
    money::Money,
};

/// The longest `custom_id` and `invoice_id`.
pub(super) const LONGEST_ID: usize = 127;

/// The body of a call.
pub(super) struct Body {
    pub(super) value: Value,
    pub(super) area: Area,
}

impl Body {
    /// Reads `bytes`; nothing at all stands for `{}`.
    pub(super) fn parse(bytes: &[u8], area: Area) -> Result<Self, ApiError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self { value: Value::Object(serde_json::Map::new()), area });
        }
        let value = serde_json::from_slice(bytes).ok().filter(Value::is_object);
        let value = value.ok_or_else(|| ApiError::of(&issues::MALFORMED_JSON).field("/"))?;
        Ok(Self { value, area })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        !self.value[name].is_null()
    }

    /// A text of 1 to `longest` characters at `pointer`, if there is one.
    pub(super) fn text(&self, pointer: &str, longest: usize) -> Result<Option<&str>, ApiError> {
        let field = |error: ApiError| error.field(pointer);
        match self.value.pointer(pointer) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if (1..=longest).contains(&text.chars().count()) => Ok(Some(text)),
            Some(Value::String(text)) => Err(field(ApiError::of(&issues::length(self.area)).value(text))),
            Some(other) => Err(field(ApiError::of(&issues::SYNTAX).value(&other.to_string()))),
        }
    }

    pub(super) fn owned(&self, pointer: &str, longest: usize) -> Result<Option<String>, ApiError> {
        Ok(self.text(pointer, longest)?.map(ToOwned::to_owned))
    }

    /// An absolute URL at `pointer`, if there is one.
    pub(super) fn url(&self, pointer: &str) -> Result<Option<String>, ApiError> {
        let Some(text) = self.value.pointer(pointer).and_then(Value::as_str) else { return Ok(None) };
        let is_absolute = text.parse::<http::Uri>().is_ok_and(|url| url.scheme().is_some() && url.host().is_some());
        if !is_absolute {
            return Err(ApiError::of(&issues::SYNTAX).field(pointer).value(text));
        }
        Ok(Some(text.to_owned()))
    }

    /// The amount at `/amount`, if there is one.
    pub(super) fn amount(&self) -> Result<Option<Money>, ApiError> {
        self.has("amount").then(|| Money::read(&self.value["amount"], "/amount", self.area)).transpose()
    }
}
