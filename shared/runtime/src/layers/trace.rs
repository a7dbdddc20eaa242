//! The trace that a request belongs to, so that its log lines show up there.
//!
//! Must not know: how traces are exported.

use axum::http::HeaderMap;

/// A trace context from `traceparent` (W3C) or, where there is none, `X-Cloud-Trace-Context`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: String,
    span_id: String,
    sampled: bool,
}

impl TraceContext {
    /// 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// 16 hexadecimal digits: the caller's span.
    pub fn span_id(&self) -> &str {
        &self.span_id
    }

    /// Whether the trace is kept.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// What Cloud Logging calls the trace: with its project where that is known.
    pub(super) fn resource(&self, project: Option<&str>) -> String {
        match project {
            Some(project) => format!("projects/{project}/traces/{}", self.trace_id),
            None => self.trace_id.clone(),
        }
    }

    /// Reads the headers; one that is not well formed counts as none.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        text("traceparent").and_then(w3c).or_else(|| text("x-cloud-trace-context").and_then(google))
    }
}

/// `00-<trace id>-<span id>-<flags>`; later versions may have more behind it.
fn w3c(text: &str) -> Option<TraceContext> {
    let mut parts = text.split('-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let well_formed =
        is_hex(version, 2) && version != "ff" && is_id(trace_id, 32) && is_id(span_id, 16) && is_hex(flags, 2);
    if !well_formed || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    Some(TraceContext { trace_id: trace_id.to_owned(), span_id: span_id.to_owned(), sampled })
}

/// `<trace id>/<span id, decimal>;o=<0 or 1>`, where all but the trace id may be missing.
fn google(text: &str) -> Option<TraceContext> {
    let (ids, options) = text.split_once(';').unwrap_or((text, ""));
    let (trace_id, span) = ids.split_once('/').unwrap_or((ids, "0"));
    if !is_id(trace_id, 32) {
        return None;
    }
    let span: u64 = span.parse().ok()?;
    Some(TraceContext { trace_id: trace_id.to_owned(), span_id: format!("{span:016x}"), sampled: options == "o=1" })
}

fn is_id(text: &str, length: usize) -> bool {
    is_hex(text, length) && text.bytes().any(|byte| byte != b'0')
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
