//! Reads the fields of a JSON object one by one, and remembers every mistake, so that a caller learns all of them at
//! once.
//!
//! Must not know: any particular request.

use std::{collections::BTreeMap, fmt::Display, ops::RangeInclusive};

use super::{Json, MAX_ERRORS, Pointer};
use crate::problem::{FieldError, Problem, ProblemCode};

/// A field's value, or the token that says its mistake has been noted.
pub type Checked<T> = Result<T, Refused>;

/// The mistake has been noted in the reader; `finish` reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

impl From<Refused> for Problem {
    /// Reached only where `finish` was forgotten: the request is refused all the same.
    fn from(Refused: Refused) -> Self {
        Self::new(ProblemCode::InvalidRequest, "The body has a field that is not valid.")
    }
}

/// How much a map of strings may hold. Lengths are in characters.
#[derive(Debug, Clone, Copy)]
pub struct MapLimits {
    /// Entries at most.
    pub pairs: usize,
    /// The longest key.
    pub key_chars: usize,
    /// The longest value.
    pub value_chars: usize,
}

/// A JSON object being read. `null` counts as left out. Ask for every field, then `finish`, which also refuses the
/// fields that nobody asked for; after that, every [`Checked`] value is known to be there:
///
/// ```
/// # use tollgate_api::{Problem, strict_json};
/// # struct Refund { amount: Option<i64>, reason: Option<String> }
/// fn read(body: &[u8]) -> Result<Refund, Problem> {
///     let mut fields = strict_json::read_object_if_any(body)?;
///     let amount = fields.optional_integer("amount", 1..=i64::MAX);
///     let reason = fields.optional_string("reason", 500);
///     fields.finish()?;
///     Ok(Refund { amount: amount?, reason: reason? })
/// }
/// # assert!(read(br#"{"amount": 5}"#).is_ok());
/// # assert!(read(br#"{"amount": 0}"#).is_err());
/// ```
#[derive(Debug)]
pub struct ObjectReader {
    members: BTreeMap<String, Json>,
    at: Pointer,
    errors: Vec<FieldError>,
}

impl ObjectReader {
    /// Reads the top-level object of a body. [`super::read_object`] is the way to get one.
    pub fn new(members: BTreeMap<String, Json>) -> Self {
        Self { members, at: Pointer::root(), errors: Vec::new() }
    }

    /// Fails with every mistake found, unknown fields included.
    pub fn finish(mut self) -> Result<(), Problem> {
        self.refuse_unknown();
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid_fields(self.errors)) }
    }

    /// Notes a mistake that only the caller can see, such as two fields that exclude each other.
    pub fn refuse(&mut self, name: &str, detail: impl Into<String>) -> Refused {
        let pointer = self.at.child(name);
        self.note(&pointer, detail.into());
        Refused
    }

    /// An integer within `range`. Fractions and exponents are refused, not rounded.
    pub fn required_integer(&mut self, name: &str, range: RangeInclusive<i64>) -> Checked<i64> {
        let value = self.optional_integer(name, range);
        self.required(name, value)
    }

    /// Like [`Self::required_integer`], where it may be left out.
    pub fn optional_integer(&mut self, name: &str, range: RangeInclusive<i64>) -> Checked<Option<i64>> {
        let detail = match self.take(name) {
            None => return Ok(None),
            Some(Json::Integer(value)) if range.contains(&value) => return Ok(Some(value)),
            Some(Json::OtherNumber(text)) if text.contains(['.', 'e', 'E']) => {
                "must be an integer, written without a fraction or an exponent".to_owned()
            }
            Some(Json::Integer(_) | Json::OtherNumber(_)) if *range.end() == i64::MAX => {
                format!("must be an integer of at least {} that fits into 64 bits", range.start())
            }
            Some(Json::Integer(_) | Json::OtherNumber(_)) => {
                format!("must be an integer from {} to {}", range.start(), range.end())
            }
            Some(other) => format!("must be an integer, not {}", other.kind()),
        };
        Err(self.refuse(name, detail))
    }

    /// `true` or `false`, where it may be left out.
    pub fn optional_bool(&mut self, name: &str) -> Checked<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(self.refuse(name, format!("must be true or false, not {}", other.kind()))),
        }
    }

    /// A string of 1 to `max_chars` characters.
    pub fn required_string(&mut self, name: &str, max_chars: usize) -> Checked<String> {
        let value = self.optional_string(name, max_chars);
        self.required(name, value)
    }

    /// Like [`Self::required_string`], where it may be left out. An empty string is refused: leave it out instead.
    pub fn optional_string(&mut self, name: &str, max_chars: usize) -> Checked<Option<String>> {
        let detail = match self.take(name) {
            None => return Ok(None),
            Some(Json::String(text)) if text.is_empty() => "must not be empty".to_owned(),
            Some(Json::String(text)) if fits(&text, max_chars) => return Ok(Some(text)),
            Some(Json::String(_)) => format!("must have at most {max_chars} characters"),
            Some(other) => format!("must be a string, not {}", other.kind()),
        };
        Err(self.refuse(name, detail))
    }

    /// A string that `parse` understands; its error's text becomes the mistake, so it should read on from the field's
    /// name ("must be …") and never repeat the value.
    pub fn required_parsed<T, E: Display>(
        &mut self,
        name: &str,
        max_chars: usize,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Checked<T> {
        let value = self.optional_parsed(name, max_chars, parse);
        self.required(name, value)
    }

    /// Like [`Self::required_parsed`], where it may be left out.
    pub fn optional_parsed<T, E: Display>(
        &mut self,
        name: &str,
        max_chars: usize,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Checked<Option<T>> {
        let Some(text) = self.optional_string(name, max_chars)? else { return Ok(None) };
        parse(&text).map(Some).map_err(|error| self.refuse(name, error.to_string()))
    }

    /// One of a few words, each with its meaning.
    pub fn optional_one_of<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Checked<Option<T>> {
        let chosen = match self.take(name) {
            None => return Ok(None),
            Some(Json::String(word)) => choices.iter().find(|(choice, _)| *choice == word).map(|(_, value)| *value),
            Some(_) => None,
        };
        chosen.map(Some).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.refuse(name, format!("must be one of {}", words.join(", ")))
        })
    }

    /// Like [`Self::optional_one_of`], where it must be there.
    pub fn required_one_of<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Checked<T> {
        let value = self.optional_one_of(name, choices);
        self.required(name, value)
    }

    /// An object, read by `read`; what `read` does not ask for is refused as unknown.
    pub fn optional_object<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut ObjectReader) -> Checked<T>,
    ) -> Checked<Option<T>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Object(members)) => {
                let errors = std::mem::take(&mut self.errors);
                let before = errors.len();
                let mut inner = Self { members, at: self.at.child(name), errors };
                let value = read(&mut inner);
                inner.refuse_unknown();
                self.errors = inner.errors;
                if self.errors.len() > before { Err(Refused) } else { value.map(Some) }
            }
            Some(other) => Err(self.refuse(name, format!("must be an object, not {}", other.kind()))),
        }
    }

    /// Like [`Self::optional_object`], where it must be there.
    pub fn required_object<T>(&mut self, name: &str, read: impl FnOnce(&mut ObjectReader) -> Checked<T>) -> Checked<T> {
        let value = self.optional_object(name, read);
        self.required(name, value)
    }

    /// An object whose values are all strings. Left out, it is an empty one.
    pub fn optional_string_map(&mut self, name: &str, limits: MapLimits) -> Checked<BTreeMap<String, String>> {
        let members = match self.take(name) {
            None => return Ok(BTreeMap::new()),
            Some(Json::Object(members)) => members,
            Some(other) => return Err(self.refuse(name, format!("must be an object, not {}", other.kind()))),
        };
        if members.len() > limits.pairs {
            return Err(self.refuse(name, format!("must have at most {} entries", limits.pairs)));
        }
        let at = self.at.child(name);
        let mut map = BTreeMap::new();
        let mut all_good = true;
        for (key, value) in members {
            match string_entry(&key, value, limits) {
                Ok(text) => _ = map.insert(key, text),
                Err(detail) => {
                    self.note(&at.child(&key), detail);
                    all_good = false;
                }
            }
        }
        if all_good { Ok(map) } else { Err(Refused) }
    }

    /// Like [`Self::optional_string_map`], with at least one entry.
    pub fn required_string_map(&mut self, name: &str, limits: MapLimits) -> Checked<BTreeMap<String, String>> {
        let map = self.optional_string_map(name, limits)?;
        if map.is_empty() { Err(self.refuse(name, "is required, with at least one entry")) } else { Ok(map) }
    }

    /// Takes a field out of the object, so that `finish` does not find it unknown.
    fn take(&mut self, name: &str) -> Option<Json> {
        self.members.remove(name).filter(|json| *json != Json::Null)
    }

    fn required<T>(&mut self, name: &str, value: Checked<Option<T>>) -> Checked<T> {
        value?.ok_or_else(|| self.refuse(name, "is required"))
    }

    /// Refuses all that was not asked for, in words that fit it better than those that all requests have.
    pub fn refuse_others(&mut self, detail: &str) {
        for key in std::mem::take(&mut self.members).into_keys() {
            self.refuse(&key, detail);
        }
    }

    fn refuse_unknown(&mut self) {
        self.refuse_others("is not a field of this request");
    }

    fn note(&mut self, at: &Pointer, detail: String) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(FieldError { pointer: at.as_str().to_owned(), detail });
        }
    }
}

fn string_entry(key: &str, value: Json, limits: MapLimits) -> Result<String, String> {
    if key.is_empty() || !fits(key, limits.key_chars) {
        return Err(format!("has a key that is not 1 to {} characters long", limits.key_chars));
    }
    match value {
        Json::String(text) if fits(&text, limits.value_chars) => Ok(text),
        Json::String(_) => Err(format!("must have at most {} characters", limits.value_chars)),
        other => Err(format!("must be a string, not {}", other.kind())),
    }
}

fn fits(text: &str, max_chars: usize) -> bool {
    text.len() <= max_chars || text.chars().count() <= max_chars
}
