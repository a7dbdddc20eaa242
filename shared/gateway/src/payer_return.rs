//! `GET /return/{opaque}`: the payer comes back from 3-D Secure, an approval or a consent. What the provider then shows
//! is adopted; the provider's event and polling do the same, and the version decides who (rule 7). What the payer brings for the
//! provider's next step is committed first, and nobody else brings it.

use tollgate_domain::{Answer, Change, Observation, Operation, Payment, PaymentStatus};

use crate::{
    Context, Error, Gateway,
    ports::{
        FailPoint,
        provider::{Call, LookUp},
    },
    recent_returns::Came,
    records::{Cause, Committed, ProviderCall},
};

/// More than any provider has a payer bring. It is not read.
const RETURNED_MAX_LEN: usize = 4096;
/// How often a return is taken up anew where somebody else was faster.
const TRIES: usize = 3;

impl Gateway {
    /// Takes the payer's return, with the query `returned` as it came, which is the provider's to read. Returns the payment as it
    /// then is: its `return_url` is where the payer goes on.
    pub async fn payer_returned(&self, opaque: &str, returned: &str, context: Context) -> Result<Payment, Error> {
        let returned = if returned.len() > RETURNED_MAX_LEN { String::new() } else { returned.to_owned() };
        let id = self.settings.return_links.read(opaque).ok_or(Error::NotFound)?;
        let gateway = self.clone();
        self.run(async move {
            for _ in 0..TRIES {
                let payment = gateway.load(id).await?.ok_or(Error::NotFound)?;
                if let Some(after) = gateway.take_return(payment, &returned, &context).await? {
                    return Ok(after);
                }
            }
            // Others move it all the time. The payer goes on, and they see what he did.
            gateway.load(id).await?.ok_or(Error::NotFound)
        })
        .await
    }

    /// `None`: somebody else changed the payment meanwhile.
    async fn take_return(&self, payment: Payment, returned: &str, context: &Context) -> Result<Option<Payment>, Error> {
        let Some(open) = payment.open.clone().filter(|_| payment.status == PaymentStatus::Pending) else {
            return Ok(Some(payment));
        };
        let now = self.now();
        // What he brought before was committed, and the step that follows was cut off: it is taken up again.
        let cut_off = open.payer.is_none() && open.progress.is_some() && open.is_nobodys(now);
        if open.payer.is_none() && !cut_off {
            return Ok(Some(payment));
        }
        if !open.payers_turn_is_over(now)
            && let Some(change) = self.handed_over(&payment, &open, returned)
        {
            return self.adopt_return(&payment, change, None, context).await;
        }
        let came = self.returns.came(payment.id, self.ports.time.monotonic());
        if came == Came::TooOften {
            return Ok(Some(payment));
        }
        let (answer, row) = self.look_up(&payment, &open, context).await?;
        let first = came == Came::First && open.payer.is_some();
        let Some(change) = self.after_return(&payment, answer, first) else {
            self.commit_row(row).await?;
            return Ok(Some(payment));
        };
        self.adopt_return(&payment, change, Some(row), context).await
    }

    async fn adopt_return(
        &self,
        payment: &Payment,
        change: Change,
        row: Option<ProviderCall>,
        context: &Context,
    ) -> Result<Option<Payment>, Error> {
        let next = change.payment.clone();
        let mut set = self.change_set(Some(payment), change, Cause::Payer, context);
        set.calls.extend(row);
        // What the payer has brought, nobody brings again.
        match self.commit_what_is_known_once(&set).await? {
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

    /// What follows from what the provider shows; `first`: that he came is written down in any case.
    fn after_return(&self, payment: &Payment, answer: LookUp, first: bool) -> Option<Change> {
        if let LookUp::Found(Answer::Shows(view)) = answer
            && let Observation::Change(change) = payment.observed(&view, true, self.attempt(), self.now())
        {
            return Some(*change);
        }
        // Nothing new, or the provider could not be asked: the payer came back all the same, and the event will tell.
        if first { payment.payer_returned(self.now()) } else { None }
    }
}
