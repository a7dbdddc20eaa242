//! Turns tracing's events into lines and writes each with one call.
//!
//! Must not know: filters, or where the writer leads.

use std::{
    cell::RefCell,
    io::Write,
    sync::{Mutex, PoisonError},
};

use tollgate_gateway::{SPAN_TARGET, ports::Time};
use tracing::{
    Event, Subscriber,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::Context,
    registry::{LookupSpan, SpanRef},
};

use super::{LogFormat, fields::Fields, lines::Entry};
use crate::{system::SystemClock, trace::Identity};

thread_local! {
    /// The line being written, kept for its memory.
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Writes one line per event, with the fields of every span around it. The time on a line is the machine's, also where
/// the business clock is moved by hand.
pub struct LogLayer<W> {
    format: LogFormat,
    writer: Mutex<W>,
    clock: SystemClock,
}

impl<W: Write> LogLayer<W> {
    /// A layer that writes to `writer`.
    pub fn new(format: LogFormat, writer: W) -> Self {
        Self { format, writer: Mutex::new(writer), clock: SystemClock::start() }
    }

    fn write(&self, entry: &Entry<'_>) {
        // A field's Debug may log, too: that inner line gets a buffer of its own.
        let mut line = LINE.try_with(RefCell::take).unwrap_or_default();
        line.clear();
        let written = match self.format {
            LogFormat::Json => entry.write_json(&mut line),
            LogFormat::Text => entry.write_text(&mut line),
        };
        if written.is_ok() {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody can be told that logs cannot be written.
            _ = writer.write_all(line.as_bytes()).and_then(|()| writer.flush());
        }
        _ = LINE.try_with(|kept| kept.replace(line));
    }
}

impl<S, W> Layer<S> for LogLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Write + Send + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() == SPAN_TARGET {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let spans: Vec<SpanRef<'_, S>> = context.event_scope(event).into_iter().flatten().collect();
        let extensions: Vec<_> = spans.iter().map(SpanRef::extensions).collect();
        let around: Vec<&Fields> = extensions.iter().filter_map(|extensions| extensions.get()).collect();
        let trace = extensions.iter().find_map(|extensions| extensions.get::<Identity>());
        let (time, metadata) = (self.clock.now(), event.metadata());
        self.write(&Entry { time, metadata, event: &fields, spans: &around, trace });
    }
}
