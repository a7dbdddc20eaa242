//! A place in a trace, as it travels in headers and attributes.
//!
//! Must not know: how traces are exported.

use axum::http::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use tollgate_gateway::ports::Entropy;

/// A span of a trace, and whether the trace is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    span: u64,
    sampled: bool,
}

impl TraceContext {
    /// 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }

    /// 16 hexadecimal digits.
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span)
    }

    /// Whether the trace is kept.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// As W3C's `traceparent`.
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }

    /// Reads a `traceparent`: `00-<trace id>-<span id>-<flags>`; later versions may have more behind it. `None`: it is not
    /// well formed.
    pub fn of_traceparent(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let well_formed = is_hex(version, 2) && version != "ff" && is_hex(flags, 2);
        if !well_formed || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let span = u64::try_from(id(span, 16)?).ok()?;
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        Some(Self { trace: id(trace, 32)?, span, sampled })
    }

    /// Reads `traceparent` or, where that is none, `X-Cloud-Trace-Context`; one that is not well formed counts as none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        text("traceparent")
            .and_then(Self::of_traceparent)
            .or_else(|| text("x-cloud-trace-context").and_then(Self::of_google))
    }

    /// `<trace id>/<span id, decimal>;o=<0 or 1>`, where all but the trace id may be missing. A span that is not named gets
    /// a name, for without one there would be no trace to belong to.
    fn of_google(text: &str) -> Option<Self> {
        let (ids, options) = text.split_once(';').unwrap_or((text, ""));
        let (trace, span) = ids.split_once('/').unwrap_or((ids, "0"));
        let span: u64 = span.parse().ok()?;
        Some(Self { trace: id(trace, 32)?, span: span.max(1), sampled: options == "o=1" })
    }

    /// A trace of its own, which nobody keeps.
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        let mut random = [0; 24];
        entropy.fill(&mut random);
        let (trace, span) = random.split_at(16);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number: u128, byte| number << 8 | u128::from(*byte));
        let span = u64::try_from(number(span)).unwrap_or(u64::MAX);
        Self { trace: number(trace).max(1), span: span.max(1), sampled: false }
    }

    /// `None`: it is none.
    pub(super) fn of_span(span: &SpanContext) -> Option<Self> {
        let (trace, id) =
            (u128::from_be_bytes(span.trace_id().to_bytes()), u64::from_be_bytes(span.span_id().to_bytes()));
        span.is_valid().then_some(Self { trace, span: id, sampled: span.is_sampled() })
    }

    /// As the parent, in another process, of a span of ours.
    pub(super) fn as_remote(&self) -> SpanContext {
        let (trace, span) = (TraceId::from(self.trace), SpanId::from(self.span));
        let flags = TraceFlags::default().with_sampled(self.sampled);
        SpanContext::new(trace, span, flags, true, TraceState::NONE)
    }
}

/// An id of so many digits, which must not all be 0.
fn id(text: &str, digits: usize) -> Option<u128> {
    let id = u128::from_str_radix(text, 16).ok()?;
    (is_hex(text, digits) && id != 0).then_some(id)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written() {
        let context = TraceContext::of_traceparent(GOOD).unwrap();
        assert_eq!((context.traceparent(), context.is_sampled()), (GOOD.to_owned(), true));
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id(), "00f067aa0ba902b7");
        let later = TraceContext::of_traceparent(&format!("{}-more", GOOD.replacen("00", "01", 1)));
        assert_eq!(later, Some(context));
    }

    #[test]
    fn what_is_not_well_formed_is_none() {
        for text in [
            "",
            "nonsense",
            &GOOD.to_uppercase(),
            &GOOD[..54],
            &format!("{GOOD}-more"),
            &GOOD.replacen("00", "ff", 1),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
            &GOOD.replace("00f067aa0ba902b7", "0000000000000000"),
            &GOOD.replace("4bf9", "+bf9"),
            &GOOD.replace("-00f067", "-0f067"),
        ] {
            assert_eq!(TraceContext::of_traceparent(text), None, "{text}");
        }
    }
}
