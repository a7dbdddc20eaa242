//! How publishing goes, as metrics. What is per merchant is no label.

use std::time::Duration;

use google_cloud_gax::error::rpc::Code;
use google_cloud_pubsub::error::PublishError;

/// Why messages were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Not known to be taken in time.
    Timeout,
    /// Too many are on their way already.
    Overloaded,
    /// There is no such topic.
    NotFound,
    /// We may not publish to it, or could not say who we are.
    Denied,
    /// Pub/Sub's quota is used up.
    Quota,
    /// Pub/Sub is not there.
    Unavailable,
    /// Anything else.
    Other,
}

impl Why {
    /// Its label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Overloaded => "overloaded",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Quota => "quota",
            Self::Unavailable => "unavailable",
            Self::Other => "error",
        }
    }

    pub(crate) fn of(error: &PublishError) -> Self {
        let PublishError::Rpc(rpc) = error else { return Self::Other };
        if rpc.is_authentication() {
            return Self::Denied;
        }
        match rpc.status().map(|status| status.code) {
            Some(Code::NotFound) => Self::NotFound,
            Some(Code::PermissionDenied | Code::Unauthenticated) => Self::Denied,
            Some(Code::ResourceExhausted) => Self::Quota,
            Some(Code::Unavailable | Code::Aborted | Code::Cancelled) => Self::Unavailable,
            Some(Code::DeadlineExceeded) => Self::Timeout,
            Some(_) => Self::Other,
            None if rpc.is_timeout() || rpc.is_exhausted() => Self::Timeout,
            None => Self::Unavailable,
        }
    }
}

/// One call of a topic: `taken` of its messages were, and it ended so.
pub(crate) fn published(topic: &'static str, took: Duration, taken: u64, not_taken: u64, end: Result<(), Why>) {
    let outcome = end.map_or_else(Why::name, |()| "ok");
    metrics::histogram!("queue_publish_duration_seconds", "topic" => topic, "outcome" => outcome).record(took);
    for (outcome, messages) in [("published", taken), ("not_published", not_taken)] {
        if messages > 0 {
            metrics::counter!("queue_messages_total", "topic" => topic, "outcome" => outcome).increment(messages);
        }
    }
}
