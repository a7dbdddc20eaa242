//! Measures every call to a provider, and makes it a span of its trace. Knows no wire format: it wraps any `Provider`, as
//! breakers and retries do.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tollgate_domain::{
    Answer, CaptureMethod, Money, OperationKind, ProviderName, RefundState, TransactionState, TransactionView,
};
use tollgate_gateway::{
    SPAN_TARGET,
    ports::{
        Provider, Time,
        provider::{Call, LookUp, Reply, Terms, Unsupported},
        provider_records::{ProviderRecords, Records, RecordsAsk},
    },
};
use tracing::{Instrument, Span, field::Empty};

/// A provider whose calls are measured: `provider_request_duration_seconds{provider,operation,outcome}`.
pub struct Metered<P> {
    inner: P,
    time: Arc<dyn Time>,
}

impl<P: Provider> Metered<P> {
    /// Measures `inner` with `time`.
    pub fn new(inner: P, time: Arc<dyn Time>) -> Self {
        Self { inner, time }
    }

    fn span(&self, operation: &'static str, call: &Call<'_>) -> Span {
        let provider = self.inner.name().as_str();
        tracing::info_span!(
            target: SPAN_TARGET,
            "provider",
            otel.kind = "client",
            otel.name = format_args!("{provider} {operation}"),
            otel.status_code = Empty,
            provider,
            operation,
            payment = %call.payment.id,
            outcome = Empty,
        )
    }

    fn record(&self, operation: &'static str, outcome: &'static str, started: Duration, span: &Span) {
        span.record("outcome", outcome);
        if matches!(outcome, "unknown" | "not_reached") {
            span.record("otel.status_code", "ERROR");
        }
        metrics::histogram!(
            "provider_request_duration_seconds",
            "provider" => self.inner.name().as_str(),
            "operation" => operation,
            "outcome" => outcome,
        )
        .record(self.time.monotonic().saturating_sub(started).as_secs_f64());
    }
}

#[async_trait]
impl<P: Provider> Provider for Metered<P> {
    fn name(&self) -> ProviderName {
        self.inner.name()
    }

    fn accepts(&self, amount: Money, capture: CaptureMethod) -> Result<(), Unsupported> {
        self.inner.accepts(amount, capture)
    }

    fn terms(&self) -> Terms {
        self.inner.terms()
    }

    async fn send(&self, call: Call<'_>) -> Reply<Answer> {
        let (started, kind) = (self.time.monotonic(), call.operation.kind);
        let span = self.span(kind.as_str(), &call);
        let reply = self.inner.send(call).instrument(span.clone()).await;
        self.record(kind.as_str(), outcome(kind, &reply.answer), started, &span);
        reply
    }

    async fn look_up(&self, call: Call<'_>) -> Reply<LookUp> {
        let (started, span) = (self.time.monotonic(), self.span("look_up", &call));
        let reply = self.inner.look_up(call).instrument(span.clone()).await;
        let outcome = match &reply.answer {
            LookUp::Found(answer) => outcome(call.operation.kind, answer),
            LookUp::NotFound => "not_found",
            LookUp::NotOurs { .. } => "not_ours",
            LookUp::Failed { .. } => "not_reached",
        };
        self.record("look_up", outcome, started, &span);
        reply
    }

    fn brought_back(&self, call: Call<'_>, returned: &str) -> Option<TransactionView> {
        self.inner.brought_back(call, returned)
    }

    async fn cancel(&self, call: Call<'_>) -> Reply<Answer> {
        let (started, span) = (self.time.monotonic(), self.span("cancel", &call));
        let reply = self.inner.cancel(call).instrument(span.clone()).await;
        self.record("cancel", outcome(OperationKind::Void, &reply.answer), started, &span);
        reply
    }

    fn records(&self) -> Option<&dyn ProviderRecords> {
        self.inner.records().map(|_| self as &dyn ProviderRecords)
    }
}

#[async_trait]
impl<P: Provider> ProviderRecords for Metered<P> {
    fn known_after(&self) -> Duration {
        self.inner.records().map_or(Duration::MAX, ProviderRecords::known_after)
    }

    fn longest_period(&self) -> Duration {
        self.inner.records().map_or(Duration::ZERO, ProviderRecords::longest_period)
    }

    async fn records_of(&self, ask: RecordsAsk<'_>) -> Reply<Records> {
        let started = self.time.monotonic();
        let provider = self.inner.name().as_str();
        let span = tracing::info_span!(
            target: SPAN_TARGET,
            "provider",
            otel.kind = "client",
            otel.name = format_args!("{provider} records"),
            otel.status_code = Empty,
            provider,
            operation = "records",
            outcome = Empty,
        );
        let Some(records) = self.inner.records() else {
            let answer = Records::Failed { reason: "it shows no records".to_owned() };
            return Reply { answer, http_status: None, reference: None, provider_code: None, repeated: false };
        };
        let reply = records.records_of(ask).instrument(span.clone()).await;
        let outcome = match &reply.answer {
            Records::Page(_) => "succeeded",
            Records::TooMany => "refused",
            Records::Failed { .. } => "not_reached",
        };
        self.record("records", outcome, started, &span);
        reply
    }
}

/// The words of the audit trail: whether what was asked for is done, on its way, refused, or not known.
fn outcome(kind: OperationKind, answer: &Answer) -> &'static str {
    use OperationKind::{Authorize, Capture, Refund, Reversal, Void};
    use TransactionState::{Authorized, Captured, Declined, Voided};
    match answer {
        Answer::Shows(view) => match (kind, &view.state) {
            (Authorize, Authorized { .. } | Captured { .. })
            | (Capture | Refund, Captured { .. })
            | (Void, Voided)
            | (Reversal, Voided | Captured { .. }) => "succeeded",
            (_, Declined(_)) | (Authorize | Capture, Voided) => "refused",
            _ => "pending",
        },
        Answer::ShowsRefund(view) => match view.state {
            RefundState::Completed => "succeeded",
            RefundState::Pending => "pending",
            RefundState::Failed(_) => "refused",
        },
        Answer::Advanced { .. } => "succeeded",
        Answer::Refused { .. } => "refused",
        Answer::Unknown { .. } => "unknown",
        Answer::NotReached { .. } => "not_reached",
    }
}

#[cfg(test)]
mod tests {
    use tollgate_domain::Failure;

    use super::*;

    #[test]
    fn an_outcome_says_whether_what_was_asked_for_is_done() {
        let amount = Money::zero("JPY".parse().unwrap());
        let shows = |state| {
            Answer::Shows(TransactionView {
                transaction_id: "pi_1".to_owned(),
                request_id: None,
                amount,
                state,
                kept: None,
            })
        };
        let held = || shows(TransactionState::Authorized { expires_at: None });
        let taken = || shows(TransactionState::Captured { amount, refunded: amount });
        let declined = shows(TransactionState::Declined(Failure::new("card_declined", "")));
        let unknown = Answer::Unknown { reason: String::new() };
        for (kind, answer, expected) in [
            (OperationKind::Authorize, held(), "succeeded"),
            (OperationKind::Authorize, taken(), "succeeded"),
            (OperationKind::Authorize, declined, "refused"),
            (OperationKind::Authorize, unknown, "unknown"),
            (OperationKind::Capture, taken(), "succeeded"),
            (OperationKind::Capture, held(), "pending"),
            (OperationKind::Capture, shows(TransactionState::Voided), "refused"),
            (OperationKind::Void, shows(TransactionState::Voided), "succeeded"),
            (OperationKind::Void, taken(), "pending"),
        ] {
            assert_eq!(outcome(kind, &answer), expected, "{kind:?}: {answer:?}");
        }
    }
}
