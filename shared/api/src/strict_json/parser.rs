//! The JSON grammar (RFC 8259), and what is refused on top of it: duplicate keys, NUL, deep nesting.
//!
//! Must not know: what the document is for.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{Json, MAX_DEPTH, MAX_ERRORS, Pointer};
use crate::problem::{FieldError, Problem};

/// Parses one whole JSON document. Duplicate keys and NULs are all reported; anything that breaks the grammar ends the
/// reading there.
pub fn parse(body: &[u8]) -> Result<Json, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|error| whole(format!("is not valid UTF-8 at byte {}", error.valid_up_to())))?;
    let mut parser = Parser { text, position: 0, depth: 0, at: Pointer::root(), errors: Vec::new() };
    let parsed = parser.document();
    match (parsed, parser.errors) {
        (Ok(json), errors) if errors.is_empty() => Ok(json),
        (Ok(_) | Err(Broken), errors) => Err(Problem::invalid_fields(errors)),
    }
}

fn whole(detail: String) -> Problem {
    Problem::invalid_fields(vec![FieldError { pointer: String::new(), detail }])
}

/// Reading cannot go on; why is among the errors.
struct Broken;

struct Parser<'a> {
    text: &'a str,
    position: usize,
    depth: usize,
    at: Pointer,
    errors: Vec<FieldError>,
}

impl<'a> Parser<'a> {
    fn document(&mut self) -> Result<Json, Broken> {
        self.skip_whitespace();
        if self.position == self.text.len() {
            return Err(self.broken("is empty; a JSON document is needed"));
        }
        let json = self.value()?;
        self.skip_whitespace();
        if self.position < self.text.len() {
            return Err(self.broken("has something after the end of the JSON document"));
        }
        Ok(json)
    }

    fn value(&mut self) -> Result<Json, Broken> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Json::Bool(true)),
            Some(b'f') => self.literal("false", Json::Bool(false)),
            Some(b'n') => self.literal("null", Json::Null),
            _ => Err(self.broken("is not valid JSON: a value is expected")),
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<Json, Broken>) -> Result<Json, Broken> {
        if self.depth == MAX_DEPTH {
            return Err(self.broken(&format!("is nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        self.position += 1;
        let json = read(self);
        self.depth -= 1;
        json
    }

    fn object(&mut self) -> Result<Json, Broken> {
        let mut members = BTreeMap::new();
        self.skip_whitespace();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_whitespace();
            if self.peek() != Some(b'"') {
                return Err(self.broken("is not valid JSON: a key in double quotes is expected"));
            }
            let key = self.string()?;
            self.skip_whitespace();
            if !self.take(b':') {
                return Err(self.broken("is not valid JSON: ':' is expected after a key"));
            }
            self.skip_whitespace();
            let value = self.inside(&key, Self::value)?;
            match members.entry(key) {
                Entry::Vacant(free) => _ = free.insert(value),
                Entry::Occupied(taken) => {
                    let pointer = self.at.child(taken.key());
                    self.report(&pointer, "comes more than once; each key may come once");
                }
            }
            self.skip_whitespace();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return Err(self.broken("is not valid JSON: ',' or '}' is expected"));
            }
        }
    }

    fn array(&mut self) -> Result<Json, Broken> {
        let mut items = Vec::new();
        self.skip_whitespace();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            self.skip_whitespace();
            let index = items.len().to_string();
            items.push(self.inside(&index, Self::value)?);
            self.skip_whitespace();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return Err(self.broken("is not valid JSON: ',' or ']' is expected"));
            }
        }
    }

    fn number(&mut self) -> Result<Json, Broken> {
        let start = self.position;
        self.take(b'-');
        match self.peek() {
            Some(b'0') => self.position += 1,
            _ => self.digits()?,
        }
        if matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.broken("is not valid JSON: a number must not start with 0"));
        }
        let mut integer = true;
        if self.take(b'.') {
            integer = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            integer = false;
            _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let written = &self.text[start..self.position];
        let small = if integer { written.parse().ok() } else { None };
        Ok(small.map_or_else(|| Json::OtherNumber(written.to_owned()), Json::Integer))
    }

    fn digits(&mut self) -> Result<(), Broken> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.broken("is not valid JSON: a digit is expected"));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
        Ok(())
    }

    fn literal(&mut self, word: &str, json: Json) -> Result<Json, Broken> {
        if !self.text[self.position..].starts_with(word) {
            return Err(self.broken("is not valid JSON: a value is expected"));
        }
        self.position += word.len();
        Ok(json)
    }

    /// Reads a string from its opening quote on.
    fn string(&mut self) -> Result<String, Broken> {
        self.position += 1;
        let mut value = String::new();
        let mut has_nul = false;
        loop {
            let plain = self.plain_characters();
            value.push_str(plain);
            match self.peek() {
                Some(b'"') => break self.position += 1,
                Some(b'\\') => {
                    let character = self.escape()?;
                    has_nul |= character == '\0';
                    value.push(character);
                }
                Some(_) => {
                    return Err(self.broken("is not valid JSON: a control character in a string must be escaped"));
                }
                None => return Err(self.broken("is not valid JSON: a string is not closed")),
            }
        }
        if has_nul {
            self.report(&self.at.clone(), "must not contain the NUL character");
        }
        Ok(value)
    }

    fn plain_characters(&mut self) -> &'a str {
        let rest = &self.text[self.position..];
        let end = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len());
        self.position += end;
        &rest[..end]
    }

    fn escape(&mut self) -> Result<char, Broken> {
        self.position += 1;
        let escaped = self.peek();
        self.position += 1;
        Ok(match escaped {
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => {
                self.position -= 1;
                return Err(self.broken("is not valid JSON: an unknown escape in a string"));
            }
        })
    }

    /// Reads `XXXX`, and `\uXXXX` behind it where the first is half of a surrogate pair.
    fn unicode_escape(&mut self) -> Result<char, Broken> {
        let first = self.four_hex_digits()?;
        let code = match first {
            0xd800..=0xdbff if self.text[self.position..].starts_with("\\u") => {
                self.position += 2;
                let second = self.four_hex_digits()?;
                let low = second.wrapping_sub(0xdc00);
                if low < 0x400 { 0x10000 + ((first - 0xd800) << 10) + low } else { first }
            }
            alone => alone,
        };
        char::from_u32(code).ok_or_else(|| self.broken("is not valid JSON: half a surrogate pair in a string"))
    }

    fn four_hex_digits(&mut self) -> Result<u32, Broken> {
        let digits = self.text.as_bytes().get(self.position..self.position + 4).unwrap_or_default();
        let value = digits.iter().try_fold(0, |value, &byte| Some(value * 16 + char::from(byte).to_digit(16)?));
        match value {
            Some(value) if digits.len() == 4 => {
                self.position += 4;
                Ok(value)
            }
            _ => Err(self.broken("is not valid JSON: four hexadecimal digits are expected after \\u")),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.position += usize::from(there);
        there
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    fn inside<T>(&mut self, key: &str, work: impl FnOnce(&mut Self) -> Result<T, Broken>) -> Result<T, Broken> {
        let outer = self.at.enter(key);
        let result = work(self);
        self.at.leave(outer);
        result
    }

    fn report(&mut self, at: &Pointer, detail: &str) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(FieldError { pointer: at.as_str().to_owned(), detail: detail.to_owned() });
        }
    }

    fn broken(&mut self, detail: &str) -> Broken {
        let detail = format!("{detail} (at byte {})", self.position);
        // Where it breaks matters more than any duplicate before it.
        self.errors.insert(0, FieldError { pointer: self.at.as_str().to_owned(), detail });
        self.errors.truncate(MAX_ERRORS);
        Broken
    }
}
