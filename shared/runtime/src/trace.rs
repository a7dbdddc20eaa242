//! Traces: which one a request belongs to, and the way of its spans to a collector.
//!
//! Must not know: what a span is about. What is exported is on a list (`export`), and nothing else is.

mod collector;
mod context;
mod export;
mod identity;
mod options;
mod outgoing;
mod spans;

pub use context::TraceContext;
pub use export::Traces;
pub use options::TraceOptions;
pub use spans::{consumed, current_traceparent};

pub(crate) use export::{Exporting, exporting};
pub(crate) use identity::Identity;
pub(crate) use spans::{answered, begin};
