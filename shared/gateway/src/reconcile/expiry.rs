//! What time brings to its end: a payer's turn, and an authorization. Both end at the provider first, and only then
//! here (rule 7).

use std::time::Duration;

use tollgate_domain::{Answer, Operation, Payment, PaymentStatus, TransactionState};

use crate::{
    Context, Error, Gateway, Resolution,
    carry_out::Settled,
    ports::{
        FailPoint,
        provider::{LookUp, Pass},
    },
    records::{Cause, Committed},
};

impl Gateway {
    /// The payer's turn is over: takes the attempt, looks whether the payer was faster, cancels it at the provider, and
    /// adopts what that shows. Whoever loses the race for the attempt sends nothing.
    pub(crate) async fn end_payers_turn(
        &self,
        payment: Payment,
        cause: &Cause,
        context: &Context,
    ) -> Result<Resolution, Error> {
        let Some(change) = payment.expire_approval(self.lease(), self.now()) else {
            return Ok(Resolution::NothingOpen);
        };
        let taken = change.payment.clone();
        let set = self.change_set(Some(&payment), change, cause.clone(), context);
        if self.commit(&set).await? != Committed::Done {
            return Ok(Resolution::Raced);
        }
        let open = taken.open.clone().ok_or(Error::Internal)?;
        // A payer who approved in time may only not have come back. Cancelling would undo that.
        let (found, row) = self.look_up(&taken, &open, context).await?;
        // (Unless the merchant has voided it: then an approval of which nothing came yet comes to nothing.)
        let given_up = taken.remembered_void.is_some();
        match found {
            LookUp::Found(answer) if is_decided(&answer) && !(given_up && is_approved(&answer)) => {
                let settled = self.settle(taken, &open, answer, row, cause.clone(), context).await?;
                return Ok(self.after_settling(settled, Resolution::StillUnknown, cause, context).await);
            }
            LookUp::Found(_) => self.commit_row(row).await?,
            LookUp::NotFound => {
                self.commit_row(row).await?;
                return Ok(Resolution::StillUnknown);
            }
            LookUp::NotOurs { .. } | LookUp::Failed { .. } => {
                self.commit_row(row).await?;
                return Ok(Resolution::Unreachable);
            }
        }
        Box::pin(self.cancel_attempt(taken, &open, cause, context)).await
    }

    async fn cancel_attempt(
        &self,
        payment: Payment,
        open: &Operation,
        cause: &Cause,
        context: &Context,
    ) -> Result<Resolution, Error> {
        // Nothing is sent after the lease, whatever stalled meanwhile (rule 2).
        let until = open.lease.map_or(self.now(), |lease| lease.call_until);
        let left = Duration::try_from(until.duration_since(self.now())).unwrap_or_default();
        if left.is_zero() {
            return Ok(Resolution::StillUnknown);
        }
        let timeout = left.min(self.settings.provider_timeout);
        let (answer, row) = self.cancel(&payment, open, timeout, context).await?;
        self.ports.fail_points.pass(FailPoint::AfterCall);
        let (answer, still) = match answer {
            // A no to the cancel is none to the authorization: how that stands is looked at again.
            Answer::Refused { failure, .. } => {
                (Answer::Unknown { reason: format!("not cancelled: {}", failure.code) }, Resolution::StillUnknown)
            }
            Answer::NotReached { .. } => (answer, Resolution::Unreachable),
            _ => (answer, Resolution::StillUnknown),
        };
        // It counts for the attempt as it was taken, and for no other: some providers have no call that cancels, and what their adapters
        // say is right only as long as nobody can send the next step. Where the payer's approval was taken up meanwhile, somebody does.
        let Some(change) = payment.answered(open.number, &answer, self.attempt(), self.now()) else {
            self.commit_row(row).await?;
            return Ok(still);
        };
        let next = change.payment.clone();
        let mut set = self.change_set(Some(&payment), change, cause.clone(), context);
        set.calls.push(row.clone());
        if self.commit(&set).await? != Committed::Done {
            self.commit_row(row).await?;
            return Ok(Resolution::Raced);
        }
        let operation = self.operation_of(&next, open.number).await?;
        let settled = Settled { payment: next, operation, ours: true };
        Ok(self.after_settling(settled, still, cause, context).await)
    }

    /// The authorization is past its end: voids it at the provider. Where that is refused, the provider's truth is
    /// adopted: it may be captured there, or gone.
    pub(super) async fn expire_authorization(
        &self,
        payment: Payment,
        cause: &Cause,
        context: &Context,
    ) -> Result<Resolution, Error> {
        let Some(change) = payment.expire(self.attempt(), self.now()) else { return Ok(Resolution::NothingOpen) };
        let next = change.payment.clone();
        let set = self.change_set(Some(&payment), change, cause.clone(), context);
        if self.commit(&set).await? != Committed::Done {
            return Ok(Resolution::Raced);
        }
        let carried = self.carry_out(next, Pass::free(), context).await?;
        if carried.not_reached.is_some() {
            return Ok(Resolution::Unreachable);
        }
        if carried.payment.open.is_some() {
            return Ok(Resolution::StillUnknown);
        }
        if carried.payment.status != PaymentStatus::Authorized {
            return Ok(Resolution::Resolved(Box::new(carried.payment)));
        }
        self.adopt_transaction(carried.payment, cause, context).await
    }
}

/// Whether the payer has approved, and nothing came of it yet.
fn is_approved(answer: &Answer) -> bool {
    matches!(answer, Answer::Shows(view) if matches!(view.state, TransactionState::Approved { .. }))
}

/// Whether the payer's turn needs no cancelling any more: the money is held or taken, or the attempt is cancelled.
fn is_decided(answer: &Answer) -> bool {
    use TransactionState::{AwaitingPayer, Declined, Processing};
    !matches!(answer, Answer::Shows(view) if matches!(view.state, AwaitingPayer { .. } | Processing | Declined(_)))
}
