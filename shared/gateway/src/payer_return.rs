//! `GET /return/{opaque}`: the payer comes back from 3-D Secure, an approval or a consent. What the provider then shows
//! is adopted; the provider's event and polling do the same, and the version decides who (rule 7). What the payer brings for the
//! provider's next step is committed first, and nobody else brings it.

use tollgate_domain::{Answer, Change, Observation, Operation, Payment, PaymentStatus};

use crate::{
    Context, Error, Gateway,
    idempotency::RACES,
    ports::{
        FailPoint,
        provider::{Call, LookUp},
    },
    records::{Cause, Committed},
};

/// More than any provider has a payer bring. It is not read.
const RETURNED_MAX_LEN: usize = 4096;

impl Gateway {
    /// Takes the payer's return, with the query `returned` as it came, which is the provider's to read. Returns the payment as it
    /// then is: its `return_url` is where the payer goes on.
    pub async fn payer_returned(&self, opaque: &str, returned: &str, context: Context) -> Result<Payment, Error> {
        let returned = if returned.len() > RETURNED_MAX_LEN { String::new() } else { returned.to_owned() };
        let id = self.settings.return_links.read(opaque).ok_or(Error::NotFound)?;
        let gateway = self.clone();
        self.run(async move {
            for _ in 0..RACES {
                let payment = gateway.load(id).await?.ok_or(Error::NotFound)?;
                if let Some(after) = gateway.take_return(payment, &returned, &context).await? {
                    return Ok(after);
                }
            }
            Err(Error::Internal)
        })
        .await
    }

    /// `None`: somebody else changed the payment meanwhile.
    async fn take_return(&self, payment: Payment, returned: &str, context: &Context) -> Result<Option<Payment>, Error> {
        let Some(open) = payment.open.clone().filter(|_| payment.status == PaymentStatus::Pending) else {
            return Ok(Some(payment));
        };
        if open.payer.is_none() {
            return Ok(Some(payment));
        }
        let (change, row) = if let Some(change) = self.handed_over(&payment, &open, returned) {
            (Some(change), None)
        } else {
            let (answer, row) = self.look_up(&payment, &open, context).await?;
            (self.after_return(&payment, answer), Some(row))
        };
        let Some(change) = change else { return Ok(Some(payment)) };
        let next = change.payment.clone();
        let mut set = self.change_set(Some(&payment), change, Cause::Payer, context);
        set.calls.extend(row);
        match self.commit(&set).await? {
            Committed::Done => {
                self.ports.fail_points.pass(FailPoint::AfterReturn);
                self.carry_out_later(next.clone(), context);
                Ok(Some(next))
            }
            Committed::Conflict(_) => Ok(None),
        }
    }

    /// What the payer brought for the provider's next step.
    fn handed_over(&self, payment: &Payment, open: &Operation, returned: &str) -> Option<Change> {
        let provider = self.provider(open.provider)?;
        let call = Call { payment, operation: open, timeout: self.settings.provider_timeout };
        let view = provider.brought_back(call, returned)?;
        match payment.observed(&view, true, self.attempt(), self.now()) {
            Observation::Change(change) => Some(*change),
            _ => None,
        }
    }

    fn after_return(&self, payment: &Payment, answer: LookUp) -> Option<Change> {
        if let LookUp::Found(Answer::Shows(view)) = answer
            && let Observation::Change(change) = payment.observed(&view, true, self.attempt(), self.now())
        {
            return Some(*change);
        }
        // Nothing new, or the provider could not be asked: the payer came back all the same, and the event will tell.
        payment.payer_returned(self.now())
    }
}
