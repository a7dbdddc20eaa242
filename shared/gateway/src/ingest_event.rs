//! A provider's event: a hint that can be late, repeated, out of order, or earlier than our own commit (rule 17).

use tollgate_domain::{
    Answer, Observation, OperationKind, Payment, PaymentId, ProviderName, RefundId, RefundView, TransactionView,
};

use crate::{
    Context, Error, Gateway,
    idempotency::RACES,
    ports::{
        FailPoint,
        provider::{LookUp, News, ProviderEvent},
    },
    records::{Cause, ChangeSet, Committed, Guard, ProviderCall, ReceivedEvent},
};

const CONTRADICTION: Observation = Observation::Nothing { contradiction: true };

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingested {
    /// Its effect (or that it had none) is committed.
    Processed,
    /// It had been taken before.
    Duplicate,
    /// Of a type that we do not use.
    Ignored,
    /// No payment matches: not remembered as received, so that a later delivery is looked at again.
    Unmatched,
    /// It will lead to an operation, and another one is open: not remembered as received, to be sent again.
    Deferred,
    /// The store is away: it is kept, and applied when that is back.
    Queued,
}

impl Ingested {
    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Unmatched => "unmatched",
            Self::Deferred => "deferred",
            Self::Queued => "queued",
        }
    }
}

impl Gateway {
    /// Takes a verified event. An error means that it was not taken: the provider must send it again.
    pub async fn ingest_event(
        &self,
        provider: ProviderName,
        event: ProviderEvent,
        context: Context,
    ) -> Result<Ingested, Error> {
        let gateway = self.clone();
        self.run(async move { gateway.ingest(provider, event, &context).await }).await
    }

    pub(crate) async fn ingest(
        &self,
        provider: ProviderName,
        event: ProviderEvent,
        context: &Context,
    ) -> Result<Ingested, Error> {
        let id = match &event.news {
            News::Transaction { payment: Some(id), .. }
            | News::Changed { payment: id, .. }
            | News::Refund { payment: id, .. } => *id,
            News::Transaction { payment: None, .. } | News::NotOurs => return Ok(Ingested::Unmatched),
            News::NotUsed => return Ok(Ingested::Ignored),
        };
        self.ports.fail_points.pass(FailPoint::BeforeEvent);
        for _ in 0..RACES {
            let Some(payment) = self.load(id).await? else { return Ok(Ingested::Unmatched) };
            let seen = match &event.news {
                _ if !self.was_at(&payment, provider).await? => return Ok(Ingested::Unmatched),
                News::Refund { refund, view, .. } => self.refund_told(&payment, *refund, view).await?,
                news => Some(self.observe(&payment, provider, news, context).await?),
            };
            let Some((observation, asked)) = seen else { return Ok(Ingested::Unmatched) };
            if observation == Observation::Later {
                return Ok(Ingested::Deferred);
            }
            let (set, next) = self.event_set(provider, &event, &payment, observation, asked, context);
            match self.commit(&set).await? {
                Committed::Done => {
                    self.ports.fail_points.pass(FailPoint::AfterEvent);
                    // What was open before is somebody else's to send, unless it was nobody's: then this has leased it.
                    let open = |payment: &Payment| payment.open.as_ref().map(|open| (open.number, open.lease));
                    if let Some(next) = next.filter(|next| open(next) != open(&payment)) {
                        self.carry_out_later(next, context);
                    }
                    return Ok(Ingested::Processed);
                }
                Committed::Conflict(Guard::ReceivedEvent) => return Ok(Ingested::Duplicate),
                Committed::Conflict(Guard::Reference) => {
                    tracing::error!(payment = %id, "an event names this payment, and another payment's transaction");
                    return Ok(Ingested::Unmatched);
                }
                Committed::Conflict(_) => {}
            }
        }
        Err(Error::Internal)
    }

    /// What the event's view means; where it contradicts what we know it may be old, and the provider is asked.
    async fn observe(
        &self,
        payment: &Payment,
        provider: ProviderName,
        news: &News,
        context: &Context,
    ) -> Result<(Observation, Option<ProviderCall>), Error> {
        let hint = match news {
            News::Transaction { view, .. } => self.seen_at(payment, provider, view, false).await?,
            _ => Observation::AskProvider,
        };
        let transaction_id = match news {
            News::Transaction { view, .. } => &view.transaction_id,
            News::Changed { transaction_id, .. } => transaction_id,
            News::NotUsed | News::NotOurs | News::Refund { .. } => return Ok((hint, None)),
        };
        if hint != Observation::AskProvider {
            return Ok((hint, None));
        }
        let (answer, row) = self.look_up_transaction(payment, provider, transaction_id, context).await?;
        let observation = match answer {
            LookUp::Found(Answer::Shows(view)) => self.seen_at(payment, provider, &view, true).await?,
            // What was asked for came to nothing after all.
            LookUp::Found(answer @ Answer::Refused { .. }) => match &payment.open {
                // Of another transaction of the payment's it says nothing.
                Some(open) if open.provider == provider && open.transaction_id.as_ref() == Some(transaction_id) => {
                    let change = payment.answered(open.number, &answer, self.attempt(), self.now());
                    change.map_or(CONTRADICTION, |change| Observation::Change(Box::new(change)))
                }
                _ => CONTRADICTION,
            },
            LookUp::Found(_) | LookUp::NotFound | LookUp::NotOurs { .. } => CONTRADICTION,
            LookUp::Failed { .. } => return Err(Error::ProviderUnavailable { retry_after: None }),
        };
        if matches!(observation, Observation::Nothing { contradiction: true }) {
            contradicts(payment.id);
        }
        Ok((observation, Some(row)))
    }

    /// What a view of the payment's transaction at `provider` means: one that the payment was moved away from, too.
    pub(crate) async fn seen_at(
        &self,
        payment: &Payment,
        provider: ProviderName,
        view: &TransactionView,
        fresh: bool,
    ) -> Result<Observation, Error> {
        if payment.provider == provider {
            return Ok(payment.observed(view, fresh, self.attempt(), self.now()));
        }
        let mut payment = payment.clone();
        if payment.reversed_at.is_some() && !self.was_reversed_last(&payment, provider, view).await? {
            // What was undone before was another one: this one has not come back.
            payment.reversed_at = None;
        }
        Ok(payment.observed_elsewhere(provider, view, fresh, self.attempt(), self.now()))
    }

    /// Whether the last success that was undone is the one that `view` shows.
    async fn was_reversed_last(
        &self,
        payment: &Payment,
        provider: ProviderName,
        view: &TransactionView,
    ) -> Result<bool, Error> {
        for number in (1..=payment.operations).rev() {
            let operation = self.operation_of(payment, number).await?;
            if operation.kind == OperationKind::Reversal {
                return Ok(
                    operation.provider == provider && operation.transaction_id.as_ref() == Some(&view.transaction_id)
                );
            }
        }
        Ok(false)
    }

    /// What the event tells of a refund of `payment`; `None`: the payment has no such refund. A refund only moves forward,
    /// whatever the order of its events, so none has to be asked about.
    async fn refund_told(
        &self,
        payment: &Payment,
        refund: RefundId,
        view: &RefundView,
    ) -> Result<Option<(Observation, Option<ProviderCall>)>, Error> {
        // After the payment: what moves the refund in between makes a version, and this loses its race.
        let found = self.ports.stores.timelines.refund(refund);
        let found = self.within_store_time(self.settings.store_timeout, found).await?;
        let Some(refund) = found.filter(|refund| refund.payment_id == payment.id) else { return Ok(None) };
        if let Some(change) = payment.refund_moved(&refund, view, self.now()) {
            return Ok(Some((Observation::Change(Box::new(change)), None)));
        }
        let contradiction = refund.provider_reference.is_some_and(|known| known != view.refund_reference);
        if contradiction {
            contradicts(payment.id);
        }
        Ok(Some((Observation::Nothing { contradiction }, None)))
    }

    /// Asks how one transaction stands, whatever operation is open.
    pub(crate) async fn look_up_transaction(
        &self,
        payment: &Payment,
        provider: ProviderName,
        transaction_id: &str,
        context: &Context,
    ) -> Result<(LookUp, ProviderCall), Error> {
        let left_behind = if payment.provider == provider {
            None
        } else {
            self.left_behind(payment).await?.into_iter().find(|attempt| attempt.provider == provider)
        };
        let mut operation = match (left_behind, &payment.open) {
            (Some(attempt), _) => attempt,
            (None, Some(open)) => open.clone(),
            (None, None) => self.operation_of(payment, payment.operations).await?,
        };
        operation.provider = provider;
        operation.transaction_id = Some(transaction_id.to_owned());
        if operation.kind == OperationKind::Refund {
            // A refund's look-up shows the refund. What is asked for is how the money stands.
            operation.kind = OperationKind::Capture;
        }
        self.look_up(payment, &operation, context).await
    }

    fn event_set(
        &self,
        provider: ProviderName,
        event: &ProviderEvent,
        payment: &Payment,
        observation: Observation,
        asked: Option<ProviderCall>,
        context: &Context,
    ) -> (ChangeSet, Option<Payment>) {
        let (mut set, next) = match observation {
            Observation::Change(change) => {
                let next = change.payment.clone();
                let cause = Cause::ProviderEvent(event.event_id.clone());
                (self.change_set(Some(payment), *change, cause, context), Some(next))
            }
            Observation::Nothing { .. } | Observation::AskProvider | Observation::Later => {
                (ChangeSet::beside(self.change_id()), None)
            }
        };
        set.received = Some(self.received(provider, event, payment.id, next.as_ref().unwrap_or(payment), context));
        if let Some(received) = &mut set.received {
            received.effect = next.is_some();
        }
        set.calls.extend(asked);
        (set, next)
    }

    fn received(
        &self,
        provider: ProviderName,
        event: &ProviderEvent,
        payment: PaymentId,
        after: &Payment,
        context: &Context,
    ) -> ReceivedEvent {
        ReceivedEvent {
            provider,
            event_id: event.event_id.clone(),
            event_type: event.event_type.clone(),
            payment,
            version: after.version,
            effect: false,
            at: self.now(),
            correlation_id: context.correlation_id.clone(),
        }
    }
}

fn contradicts(payment: PaymentId) {
    metrics::counter!("reconciliation_discrepancies", "kind" => "event_contradicts").increment(1);
    tracing::warn!(%payment, event = "reconciliation_discrepancy", kind = "event_contradicts",
        "the provider's word contradicts ours; a person should look");
}
