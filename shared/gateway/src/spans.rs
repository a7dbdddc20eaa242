//! Spans for traces: the name that they have in common, and those that every queue and every sender of webhooks has.
//!
//! Must not know: whether anybody exports them.

use tollgate_domain::Delivery;
use tracing::{Span, field::Empty};

use crate::ports::queue::Message;

/// The target of spans that are made for traces only, at the level of info. They are off where nothing is exported, and
/// never show in log lines. Of their fields only those leave that the exporter has on its list.
pub const SPAN_TARGET: &str = "tollgate::span";

/// The span that messages are published in: what a queue sends along as their origin. It names the payment, if they are of
/// one: whichever request has published, a provider's event or a job, its trace is found by that.
pub(crate) fn publish(messages: &[Message]) -> Span {
    let span = tracing::info_span!(
        target: SPAN_TARGET,
        "publish",
        otel.kind = "producer",
        otel.status_code = Empty,
        operation = "publish",
        payment = Empty,
        messages = i64::try_from(messages.len()).unwrap_or(i64::MAX),
    );
    if span.is_disabled() {
        return span;
    }
    let mut payments = messages.iter().map(|message| message.due().payment);
    if let Some(payment) = payments.next()
        && payments.all(|other| other == payment)
    {
        span.record("payment", tracing::field::display(payment));
    }
    span
}

/// The span that a webhook to a merchant is sent in.
pub(crate) fn webhook(delivery: &Delivery) -> Span {
    tracing::info_span!(
        target: SPAN_TARGET,
        "webhook",
        otel.kind = "client",
        otel.status_code = Empty,
        payment = %delivery.payment,
        event = %delivery.event,
        attempt = i64::from(delivery.attempts) + 1,
        http.response.status_code = Empty,
    )
}

/// Marks what a span is about as failed.
pub(crate) fn failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
}
