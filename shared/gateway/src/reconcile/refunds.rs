//! Asking the provider for refunds: those on their way, and those that were done and may have come back (rule 23).

use std::collections::HashMap;

use tollgate_domain::{Answer, Operation, Payment, Refund, RefundId, RefundStatus, RefundView};

use crate::{
    Context, Error, Gateway, Resolution,
    ports::provider::LookUp,
    records::{Cause, Committed, ProviderCall},
};

/// What asking for a payment's refunds came to.
pub(super) struct Refunds {
    /// The payment as it then is.
    pub(super) payment: Payment,
    /// `NothingOpen` where every one was asked for; otherwise why not.
    pub(super) resolution: Resolution,
    /// The provider has no such refund as one of these.
    pub(super) missing: bool,
}

impl Gateway {
    /// Asks for every refund of `payment`, which has nothing open, that is on its way; with `done_too`, also for those
    /// that are done.
    pub(super) async fn ask_refunds(
        &self,
        payment: Payment,
        done_too: bool,
        cause: &Cause,
        context: &Context,
    ) -> Result<Refunds, Error> {
        let mut asked = Refunds { payment, resolution: Resolution::NothingOpen, missing: false };
        if asked.payment.refunded.is_zero() && asked.payment.refund_reserved.is_zero() {
            return Ok(asked);
        }
        // After the payment: what moves one of them in between makes a version, and this loses its race.
        let refunds = self.ports.stores.timelines.refunds(asked.payment.id);
        let refunds = self.within_store_time(self.settings.store_timeout, refunds).await?;
        let operations = self.refund_operations(&asked.payment).await?;
        let wanted = |refund: &Refund| match refund.status {
            RefundStatus::Pending => true,
            RefundStatus::Completed => done_too,
            RefundStatus::Failed => false,
        };
        for refund in refunds.into_iter().filter(wanted) {
            let operation = operations.get(&refund.id).ok_or(Error::Internal)?;
            if !self.ask_refund(&mut asked, &refund, operation, cause, context).await? {
                asked.resolution = Resolution::Raced;
            }
            // Where the provider does not answer, each of the others would wait for it as long.
            if asked.resolution != Resolution::NothingOpen {
                break;
            }
        }
        Ok(asked)
    }

    /// Asks for one; `false` where somebody else changed the payment meanwhile.
    async fn ask_refund(
        &self,
        asked: &mut Refunds,
        refund: &Refund,
        operation: &Operation,
        cause: &Cause,
        context: &Context,
    ) -> Result<bool, Error> {
        // The operation shows the refund as it was asked for; the provider's id of it stands with the refund.
        let operation = Operation { refund: Some(Box::new(refund.clone())), ..operation.clone() };
        let (found, row) = self.look_up(&asked.payment, &operation, context).await?;
        match found {
            LookUp::Found(Answer::ShowsRefund(view)) => {
                let Some(next) = self.refund_seen(&asked.payment, refund, &view, row, cause, context).await? else {
                    return Ok(false);
                };
                asked.payment = next;
            }
            LookUp::NotFound | LookUp::NotOurs { .. } => {
                self.commit_row(row).await?;
                asked.missing = true;
            }
            LookUp::Found(_) | LookUp::Failed { .. } => {
                self.commit_row(row).await?;
                asked.resolution = Resolution::Unreachable;
            }
        }
        Ok(true)
    }

    /// The operation that carried each refund out.
    async fn refund_operations(&self, payment: &Payment) -> Result<HashMap<RefundId, Operation>, Error> {
        let mut operations = HashMap::new();
        // The first is the authorization.
        for number in 2..=payment.operations {
            let Some(operation) = self.load_operation(payment.id, number).await? else { continue };
            if let Some(id) = operation.refund.as_ref().map(|refund| refund.id) {
                operations.insert(id, operation);
            }
        }
        Ok(operations)
    }

    /// Commits what `view` tells of `refund`; `None` where somebody was faster.
    async fn refund_seen(
        &self,
        payment: &Payment,
        refund: &Refund,
        view: &RefundView,
        row: ProviderCall,
        cause: &Cause,
        context: &Context,
    ) -> Result<Option<Payment>, Error> {
        let Some(change) = payment.refund_moved(refund, view, self.now()) else {
            self.commit_row(row).await?;
            return Ok(Some(payment.clone()));
        };
        let next = change.payment.clone();
        let mut set = self.change_set(Some(payment), change, cause.clone(), context);
        set.calls.push(row);
        Ok((self.commit(&set).await? == Committed::Done).then_some(next))
    }
}
