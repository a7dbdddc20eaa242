//! Puts requests and messages into their traces, and says where we are.
//!
//! Must not know: what a request or message is about.

use std::sync::Arc;

use opentelemetry::trace::{Status, TraceContextExt};
use tollgate_gateway::ports::Entropy;
use tracing::{Dispatch, Instrument, Span, span::Id};
use tracing_opentelemetry::{OpenTelemetrySpanExt, get_otel_context};
use tracing_subscriber::{Registry, registry::LookupSpan};

use super::{Exporting, Identity, TraceContext};
use crate::{logs::REQUEST_TARGET, system::OsEntropy};

/// Makes `span` a child of `parent`, or the root of a new trace, and lets log lines within it name the trace: with the
/// span's own id where spans are exported, else with the caller's.
pub(crate) fn begin(
    span: &Span,
    parent: Option<TraceContext>,
    project: Option<Arc<str>>,
    entropy: &dyn Entropy,
) -> Option<TraceContext> {
    span.with_subscriber(|(id, dispatch)| {
        let mut own = None;
        if is_exporting(dispatch) {
            let remote = opentelemetry::Context::new();
            let remote =
                parent.map_or_else(|| remote.clone(), |parent| remote.with_remote_span_context(parent.as_remote()));
            // Refused only for a span that has begun, and this one has not.
            _ = span.set_parent(remote);
            own = exported(id, dispatch);
        }
        let context = own.or(parent).unwrap_or_else(|| TraceContext::new(entropy));
        let span = dispatch.downcast_ref::<Registry>()?.span(id)?;
        span.extensions_mut().replace(Identity { context, project });
        Some(context)
    })
    .flatten()
}

/// Ends a request's span with what was answered. What the request started may go on, as children of it.
pub(crate) fn answered(span: &Span, method: &'static str, route: &Arc<str>, status: u16, code: &'static str) {
    if !span.with_subscriber(|(_, dispatch)| is_exporting(dispatch)).unwrap_or(false) {
        return;
    }
    span.set_attribute("http.request.method", method);
    span.set_attribute("http.route", Arc::clone(route));
    span.set_attribute("http.response.status_code", i64::from(status));
    if !code.is_empty() {
        span.set_attribute("code", code);
    }
    if status >= 500 {
        span.set_status(Status::error(""));
    }
    end(span);
}

/// Ends the exported span now, and not when the last task that is within it ends.
fn end(span: &Span) {
    span.context().span().end();
}

/// Where we are, as a `traceparent` that a message or call takes along: the innermost exported span, or, where none is
/// exported, what log lines name. `None`: outside of any request or message.
pub fn current_traceparent() -> Option<String> {
    current().map(|context| context.traceparent())
}

fn current() -> Option<TraceContext> {
    let find = |id: &Id, dispatch: &Dispatch| {
        let scope = dispatch.downcast_ref::<Registry>()?.span(id)?.scope();
        let (mut scope, is_exporting) = (scope, is_exporting(dispatch));
        scope.find_map(|span| {
            let own = if is_exporting { exported(&span.id(), dispatch) } else { None };
            own.or_else(|| span.extensions().get::<Identity>().map(|identity| identity.context))
        })
    };
    Span::current().with_subscriber(|(id, dispatch)| find(id, dispatch)).flatten()
}

/// Runs `work` as the consumer of a message that `traceparent` came with: in a span of its own, whose parent is the
/// publisher's. Without one, or with one that is not well formed, it is the root of a new trace. `name` goes into traces.
pub async fn consumed<F: Future>(name: &'static str, traceparent: Option<&str>, work: F) -> F::Output {
    let span = tracing::error_span!(target: REQUEST_TARGET, "message", otel.kind = "consumer", otel.name = name);
    let parent = traceparent.and_then(TraceContext::of_traceparent);
    begin(&span, parent, current_project(), &OsEntropy);
    let output = work.instrument(span.clone()).await;
    if span.with_subscriber(|(_, dispatch)| is_exporting(dispatch)).unwrap_or(false) {
        end(&span);
    }
    output
}

/// The project of the request that we are in.
fn current_project() -> Option<Arc<str>> {
    let find = |id: &Id, dispatch: &Dispatch| {
        let mut scope = dispatch.downcast_ref::<Registry>()?.span(id)?.scope();
        scope.find_map(|span| span.extensions().get::<Identity>().and_then(|identity| identity.project.clone()))
    };
    Span::current().with_subscriber(|(id, dispatch)| find(id, dispatch)).flatten()
}

fn is_exporting(dispatch: &Dispatch) -> bool {
    dispatch.is::<Exporting>()
}

/// The exported span behind one of tracing's. `None`: it has none.
fn exported(id: &Id, dispatch: &Dispatch) -> Option<TraceContext> {
    TraceContext::of_span(get_otel_context(id, dispatch)?.span().span_context())
}
