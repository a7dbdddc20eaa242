//! Resolving an operation whose outcome is unknown, without the merchant: jobs ask, and send again only what cannot
//! charge anybody (rules 2 and 3).

use futures::future::BoxFuture;
use tollgate_domain::{Answer, Change, Observation, Operation, OperationKind, Payment, PaymentId};

use crate::{
    Context, Error, Gateway,
    carry_out::Settled,
    ports::provider::{LookUp, Pass},
    records::{Cause, Committed},
};

/// What resolving came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// Nothing was open.
    NothingOpen,
    /// A call is or may be on its way.
    InFlight,
    /// The payer still has to act.
    AwaitingPayer,
    /// The outcome is now known.
    Resolved(Box<Payment>),
    /// It is still not known.
    StillUnknown,
    /// It is still not known, for the provider could not be asked.
    Unreachable,
    /// Somebody else changed the payment meanwhile.
    Raced,
}

impl Gateway {
    /// Asks the provider for the outcome of what `id` has open, for the job of this name.
    pub async fn resolve_operation(&self, id: PaymentId, job: &str, context: Context) -> Result<Resolution, Error> {
        let (gateway, cause) = (self.clone(), Cause::Job(job.to_owned()));
        self.run(async move {
            let payment = gateway.load(id).await?.ok_or(Error::NotFound)?;
            Ok(match gateway.resolve(payment, &cause, &context).await? {
                Resolution::Unreachable => Resolution::StillUnknown,
                other => other,
            })
        })
        .await
    }

    /// Asks for the outcome of what `payment` has open, and sends again what a job may.
    pub(crate) fn resolve<'a>(
        &'a self,
        payment: Payment,
        cause: &'a Cause,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Resolution, Error>> {
        Box::pin(self.resolve_now(payment, cause, context))
    }

    async fn resolve_now(&self, payment: Payment, cause: &Cause, context: &Context) -> Result<Resolution, Error> {
        let Some(open) = payment.open.clone() else { return Ok(Resolution::NothingOpen) };
        if self.is_in_flight(&open).await? {
            return Ok(Resolution::InFlight);
        }
        if open.payers_turn_is_over(self.now()) {
            return Box::pin(self.end_payers_turn(payment, cause, context)).await;
        }
        if open.payer.is_some() {
            return self.look_for_the_payer(payment, &open, cause, context).await;
        }
        if self.a_job_sends_again(&open)? {
            return self.send_again(payment, &open, cause, context).await;
        }
        self.resolve_by_asking(payment, cause.clone(), context).await
    }

    /// Sending an authorization again is the merchant's retry.
    pub(crate) fn a_job_sends_again(&self, open: &Operation) -> Result<bool, Error> {
        Ok(open.payer.is_none() && open.kind != OperationKind::Authorize && self.may_send_again(open)?)
    }

    /// The payer may have acted without coming back, and the event may be lost: what the provider shows is adopted.
    async fn look_for_the_payer(
        &self,
        payment: Payment,
        open: &Operation,
        cause: &Cause,
        context: &Context,
    ) -> Result<Resolution, Error> {
        let (answer, row) = self.look_up(&payment, open, context).await?;
        let waiting = match &answer {
            LookUp::NotOurs { .. } | LookUp::Failed { .. } => Resolution::Unreachable,
            _ => Resolution::AwaitingPayer,
        };
        let news = match answer {
            LookUp::Found(Answer::Shows(view)) => match payment.observed(&view, true, self.attempt(), self.now()) {
                Observation::Change(_) => Some(Answer::Shows(view)),
                _ => None,
            },
            _ => None,
        };
        let Some(answer) = news else {
            self.commit_row(row).await?;
            return Ok(waiting);
        };
        let settled = self.settle(payment, open, answer, row, found_by(cause), context).await?;
        Ok(self.after_settling(settled, waiting, cause, context).await)
    }

    async fn send_again(
        &self,
        payment: Payment,
        open: &Operation,
        cause: &Cause,
        context: &Context,
    ) -> Result<Resolution, Error> {
        // Nobody is charged twice by these: they carry the operation's id, and move money back or what was held.
        let taken = payment.take_over(self.lease(), self.now()).ok_or(Error::Internal)?;
        let next = taken.payment.clone();
        match self.commit(&self.change_set(Some(&payment), taken, cause.clone(), context)).await? {
            Committed::Done => {}
            Committed::Conflict(_) => return Ok(Resolution::Raced),
        }
        // A refusal is an outcome: what the merchant's own request would make an error of it is none here.
        match self.resume(next, context).await {
            Ok(_) | Err(Error::ProviderRefused(_)) => {}
            Err(Error::ProviderUnavailable { .. }) => return Ok(Resolution::Unreachable),
            Err(error) => return Err(error),
        }
        let payment = self.load(payment.id).await?.ok_or(Error::Internal)?;
        let still_open = payment.open.as_ref().is_some_and(|now| now.number == open.number);
        Ok(if still_open { Resolution::StillUnknown } else { Resolution::Resolved(Box::new(payment)) })
    }

    /// By reading only. "No such request" and "still only held" count after a commit that takes the operation over, five
    /// minutes past the last call that could have been sent.
    pub(crate) fn resolve_by_asking<'a>(
        &'a self,
        payment: Payment,
        cause: Cause,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Resolution, Error>> {
        Box::pin(self.resolve_by_asking_now(payment, cause, context))
    }

    async fn resolve_by_asking_now(
        &self,
        payment: Payment,
        cause: Cause,
        context: &Context,
    ) -> Result<Resolution, Error> {
        let mut current = payment;
        let was_taken_over = |open: &Operation| open.lease.is_none() && open.nobody_may_send(self.now());
        let nobody_may_send = if current.open.as_ref().is_some_and(was_taken_over) {
            // By an earlier commit. Whoever sends it again makes a version, and what follows here loses its race.
            true
        } else if let Some(taken) = current.take_over_to_ask(self.now()) {
            let next = taken.payment.clone();
            let set = self.change_set(Some(&current), taken, cause.clone(), context);
            if self.commit(&set).await? != Committed::Done {
                return Ok(Resolution::Raced);
            }
            current = next;
            true
        } else {
            false
        };
        let open = current.open.clone().ok_or(Error::Internal)?;
        let (answer, row) = self.look_up(&current, &open, context).await?;
        if let Some(change) = self.never_done(&current, &answer).filter(|_| nobody_may_send) {
            let next = change.payment.clone();
            let mut set = self.change_set(Some(&current), change, cause.clone(), context);
            set.calls.push(row);
            return match self.commit(&set).await? {
                Committed::Done => self.carry_on(next, open.number, &cause, context).await,
                Committed::Conflict(_) => Ok(Resolution::Raced),
            };
        }
        let answer = match answer {
            LookUp::Found(answer) if self.tells_nothing(&current, &answer) => {
                self.commit_row(row).await?;
                return Ok(Resolution::StillUnknown);
            }
            LookUp::Found(answer) => answer,
            LookUp::NotFound => {
                self.commit_row(row).await?;
                return Ok(Resolution::StillUnknown);
            }
            LookUp::NotOurs { .. } | LookUp::Failed { .. } => {
                self.commit_row(row).await?;
                return Ok(Resolution::Unreachable);
            }
        };
        let settled = self.settle(current, &open, answer, row, found_by(&cause), context).await?;
        Ok(self.after_settling(settled, Resolution::StillUnknown, &cause, context).await)
    }

    /// The provider is still working on it, say: then nothing is written but that it was asked.
    fn tells_nothing(&self, payment: &Payment, answer: &Answer) -> bool {
        let Answer::Shows(view) = answer else { return false };
        let nothing = Observation::Nothing { contradiction: false };
        payment.observed(view, true, self.attempt(), self.now()) == nothing
    }

    /// What follows if nobody may send the open operation any more and the provider answers this.
    fn never_done(&self, payment: &Payment, answer: &LookUp) -> Option<Change> {
        match answer {
            LookUp::NotFound => match payment.open.as_ref().map(|open| open.kind) {
                // The provider's list is whole, whatever id it was asked for under: there is no such refund, yet.
                Some(OperationKind::Refund) => self.refund_once_more(payment),
                _ => payment.never_arrived(self.now()),
            },
            // The money stands where it stood. (A provider that is still working on it shows something else.)
            LookUp::Found(Answer::Shows(view)) if view.state.is_settled() => {
                match payment.observed(view, true, self.attempt(), self.now()) {
                    Observation::Nothing { contradiction: false } => payment.afresh(self.attempt(), self.now()),
                    _ => None,
                }
            }
            LookUp::Found(_) | LookUp::NotOurs { .. } | LookUp::Failed { .. } => None,
        }
    }

    /// What was asked for may still be on its way, for hours, and nothing undoes a refund too many: while the provider knows its id, the
    /// same request is sent again. Under a new id only where the provider keeps an error under the old one, or has forgotten it.
    fn refund_once_more(&self, payment: &Payment) -> Option<Change> {
        let (open, now) = (payment.open.as_ref()?, self.now());
        let window = self.provider(open.provider)?.terms().resend_window;
        let is_known = open.opened_at <= now && now < open.opened_at + window;
        if is_known && !self.kept_errors.has(open.request_id) {
            payment.take_over(self.lease(), now)
        } else {
            payment.afresh(self.attempt(), now)
        }
    }

    /// Sends what was leased; otherwise the outcome is known.
    async fn carry_on(
        &self,
        payment: Payment,
        number: u32,
        cause: &Cause,
        context: &Context,
    ) -> Result<Resolution, Error> {
        if payment.open.as_ref().is_none_or(|open| open.number != number) {
            return Ok(self.resolved(payment, cause, context).await);
        }
        let carried = self.carry_out(payment, Pass::free(), context).await?;
        let closed = carried.operation.state.is_closed();
        Ok(if closed { Resolution::Resolved(Box::new(carried.payment)) } else { Resolution::StillUnknown })
    }

    /// What an answer that was taken comes to; `open` while the operation is still open.
    pub(crate) async fn after_settling(
        &self,
        settled: Settled,
        open: Resolution,
        cause: &Cause,
        context: &Context,
    ) -> Resolution {
        match (settled.operation.state.is_closed(), settled.ours) {
            // The payer has approved: what comes next is ours to send, and nobody else's.
            (false, true) if self.may_send(&settled.payment).is_some() => {
                let number = settled.operation.number;
                match self.resolved(settled.payment, cause, context).await {
                    Resolution::Resolved(payment) if payment.open.as_ref().is_none_or(|open| open.number != number) => {
                        Resolution::Resolved(payment)
                    }
                    _ => open,
                }
            }
            (false, _) => open,
            (true, true) => self.resolved(settled.payment, cause, context).await,
            (true, false) => Resolution::Resolved(Box::new(settled.payment)),
        }
    }

    /// Known now; what it opened is ours to carry out. A job sees to that before it ends, a merchant does not wait for it.
    async fn resolved(&self, payment: Payment, cause: &Cause, context: &Context) -> Resolution {
        if let Cause::Job(_) = cause {
            let payment = self.carry_out_now_or_leave(payment, context).await;
            return Resolution::Resolved(Box::new(payment));
        }
        self.carry_out_later(payment.clone(), context);
        Resolution::Resolved(Box::new(payment))
    }
}

/// What the timeline names as the cause of what a look-up found.
fn found_by(cause: &Cause) -> Cause {
    match cause {
        Cause::Job(_) => cause.clone(),
        _ => Cause::LookUp,
    }
}
