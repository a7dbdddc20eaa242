//! The shared counters' metrics. Whose bucket it was is no label.

use std::time::Duration;

/// How a call to Redis ended, or why there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Answered.
    Ok,
    /// No answer in time.
    TimedOut,
    /// The connection broke, or the answer was an error.
    Failed,
    /// Not called: too many calls wait for their answers.
    Busy,
    /// Not called: Redis is away.
    Away,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::TimedOut => "timeout",
            Self::Failed => "error",
            Self::Busy => "busy",
            Self::Away => "away",
        }
    }
}

/// A call to Redis ended.
pub(super) fn asked(operation: &'static str, outcome: Outcome, took: Duration) {
    let histogram = metrics::histogram!(
        "counters_request_duration_seconds", "operation" => operation, "outcome" => outcome.name()
    );
    histogram.record(took.as_secs_f64());
}

/// The instance decided by itself.
pub(super) fn fell_back(outcome: Outcome) {
    metrics::counter!("counters_fallback_total", "reason" => outcome.name()).increment(1);
}

/// Whether instances decide by themselves: 1, or 0.
pub(super) fn degraded(is_degraded: bool) {
    metrics::gauge!("counters_degraded").set(f64::from(u8::from(is_degraded)));
}

/// Says what the metrics are.
pub(super) fn describe() {
    metrics::describe_histogram!("counters_request_duration_seconds", "Time that calls to the shared counters took.");
    metrics::describe_counter!("counters_fallback_total", "Takes and looks that this instance decided by itself.");
    metrics::describe_gauge!("counters_degraded", "1 while the shared counters are away.");
}
