//! `POST /v1/payments/{id}/void`: releases what is held. On a payment whose authorization is unknown it is remembered
//! and carried out when that is known (rule 1). Where a payer's approval would take the money before that, the attempt is cancelled
//! at the provider instead.

use tollgate_domain::Payment;

use crate::{Context, Done, Error, Gateway, Route, Target, idempotency::Key, records::Cause};

impl Gateway {
    /// Voids the payment.
    pub async fn void_payment(&self, target: Target, context: Context) -> Result<Done, Error> {
        let gateway = self.clone();
        self.run(async move {
            let path = format!("/v1/payments/{}/void", target.payment);
            let key = Key::new(target.merchant, Route::Void, &target.idempotency_key, &path, &[]);
            let decide = |payment: &Payment, attempt, now| Ok(payment.request_void(attempt, key.hash, now)?);
            let done = gateway.change_payment(&target, key, decide, &context).await?;
            Box::pin(gateway.end_voided_turn(done, &context)).await
        })
        .await
    }

    /// Where the void has ended a payer's turn: cancels the attempt, so that the merchant knows at once that this payment takes
    /// nothing. What goes wrong leaves that to the job, for which the payment is due.
    async fn end_voided_turn(&self, done: Done, context: &Context) -> Result<Done, Error> {
        let payment = &done.payment;
        let Some((open, void)) = payment.open.as_ref().zip(payment.remembered_void.as_ref()) else { return Ok(done) };
        if !open.payers_turn_is_over(self.now()) || self.is_in_flight(open).await? {
            return Ok(done);
        }
        let (id, number, replayed) = (payment.id, void.number, done.replayed);
        if let Err(error) = Box::pin(self.end_payers_turn(payment.clone(), &Cause::Merchant, context)).await {
            tracing::warn!(payment = %id, %error, "a voided attempt was left open; a job or a retry cancels it");
            return Ok(done);
        }
        let payment = self.load(id).await?.ok_or(Error::Internal)?;
        let void = self.operation_of(&payment, number).await?;
        Ok(Done { replayed, ..Done::of(payment, &void, None)? })
    }
}
