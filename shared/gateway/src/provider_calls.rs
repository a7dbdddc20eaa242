//! Calls to a provider, each bounded in time and each with its audit row (finding C5).

use std::{borrow::Cow, future::Future, time::Duration};

use tollgate_domain::{Answer, Operation, OperationKind, Payment, Timestamp, TransactionState};

use crate::{
    Context, Error, Gateway,
    bounded::within,
    ports::{
        Provider,
        provider::{Busy, Call, CallKind, LookUp, Pass, Reply},
    },
    records::{ChangeSet, ProviderCall},
};

/// What the audit trail and the log say of a call that was cut off.
const NO_ANSWER_IN_TIME: &str = "no answer in time";

impl Gateway {
    /// Asks for the right to send what `change` opens, before it is committed: where the provider is in trouble, or was called
    /// as often as it allows, nothing is written.
    pub(crate) async fn admit(&self, provider: &dyn Provider, kind: OperationKind) -> Result<Pass, Busy> {
        let admitted = provider.admit(CallKind::Send(kind)).await;
        if let Err(Busy { reason, .. }) = admitted {
            let provider = provider.name().as_str();
            tracing::info!(provider, call = kind.as_str(), reason, "a call was not admitted");
        }
        admitted
    }

    /// Sends the operation's next step.
    pub(crate) async fn send(
        &self,
        payment: &Payment,
        operation: &Operation,
        timeout: Duration,
        pass: Pass,
        context: &Context,
    ) -> Result<(Answer, ProviderCall), Error> {
        let provider = self.provider(operation.provider).ok_or(Error::ProviderUnavailable { retry_after: None })?;
        let seen = seen_by(payment, operation);
        let call = Call { payment: &seen, operation, timeout };
        let cut_off = Answer::Unknown { reason: NO_ANSWER_IN_TIME.to_owned() };
        let (reply, timing) = self.timed(timeout, provider.send_with(call, pass), cut_off).await;
        if let Answer::Unknown { reason } | Answer::NotReached { reason, .. } = &reply.answer {
            let (provider, kind) = (operation.provider.as_str(), operation.kind.as_str());
            tracing::warn!(provider, call = kind, payment = %payment.id, reason, "a call to the provider gave no outcome");
            if reply.repeated {
                self.kept_errors.remember(operation.request_id);
            }
        }
        let row = self.call_row(&call, operation.kind.as_str(), answer_outcome(&reply.answer), &reply, timing, context);
        Ok((reply.answer, row))
    }

    /// Asks how the operation's transaction stands.
    pub(crate) async fn look_up(
        &self,
        payment: &Payment,
        operation: &Operation,
        context: &Context,
    ) -> Result<(LookUp, ProviderCall), Error> {
        let provider = self.provider(operation.provider).ok_or(Error::ProviderUnavailable { retry_after: None })?;
        let timeout = self.settings.provider_timeout;
        let seen = seen_by(payment, operation);
        let call = Call { payment: &seen, operation, timeout };
        let cut_off = LookUp::Failed { reason: NO_ANSWER_IN_TIME.to_owned() };
        let (reply, timing) = self.timed(timeout, provider.look_up(call), cut_off).await;
        let row = self.call_row(&call, "look_up", look_up_outcome(&reply.answer), &reply, timing, context);
        Ok((reply.answer, row))
    }

    /// Cancels an authorization that waits for the payer. `timeout` must not outlast the lease.
    pub(crate) async fn cancel(
        &self,
        payment: &Payment,
        operation: &Operation,
        timeout: Duration,
        context: &Context,
    ) -> Result<(Answer, ProviderCall), Error> {
        let provider = self.provider(operation.provider).ok_or(Error::ProviderUnavailable { retry_after: None })?;
        let seen = seen_by(payment, operation);
        let call = Call { payment: &seen, operation, timeout };
        let cut_off = Answer::Unknown { reason: NO_ANSWER_IN_TIME.to_owned() };
        let (reply, timing) = self.timed(timeout, provider.cancel(call), cut_off).await;
        let row = self.call_row(&call, "cancel", answer_outcome(&reply.answer), &reply, timing, context);
        Ok((reply.answer, row))
    }

    async fn timed<T>(
        &self,
        timeout: Duration,
        call: impl Future<Output = Reply<T>>,
        cut_off: T,
    ) -> (Reply<T>, (Timestamp, Duration)) {
        let (at, started) = (self.now(), self.ports.time.monotonic());
        let reply = within(self.ports.time.as_ref(), timeout, call).await.unwrap_or(Reply {
            answer: cut_off,
            http_status: None,
            reference: None,
            provider_code: None,
            repeated: false,
        });
        (reply, (at, self.ports.time.monotonic().saturating_sub(started)))
    }

    fn call_row<T>(
        &self,
        call: &Call<'_>,
        name: &str,
        outcome: &str,
        reply: &Reply<T>,
        (at, duration): (Timestamp, Duration),
        context: &Context,
    ) -> ProviderCall {
        ProviderCall {
            id: self.change_id(),
            payment: call.payment.id,
            operation: call.operation.number,
            version: call.payment.version,
            provider: call.operation.provider,
            call: name.to_owned(),
            outcome: outcome.to_owned(),
            http_status: reply.http_status,
            reference: reply.reference.clone(),
            provider_code: reply.provider_code.clone(),
            duration,
            at,
            correlation_id: context.correlation_id.clone(),
        }
    }

    /// Commits an audit row by itself.
    pub(crate) async fn commit_row(&self, row: ProviderCall) -> Result<(), Error> {
        let mut set = ChangeSet::beside(self.change_id());
        set.calls.push(row);
        self.commit(&set).await.map(|_| ())
    }
}

/// The payment as the operation's provider may see it: without what another provider said of it, where the payment was moved on
/// to that one.
fn seen_by<'a>(payment: &'a Payment, operation: &Operation) -> Cow<'a, Payment> {
    if operation.provider == payment.provider {
        return Cow::Borrowed(payment);
    }
    let mut seen = payment.clone();
    (seen.provider, seen.provider_request_id) = (operation.provider, operation.request_id);
    (seen.provider_transaction_id, seen.provider_state) = (operation.transaction_id.clone(), None);
    Cow::Owned(seen)
}

/// What the audit trail calls an answer.
fn answer_outcome(answer: &Answer) -> &'static str {
    match answer {
        Answer::Shows(view) => match &view.state {
            TransactionState::AwaitingPayer { .. }
            | TransactionState::Approved { .. }
            | TransactionState::Processing => "pending",
            TransactionState::Declined(_) => "declined",
            _ => "succeeded",
        },
        Answer::ShowsRefund(_) | Answer::Advanced { .. } => "succeeded",
        Answer::Refused { .. } => "refused",
        Answer::Unknown { .. } => "unknown",
        Answer::NotReached { .. } => "not_reached",
    }
}

fn look_up_outcome(answer: &LookUp) -> &'static str {
    match answer {
        LookUp::Found(answer) => answer_outcome(answer),
        LookUp::NotFound => "not_found",
        LookUp::NotOurs { .. } => "not_ours",
        LookUp::Failed { .. } => "unknown",
    }
}
