//! Asking the provider for refunds: those on their way, and those that were done and may have come back (rule 23).

use std::collections::HashMap;

use tollgate_domain::{Answer, Operation, Payment, Refund, RefundId, RefundStatus, RefundView};

use crate::{
    Context, Error, Gateway, JobReport,
    ports::provider::LookUp,
    records::{Cause, Committed, ProviderCall},
};

impl Gateway {
    /// Asks for every refund of `payment`, which has nothing open, that is on its way; with `done_too`, also for those
    /// that are done. Returns the payment as it then is; `None` where somebody else changed it meanwhile.
    pub(super) async fn ask_refunds(
        &self,
        payment: Payment,
        done_too: bool,
        cause: &Cause,
        report: &mut JobReport,
        context: &Context,
    ) -> Result<Option<Payment>, Error> {
        if payment.refunded.is_zero() && payment.refund_reserved.is_zero() {
            return Ok(Some(payment));
        }
        // After the payment: what moves one of them in between makes a version, and this loses its race.
        let refunds = self.ports.stores.timelines.refunds(payment.id);
        let refunds = self.within_store_time(self.settings.store_timeout, refunds).await?;
        let operations = self.refund_operations(&payment).await?;
        let asked = |refund: &Refund| match refund.status {
            RefundStatus::Pending => true,
            RefundStatus::Completed => done_too,
            RefundStatus::Failed => false,
        };
        let mut current = payment;
        for refund in refunds.into_iter().filter(asked) {
            let Some(operation) = operations.get(&refund.id) else {
                report.could_not("refund_without_operation");
                continue;
            };
            // The operation shows the refund as it was asked for; the provider's id of it stands with the refund.
            let operation = Operation { refund: Some(Box::new(refund.clone())), ..operation.clone() };
            let (found, row) = self.look_up(&current, &operation, context).await?;
            match found {
                LookUp::Found(Answer::ShowsRefund(view)) => {
                    match self.refund_seen(current, &refund, &view, row, cause, context).await? {
                        Some(next) => current = next,
                        None => {
                            report.could_not("raced");
                            return Ok(None);
                        }
                    }
                }
                LookUp::Found(_) | LookUp::Failed { .. } => {
                    self.commit_row(row).await?;
                    report.could_not("provider_unreachable");
                }
                LookUp::NotFound => {
                    self.commit_row(row).await?;
                    self.refund_is_missing(&refund, report);
                }
            }
        }
        Ok(Some(current))
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
        payment: Payment,
        refund: &Refund,
        view: &RefundView,
        row: ProviderCall,
        cause: &Cause,
        context: &Context,
    ) -> Result<Option<Payment>, Error> {
        let Some(change) = payment.refund_moved(refund, view, self.now()) else {
            self.commit_row(row).await?;
            return Ok(Some(payment));
        };
        let next = change.payment.clone();
        let mut set = self.change_set(Some(&payment), change, cause.clone(), context);
        set.calls.push(row);
        Ok((self.commit(&set).await? == Committed::Done).then_some(next))
    }

    fn refund_is_missing(&self, refund: &Refund, report: &mut JobReport) {
        tracing::error!(payment = %refund.payment_id, refund = %refund.id, event = "reconciliation_discrepancy",
            kind = "refund_missing", "the provider has no such refund; a person should look");
        metrics::counter!("reconciliation_discrepancies", "kind" => "refund_missing").increment(1);
        report.could_not("refund_missing");
    }
}
