//! What capture and void have in common: load, decide, commit the intent with its key, carry it out.

use tollgate_domain::{Attempt, Change, MerchantId, Payment, PaymentId, Refusal, Timestamp};

use crate::{
    Context, Done, Error, Gateway,
    idempotency::{Key, RACES},
    ports::{FailPoint, provider::Pass},
    records::{Cause, Committed, Guard},
};

/// Which payment a merchant wants to change, under which key.
#[derive(Debug, Clone)]
pub struct Target {
    /// Whose payment it must be.
    pub merchant: MerchantId,
    /// The payment.
    pub payment: PaymentId,
    /// The merchant's key.
    pub idempotency_key: String,
}

impl Gateway {
    /// Commits the intent that `decide` makes of the payment, and carries it out. A lost race loads and decides again.
    /// What is refused is first looked up by its key: a retry of a capture finds the payment captured, by itself.
    pub(crate) async fn change_payment(
        &self,
        target: &Target,
        key: Key,
        decide: impl Fn(&Payment, Attempt, Timestamp) -> Result<Change, Error>,
        context: &Context,
    ) -> Result<Done, Error> {
        for _ in 0..RACES {
            let Some(payment) = self.load(target.payment).await?.filter(|found| found.merchant == target.merchant)
            else {
                return self.replay_or(key, Error::NotFound, context).await;
            };
            let now = self.now();
            let change = match decide(&payment, self.attempt(), now) {
                Ok(change) => change,
                Err(error) => return self.replay_or(key, error, context).await,
            };
            let (next, number) = (change.payment.clone(), change.operation);
            let pass = match self.pass_for(&next, number).await {
                Ok(pass) => pass,
                Err(error) => return self.replay_or(key, error, context).await,
            };
            let mut set = self.change_set(Some(&payment), change, Cause::Merchant, context);
            set.new_key = Some(key.record(payment.id, number, now));
            self.ports.fail_points.pass(FailPoint::BeforeIntent);
            match self.commit(&set).await? {
                Committed::Done => {
                    self.ports.fail_points.pass(FailPoint::AfterIntent);
                    return self.after_intent(next, number, pass, context).await;
                }
                Committed::Conflict(Guard::IdempotencyKey) => {
                    // What is sent again asks for itself, and a breaker that is half open may have no second place.
                    drop(pass);
                    return self.replay_or(key, Error::Internal, context).await;
                }
                Committed::Conflict(_) => {}
            }
        }
        Err(Error::Refused(Refusal::OperationInProgress))
    }

    /// The right to send the operation, where it is to be sent now.
    async fn pass_for(&self, payment: &Payment, number: u32) -> Result<Pass, Error> {
        let Some(open) = payment.open.as_ref().filter(|open| open.number == number) else { return Ok(Pass::free()) };
        let provider = self.provider(open.provider).ok_or(Error::ProviderUnavailable { retry_after: None })?;
        Ok(self.admit(provider.as_ref(), open.kind).await?)
    }

    async fn after_intent(&self, payment: Payment, number: u32, pass: Pass, context: &Context) -> Result<Done, Error> {
        if payment.open.as_ref().is_some_and(|open| open.number == number) {
            let carried = self.carry_out(payment, pass, context).await?;
            return Done::of(carried.payment, &carried.operation, carried.not_reached);
        }
        let operation = self.operation_of(&payment, number).await?;
        Done::of(payment, &operation, None)
    }
}
