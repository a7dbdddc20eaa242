//! Log lines: JSON as Cloud Logging takes it on stdout, or readable text on stderr.
//!
//! Must not know: what is logged. Nothing here ever sees a request's headers or body.

mod fields;
mod layer;
mod lines;

use std::{io::Write, panic};

use tollgate_gateway::SPAN_TARGET;
use tracing::{Dispatch, Level, Subscriber};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, registry};

use crate::{
    config::{Read, Variables},
    trace::{Exporting, Traces, exporting},
};

pub(crate) use fields::Chain;
pub use layer::LogLayer;

/// The target of the span around each request. It is on whatever the filter says, so that every line within a request
/// carries the correlation id.
pub(crate) const REQUEST_TARGET: &str = "tollgate::request";
/// The same for probes and scrapes, which are in no trace. The filter takes it with the other, for it begins like that.
pub(crate) const PROBE_TARGET: &str = "tollgate::request::probe";

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, for Cloud Logging.
    Json,
    /// For people.
    Text,
}

/// What to log, and how.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged, as in `info,tollgate_gateway=debug`.
    pub filter: String,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { format: LogFormat::Json, filter: "info".to_owned() }
    }
}

impl LogOptions {
    /// Reads `LOG_FORMAT` and `RUST_LOG`.
    pub fn read(vars: &mut Variables) -> Read<Self> {
        const FORMATS: &[(&str, LogFormat)] = &[("json", LogFormat::Json), ("text", LogFormat::Text)];
        let format = vars.var("LOG_FORMAT", "how log lines look, json or text").one_of(FORMATS).or("json");
        let filter = vars
            .var("RUST_LOG", "what is logged: a level, or target=level pairs")
            .parse::<EnvFilter>()
            .or("info")
            .map(|filter| filter.to_string());
        Ok(Self { format: format?, filter: filter? })
    }
}

/// Sends the process's logs, panics included, to stdout (JSON) or stderr (text). Only the first call has an effect.
pub fn install(options: &LogOptions) {
    install_traced(options, None);
}

/// Like [`install`], with spans that are exported.
pub fn install_traced(options: &LogOptions, traces: Option<&Traces>) {
    let dispatch = match options.format {
        LogFormat::Json => dispatch(options, traces, std::io::stdout()),
        LogFormat::Text => dispatch(options, traces, std::io::stderr()),
    };
    if tracing::dispatcher::set_global_default(dispatch).is_ok() {
        log_panics();
    }
}

fn dispatch(options: &LogOptions, traces: Option<&Traces>, writer: impl Write + Send + 'static) -> Dispatch {
    match traces {
        None => Dispatch::new(subscriber(options, writer)),
        Some(traces) => Dispatch::new(traced_subscriber(options, traces, writer)),
    }
}

/// A subscriber that writes to `writer`, one whole line per call.
pub fn subscriber(options: &LogOptions, writer: impl Write + Send + 'static) -> impl Subscriber + Send + Sync {
    registry().with(filter(options, "off")).with(LogLayer::new(options.format, writer))
}

/// Like [`subscriber`], with spans that are exported.
pub fn traced_subscriber(
    options: &LogOptions,
    traces: &Traces,
    writer: impl Write + Send + 'static,
) -> impl Subscriber + Send + Sync {
    let lines = registry().with(filter(options, "info")).with(LogLayer::new(options.format, writer));
    lines.with(Exporting).with(exporting(traces))
}

/// What was asked for; requests' spans; spans for traces where somebody exports them; and nothing of the exporter's own,
/// which would repeat itself for each batch while the collector is away.
fn filter(options: &LogOptions, spans: &str) -> EnvFilter {
    let directives = format!("{},{REQUEST_TARGET}=error,{SPAN_TARGET}={spans},opentelemetry=off", options.filter);
    EnvFilter::builder().parse_lossy(directives)
}

/// Logs panics once, where they happen, with the fields of the span they happen in. Where nothing would log them, they
/// are printed as before.
pub fn log_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if tracing::enabled!(Level::ERROR) {
            let payload = panic.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let message = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
            let place = panic.location().map(ToString::to_string);
            tracing::error!(error = message, place, "panicked");
        } else {
            print(panic);
        }
    }));
}
