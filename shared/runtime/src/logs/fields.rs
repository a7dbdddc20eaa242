//! The fields of a span or an event, kept as JSON.
//!
//! Must not know: how a line is laid out.

use std::{
    error::Error,
    fmt::{self, Write},
    ops::Range,
};

use tracing::field::{Field, Visit};

/// Fields in the order they were recorded, their values rendered as JSON in one buffer.
#[derive(Debug, Default)]
pub(super) struct Fields {
    json: String,
    entries: Vec<(&'static str, Range<usize>)>,
}

impl Fields {
    /// Names with their values as JSON.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.entries.iter().map(|(name, range)| (*name, &self.json[range.clone()]))
    }

    /// The value last recorded under `name`, as JSON.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.entries.iter().rev().find(|(known, _)| *known == name).map(|(_, range)| &self.json[range.clone()])
    }

    fn add(&mut self, field: &Field, write: impl FnOnce(&mut String) -> fmt::Result) {
        // Written for the exporter of traces.
        if field.name().starts_with("otel.") {
            return;
        }
        let start = self.json.len();
        // Writing to a String cannot fail; a Debug that claims otherwise loses the rest of its text.
        _ = write(&mut self.json);
        self.entries.push((field.name(), start..self.json.len()));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, |json| write_text(json, |text| write!(text, "{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, |json| write_text(json, |text| text.write_str(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, |json| write!(json, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, |json| write!(json, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, |json| if value.is_finite() { write!(json, "{value}") } else { json.write_str("null") });
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, |json| write!(json, "{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field, |json| write_text(json, |text| write!(text, "{}", Chain(value))));
    }
}

/// An error with everything behind it, each cause once: `outer: middle: inner`.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut source = self.0.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Many errors end with the text of their cause already.
            if !text.ends_with(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        f.write_str(&text)
    }
}

/// Writes a JSON string whose content `write` gives.
fn write_text(json: &mut String, write: impl FnOnce(&mut Escaped<'_>) -> fmt::Result) -> fmt::Result {
    json.push('"');
    let written = write(&mut Escaped(json));
    json.push('"');
    written
}

/// Escapes what is written to it for the inside of a JSON string.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                0..=0x1f => "",
                _ => continue,
            };
            self.0.push_str(&text[plain..at]);
            self.0.push_str(escape);
            if escape.is_empty() {
                write!(self.0, "\\u{byte:04x}")?;
            }
            plain = at + 1;
        }
        self.0.push_str(&text[plain..]);
        Ok(())
    }
}
