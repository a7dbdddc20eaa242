//! The trace and span that log lines within a request name, kept with tracing's span of it.
//!
//! Must not know: how lines look otherwise.

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use super::TraceContext;

/// Which trace, and in which project it is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(super) context: TraceContext,
    pub(super) project: Option<Arc<str>>,
}

impl Identity {
    /// Writes Cloud Logging's fields, each after a comma.
    pub(crate) fn write_json(&self, line: &mut String) -> fmt::Result {
        line.push_str(",\"logging.googleapis.com/trace\":\"");
        if let Some(project) = &self.project {
            write!(line, "projects/{project}/traces/")?;
        }
        write!(
            line,
            "{}\",\"logging.googleapis.com/spanId\":\"{}\",\"logging.googleapis.com/trace_sampled\":{}",
            self.context.trace_id(),
            self.context.span_id(),
            self.context.is_sampled()
        )
    }
}
