//! What planted bugs make of providers' answers.
//!
//! Must not know: how they are found.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tollgate_domain::{
    Answer, CaptureMethod, Failure, Money, OperationKind, ProviderName, TransactionState, TransactionView,
};
use tollgate_gateway::ports::{
    Provider, ProviderRecords, Time,
    provider::{Busy, Call, CallKind, LookUp, Pass, Reply, Terms, Unsupported},
};

use crate::{executor::locked, planted::Bug};

/// An adapter with a bug.
pub(crate) struct Crooked<P> {
    pub(crate) inner: P,
    pub(crate) bug: Bug,
}

impl<P: Provider> Crooked<P> {
    fn bend(&self, call: Call<'_>, reply: &mut Reply<Answer>) {
        match (self.bug, &mut reply.answer) {
            (Bug::FailedOnTimeout, Answer::Unknown { reason }) => {
                let failure = Failure::new("timeout", reason);
                reply.answer = Answer::Refused { failure, authorization_gone: false };
            }
            (Bug::TimeoutIsNotReached, Answer::Unknown { reason }) => {
                reply.answer = Answer::NotReached { reason: std::mem::take(reason), retry_after: None };
            }
            (
                Bug::PartialCaptureTakenForWhole,
                Answer::Shows(TransactionView { state: TransactionState::Captured { amount, .. }, .. }),
            ) => *amount = call.payment.amount,
            _ => {}
        }
    }
}

#[async_trait]
impl<P: Provider> Provider for Crooked<P> {
    fn name(&self) -> ProviderName {
        self.inner.name()
    }

    fn accepts(&self, amount: Money, capture: CaptureMethod) -> Result<(), Unsupported> {
        self.inner.accepts(amount, capture)
    }

    fn terms(&self) -> Terms {
        self.inner.terms()
    }

    fn records(&self) -> Option<&dyn ProviderRecords> {
        self.inner.records()
    }

    async fn send(&self, call: Call<'_>) -> Reply<Answer> {
        if self.bug == Bug::ReversalNotSent && call.operation.kind == OperationKind::Reversal {
            let shown = self.inner.look_up(call).await;
            if let LookUp::Found(Answer::Shows(mut view)) = shown.answer {
                view.state = match view.state {
                    TransactionState::Captured { amount, .. } => {
                        TransactionState::Captured { amount, refunded: amount }
                    }
                    _ => TransactionState::Voided,
                };
                return Reply {
                    answer: Answer::Shows(view),
                    http_status: shown.http_status,
                    reference: shown.reference,
                    provider_code: shown.provider_code,
                    repeated: false,
                };
            }
        }
        let mut reply = self.inner.send(call).await;
        self.bend(call, &mut reply);
        reply
    }

    async fn look_up(&self, call: Call<'_>) -> Reply<LookUp> {
        self.inner.look_up(call).await
    }

    fn brought_back(&self, call: Call<'_>, returned: &str) -> Option<TransactionView> {
        self.inner.brought_back(call, returned)
    }

    async fn cancel(&self, call: Call<'_>) -> Reply<Answer> {
        let mut reply = self.inner.cancel(call).await;
        self.bend(call, &mut reply);
        reply
    }
}

/// So many declines in a row, and the provider is left alone.
const DECLINES: u32 = 3;
const LEFT_ALONE: Duration = Duration::from_secs(60);

/// A breaker that takes declines for the provider's own trouble.
pub(crate) struct CountsDeclines {
    inner: Arc<dyn Provider>,
    time: Arc<dyn Time>,
    /// Declines in a row, and until when nobody is called.
    standing: Mutex<(u32, Duration)>,
}

impl CountsDeclines {
    pub(crate) fn new(inner: Arc<dyn Provider>, time: &Arc<dyn Time>) -> Self {
        Self { inner, time: Arc::clone(time), standing: Mutex::default() }
    }
}

#[async_trait]
impl Provider for CountsDeclines {
    fn name(&self) -> ProviderName {
        self.inner.name()
    }

    fn accepts(&self, amount: Money, capture: CaptureMethod) -> Result<(), Unsupported> {
        self.inner.accepts(amount, capture)
    }

    fn terms(&self) -> Terms {
        self.inner.terms()
    }

    fn records(&self) -> Option<&dyn ProviderRecords> {
        self.inner.records()
    }

    async fn admit(&self, kind: CallKind) -> Result<Pass, Busy> {
        if self.time.monotonic() < locked(&self.standing).1 {
            return Err(Busy { reason: "so many declines", retry_after: LEFT_ALONE });
        }
        self.inner.admit(kind).await
    }

    async fn send_with(&self, call: Call<'_>, pass: Pass) -> Reply<Answer> {
        let reply = self.inner.send_with(call, pass).await;
        let mut standing = locked(&self.standing);
        let is_declined = match &reply.answer {
            Answer::Refused { .. } => true,
            Answer::Shows(view) => matches!(view.state, TransactionState::Declined(_)),
            _ => false,
        };
        standing.0 = if is_declined { standing.0 + 1 } else { 0 };
        if standing.0 >= DECLINES {
            standing.1 = self.time.monotonic() + LEFT_ALONE;
        }
        drop(standing);
        reply
    }

    async fn send(&self, call: Call<'_>) -> Reply<Answer> {
        self.send_with(call, Pass::free()).await
    }

    async fn look_up(&self, call: Call<'_>) -> Reply<LookUp> {
        self.inner.look_up(call).await
    }

    fn brought_back(&self, call: Call<'_>, returned: &str) -> Option<TransactionView> {
        self.inner.brought_back(call, returned)
    }

    async fn cancel(&self, call: Call<'_>) -> Reply<Answer> {
        self.inner.cancel(call).await
    }
}
