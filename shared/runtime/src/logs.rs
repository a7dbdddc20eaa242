//! Log lines: JSON as Cloud Logging takes it on stdout, or readable text on stderr.
//!
//! Must not know: what is logged. Nothing here ever sees a request's headers or body.

mod fields;
mod layer;
mod lines;

use std::{io::Write, panic};

use tracing::{Level, Subscriber};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, registry};

use crate::config::{Read, Variables};

pub(crate) use fields::Chain;
pub use layer::LogLayer;

/// The target of the span around each request. It is on whatever the filter says, so that every line within a request
/// carries the correlation id.
pub(crate) const REQUEST_TARGET: &str = "tollgate::request";

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
    let installed = match options.format {
        LogFormat::Json => tracing::subscriber::set_global_default(subscriber(options, std::io::stdout())),
        LogFormat::Text => tracing::subscriber::set_global_default(subscriber(options, std::io::stderr())),
    };
    if installed.is_ok() {
        log_panics();
    }
}

/// A subscriber that writes to `writer`, one whole line per call.
pub fn subscriber(options: &LogOptions, writer: impl Write + Send + 'static) -> impl Subscriber + Send + Sync {
    let filter = EnvFilter::builder().parse_lossy(format!("{},{REQUEST_TARGET}=error", options.filter));
    registry().with(filter).with(LogLayer::new(options.format, writer))
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
