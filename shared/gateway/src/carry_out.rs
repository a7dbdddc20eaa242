//! Carrying an open operation out: call, commit the outcome, and go on with what follows from it (another step, the
//! capture of an automatic payment, a remembered void) until nothing is left that this process may send.

use std::time::Duration;

use futures::future::BoxFuture;
use tollgate_domain::{Answer, Change, Observation, Operation, Payment};

use crate::{
    Context, Error, Gateway,
    done::NotReached,
    idempotency::RACES,
    ports::{
        FailPoint,
        provider::{LookUp, Pass},
    },
    records::{Cause, Committed, Guard, ProviderCall},
};

/// More steps than any operation and what follows from it have: a bound against a provider that never ends.
const STEPS: usize = 8;

/// An operation after this process did what it could.
pub(crate) struct Carried {
    pub(crate) payment: Payment,
    pub(crate) operation: Operation,
    /// The operation is still open because the provider was not reached.
    pub(crate) not_reached: Option<NotReached>,
}

/// An answer that was taken: payment and operation as they then are.
pub(crate) struct Settled {
    pub(crate) payment: Payment,
    pub(crate) operation: Operation,
    /// This commit brought it: what it opened is this process's to carry out.
    pub(crate) ours: bool,
}

impl Gateway {
    /// Carries out the operation that `payment` has open and this process holds the lease of. `payment` is as
    /// committed: nothing is sent that is not written.
    ///
    /// `pass`: the right to the first call, where it was asked for before the intent.
    pub(crate) fn carry_out<'a>(
        &'a self,
        payment: Payment,
        pass: Pass,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Carried, Error>> {
        Box::pin(self.carry_out_now(payment, pass, context))
    }

    async fn carry_out_now(&self, mut payment: Payment, mut pass: Pass, context: &Context) -> Result<Carried, Error> {
        let asked = payment.open.clone().ok_or(Error::Internal)?;
        let mut result = None;
        for _ in 0..STEPS {
            let Some((open, time_left)) = self.may_send(&payment) else { break };
            let (answer, row) =
                self.send(&payment, &open, time_left, std::mem::replace(&mut pass, Pass::free()), context).await?;
            self.ports.fail_points.pass(FailPoint::AfterCall);
            let not_reached = match &answer {
                Answer::NotReached { retry_after, .. } => Some(NotReached { retry_after: *retry_after }),
                _ => None,
            };
            let settled = self.settle(payment, &open, answer, row, Cause::ProviderAnswer, context).await?;
            self.ports.fail_points.pass(FailPoint::AfterOutcome);
            payment = settled.payment;
            if settled.operation.number == asked.number {
                // Where somebody else has taken it up meanwhile, that we reached nobody says nothing of theirs.
                result = Some((settled.operation, not_reached.filter(|_| settled.ours)));
            }
            // What somebody else's commit opened, in this process or another, is theirs to send.
            if !settled.ours {
                break;
            }
        }
        let (operation, not_reached) = result.unwrap_or((asked, None));
        Ok(Carried { payment, operation, not_reached })
    }

    /// Starts to carry out what `payment` has open and this process holds the lease of, without waiting for it.
    pub(crate) fn carry_out_later(&self, payment: Payment, context: &Context) {
        if self.may_send(&payment).is_none() {
            return;
        }
        let (gateway, context) = (self.clone(), context.clone());
        self.ports.spawn.spawn(Box::pin(async move {
            if let Err(error) = gateway.carry_out(payment, Pass::free(), &context).await {
                tracing::warn!(%error, "an operation was left open; a job or a retry takes it up");
            }
        }));
    }

    /// Carries out what `payment` has open, if this process holds the lease of it. What goes wrong leaves it open, for a
    /// later run. Returns the payment as far as it came.
    pub(crate) async fn carry_out_now_or_leave(&self, payment: Payment, context: &Context) -> Payment {
        if self.may_send(&payment).is_none() {
            return payment;
        }
        let as_it_was = payment.clone();
        match self.carry_out(payment, Pass::free(), context).await {
            Ok(carried) => carried.payment,
            Err(error) => {
                tracing::warn!(payment = %as_it_was.id, %error, "an operation was left open; a later run takes it up");
                as_it_was
            }
        }
    }

    /// The operation that this process may send now, and for how long (rule 2).
    pub(crate) fn may_send(&self, payment: &Payment) -> Option<(Operation, Duration)> {
        let open = payment.open.as_ref().filter(|open| open.payer.is_none())?;
        let lease = open.lease.filter(|lease| lease.owner == self.settings.boot)?;
        let left = Duration::try_from(lease.call_until.duration_since(self.now())).ok()?;
        (!left.is_zero()).then(|| (open.clone(), left.min(self.settings.provider_timeout)))
    }

    /// Asks the provider how the open `operation` stands, and commits what it says. What that opens (a remembered void,
    /// the capture of an automatic payment) is carried out without waiting for it.
    pub(crate) fn ask<'a>(
        &'a self,
        payment: Payment,
        operation: &'a Operation,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<(Payment, Operation), Error>> {
        Box::pin(self.ask_now(payment, operation, context))
    }

    async fn ask_now(
        &self,
        payment: Payment,
        operation: &Operation,
        context: &Context,
    ) -> Result<(Payment, Operation), Error> {
        match self.look_up(&payment, operation, context).await? {
            (LookUp::Found(answer), row) => {
                let settled = self.settle(payment, operation, answer, row, Cause::LookUp, context).await?;
                if settled.ours {
                    self.carry_out_later(settled.payment.clone(), context);
                }
                Ok((settled.payment, settled.operation))
            }
            (LookUp::NotFound | LookUp::NotOurs { .. } | LookUp::Failed { .. }, row) => {
                self.commit_row(row).await?;
                Ok((payment, operation.clone()))
            }
        }
    }

    /// Commits what `answer` means for the operation that it was `asked` for, with the audit row of the call. Where somebody else changed
    /// the payment meanwhile, it is loaded and decided again; where nothing follows any more, only the audit row is written. Returns
    /// payment and operation as they then are.
    pub(crate) async fn settle(
        &self,
        mut payment: Payment,
        asked: &Operation,
        mut answer: Answer,
        row: ProviderCall,
        cause: Cause,
        context: &Context,
    ) -> Result<Settled, Error> {
        let number = asked.number;
        for _ in 0..RACES {
            let Some(change) = self.meaning(&payment, asked, &answer) else {
                self.commit_row(row).await?;
                let operation = self.operation_of(&payment, number).await?;
                return Ok(Settled { payment, operation, ours: false });
            };
            let next = change.payment.clone();
            let written = change.operations.iter().find(|operation| operation.number == number).cloned();
            let mut set = self.change_set(Some(&payment), change, cause.clone(), context);
            set.calls.push(row.clone());
            match self.commit(&set).await? {
                Committed::Done => {
                    let operation = match written {
                        Some(operation) => operation,
                        None => self.operation_of(&next, number).await?,
                    };
                    return Ok(Settled { payment: next, operation, ours: true });
                }
                Committed::Conflict(Guard::Reference) => {
                    tracing::error!(payment = %payment.id, "the provider answered with another payment's transaction");
                    answer = Answer::Unknown { reason: "the answer names another payment's transaction".to_owned() };
                }
                Committed::Conflict(_) => payment = self.load(payment.id).await?.ok_or(Error::Internal)?,
            }
        }
        Err(Error::Internal)
    }

    /// What `answer` means for the operation that it was `asked` for. Where somebody has taken the operation over since (a lease ended,
    /// by their clock or because we stood still), that our call came to nothing says nothing of theirs: only what the provider itself
    /// says counts. Where the operation is closed already, because an event was faster, the answer still shows the transaction as it
    /// stands: it may know more than the event did. Where the operation was sent afresh meanwhile, this is the answer to a request that
    /// no longer counts, and no word about the one that does. And where the payment was moved to another provider, it is no word about
    /// that one's transaction either.
    fn meaning(&self, payment: &Payment, asked: &Operation, answer: &Answer) -> Option<Change> {
        let (next, now) = (self.attempt(), self.now());
        let is_open = |open: &Operation| open.number == asked.number && open.request_id == asked.request_id;
        if let Some(open) = payment.open.as_ref().filter(|open| is_open(open)) {
            let taken_over = open.lease != asked.lease;
            if taken_over && matches!(answer, Answer::Unknown { .. } | Answer::NotReached { .. }) {
                return None;
            }
            return payment.answered(asked.number, answer, next, now);
        }
        let Answer::Shows(view) = answer else { return None };
        // As a hint only: what happened since, an event has told.
        let seen = if asked.provider == payment.provider {
            payment.observed(view, false, next, now)
        } else {
            payment.observed_elsewhere(asked.provider, view, false, next, now)
        };
        match seen {
            Observation::Change(change) => Some(*change),
            _ => None,
        }
    }
}
