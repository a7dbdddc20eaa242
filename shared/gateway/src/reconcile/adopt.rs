//! Adopting the provider's truth of a payment that has nothing open.

use tollgate_domain::{Answer, Change, Observation, Payment};

use crate::{
    Context, Error, Gateway, Resolution,
    ports::provider::LookUp,
    records::{Cause, Committed, ProviderCall},
};

impl Gateway {
    /// Asks how the payment's transaction stands, and adopts what follows from it.
    pub(super) async fn adopt_transaction(
        &self,
        payment: Payment,
        cause: &Cause,
        context: &Context,
    ) -> Result<Resolution, Error> {
        let Some(transaction) = payment.provider_transaction_id.clone() else { return Ok(Resolution::StillUnknown) };
        let (found, row) = self.look_up_transaction(&payment, payment.provider, &transaction, context).await?;
        let LookUp::Found(Answer::Shows(view)) = found else {
            self.commit_row(row).await?;
            return Ok(Resolution::Unreachable);
        };
        if let Observation::Change(change) = payment.observed(&view, true, self.attempt(), self.now()) {
            return self.adopt(&payment, *change, row, cause, context).await;
        }
        self.commit_row(row).await?;
        Ok(Resolution::StillUnknown)
    }

    /// Commits `change` of `payment`, and carries out what it opens.
    pub(super) async fn adopt(
        &self,
        payment: &Payment,
        change: Change,
        row: ProviderCall,
        cause: &Cause,
        context: &Context,
    ) -> Result<Resolution, Error> {
        let next = change.payment.clone();
        let mut set = self.change_set(Some(payment), change, cause.clone(), context);
        set.calls.push(row);
        if self.commit(&set).await? != Committed::Done {
            return Ok(Resolution::Raced);
        }
        Ok(Resolution::Resolved(Box::new(self.carry_out_now_or_leave(next, context).await)))
    }
}
