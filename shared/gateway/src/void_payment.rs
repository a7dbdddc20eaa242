//! `POST /v1/payments/{id}/void`: releases what is held. On a payment whose authorization is unknown it is remembered
//! and carried out when that is known (rule 1).

use tollgate_domain::Payment;

use crate::{Context, Done, Error, Gateway, Route, Target, idempotency::Key};

impl Gateway {
    /// Voids the payment.
    pub async fn void_payment(&self, target: Target, context: Context) -> Result<Done, Error> {
        let gateway = self.clone();
        self.run(async move {
            let path = format!("/v1/payments/{}/void", target.payment);
            let key = Key::new(target.merchant, Route::Void, &target.idempotency_key, &path, &[]);
            let decide = |payment: &Payment, attempt, now| Ok(payment.request_void(attempt, key.hash, now)?);
            gateway.change_payment(&target, key, decide, &context).await
        })
        .await
    }
}
