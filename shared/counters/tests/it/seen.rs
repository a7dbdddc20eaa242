//! What is seen of counters from outside: metrics and logs of the test's own thread.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex, OnceLock},
};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing::{
    Dispatch, Event, Subscriber,
    field::{Field, Visit},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
};

static SECOND: OnceLock<Dispatch> = OnceLock::new();

/// Runs `test` on this thread alone, and gives it what is seen.
pub(crate) fn watched<F: Future<Output = ()>>(test: impl FnOnce(Seen) -> F) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let (lines, handle) = (Lines::default(), recorder.handle());
    // While there is one subscriber only, a line that is first logged on another test's thread, which has none, is taken
    // to interest nobody, for good.
    SECOND.get_or_init(|| Dispatch::new(Registry::default()));
    let _logs: DefaultGuard = tracing::subscriber::set_default(Registry::default().with(lines.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(test(Seen { lines, handle })));
}

/// What is seen.
pub(crate) struct Seen {
    lines: Lines,
    handle: PrometheusHandle,
}

impl Seen {
    /// Every metric, as it is scraped.
    pub(crate) fn metrics(&self) -> String {
        self.handle.render()
    }

    /// Our lines of the log, that are no lower than `info`.
    pub(crate) fn log(&self) -> Vec<String> {
        self.lines.0.lock().unwrap().clone()
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let is_ours = event.metadata().target().starts_with("tollgate");
        if is_ours && *event.metadata().level() <= tracing::Level::INFO {
            let mut line = Line(event.metadata().level().to_string());
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        _ = write!(self.0, " {field}={value:?}");
    }
}
