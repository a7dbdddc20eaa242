//! One log line, as JSON for Cloud Logging or as text for people.
//!
//! Must not know: where lines go.

use std::fmt::{self, Write};

use jiff::Timestamp;
use tracing::{Level, Metadata};

use super::fields::Fields;
use crate::trace::Identity;

/// Fields with this prefix go into Cloud Logging's `httpRequest` object.
const HTTP_REQUEST: &str = "httpRequest.";

/// An event with the spans around it, innermost first.
pub(super) struct Entry<'a> {
    pub(super) time: Timestamp,
    pub(super) metadata: &'static Metadata<'static>,
    pub(super) event: &'a Fields,
    pub(super) spans: &'a [&'a Fields],
    /// Of the innermost span that has one.
    pub(super) trace: Option<&'a Identity>,
}

impl Entry<'_> {
    /// Writes the line as JSON. A name that comes again further out is left out there.
    pub(super) fn write_json(&self, line: &mut String) -> fmt::Result {
        write!(
            line,
            "{{\"severity\":\"{}\",\"time\":\"{:.6}\",\"message\":",
            severity(*self.metadata.level()),
            self.time
        )?;
        line.push_str(self.event.get("message").unwrap_or("\"\""));
        let mut has_http_request = false;
        self.each_field(|name, value| {
            if name.starts_with(HTTP_REQUEST) {
                has_http_request = true;
                return Ok(());
            }
            // These are the line's own.
            let prefix = if matches!(name, "severity" | "time" | "logger") { "field." } else { "" };
            write!(line, ",\"{prefix}{name}\":{value}")
        })?;
        if let Some(trace) = self.trace {
            trace.write_json(line)?;
        }
        if has_http_request {
            line.push_str(",\"httpRequest\":{");
            self.each_field(|name, value| match name.strip_prefix(HTTP_REQUEST) {
                Some(name) => write!(line, "{}\"{name}\":{value}", if line.ends_with('{') { "" } else { "," }),
                None => Ok(()),
            })?;
            line.push('}');
        }
        writeln!(line, ",\"logger\":\"{}\"}}", self.metadata.target())
    }

    /// Writes the line for people: time, level, message, and the fields behind it.
    pub(super) fn write_text(&self, line: &mut String) -> fmt::Result {
        write!(line, "{} {:>5} ", self.time.strftime("%H:%M:%S%.3f"), self.metadata.level())?;
        let message = self.event.get("message").unwrap_or_default();
        line.push_str(unquoted(message));
        self.each_field(|name, value| write!(line, " {}={value}", name.strip_prefix(HTTP_REQUEST).unwrap_or(name)))?;
        line.push('\n');
        Ok(())
    }

    /// The fields of the event and then of its spans, the message aside, each name once.
    fn each_field(&self, mut visit: impl FnMut(&'static str, &str) -> fmt::Result) -> fmt::Result {
        for (depth, fields) in std::iter::once(&self.event).chain(self.spans).enumerate() {
            for (name, value) in fields.iter() {
                let shadowed = depth > 0
                    && (self.event.get(name).is_some()
                        || self.spans[..depth - 1].iter().any(|inner| inner.get(name).is_some()));
                if name != "message" && !shadowed {
                    visit(name, value)?;
                }
            }
        }
        Ok(())
    }
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

/// A JSON string without its quotes; its escapes stay, so that a line stays one line.
fn unquoted(json: &str) -> &str {
    json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json)
}
