//! `POST /v1/payments/{id}/refund`, and the reads of refunds: gives back what was taken, or a part of it. The amount is
//! reserved on the payment's row by the intent, so that no two refunds together exceed what was captured (rule 1).

use tollgate_domain::{CaptureMethod, MerchantId, Money, Payment, PaymentId, Refund, RefundId, RefundStatus, Refusal};

use crate::{Context, Error, Gateway, Route, Target, idempotency::Key};

/// What a merchant wants back for a payer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundPayment {
    /// In minor units; `None`: all that is left.
    pub minor: Option<i64>,
    /// The merchant's words.
    pub reason: Option<String>,
}

/// A refund as it now is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundDone {
    /// The refund.
    pub refund: Refund,
    /// The key had been used for this request before.
    pub replayed: bool,
}

impl RefundDone {
    /// `false`: it is not known yet, or on its way.
    pub fn known(&self) -> bool {
        self.refund.status != RefundStatus::Pending
    }
}

impl Gateway {
    /// Refunds the payment, or gives the refund that this key made.
    pub async fn refund_payment(
        &self,
        target: Target,
        command: RefundPayment,
        context: Context,
    ) -> Result<RefundDone, Error> {
        let gateway = self.clone();
        self.run(async move {
            let path = format!("/v1/payments/{}/refund", target.payment);
            let amount = command.minor.map(|minor| minor.to_string());
            let parts: Vec<_> = [("amount", amount.as_deref()), ("reason", command.reason.as_deref())]
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect();
            let key = Key::new(target.merchant, Route::Refund, &target.idempotency_key, &path, &parts);
            let decide = |payment: &Payment, attempt, now| {
                let amount = command.minor.map(|minor| Money::new(minor, payment.amount.currency())).transpose();
                let amount = amount.map_err(|_| Refusal::RefundExceedsCaptured(payment.refundable()))?;
                let reason = command.reason.clone();
                let change = payment.request_refund(gateway.refund_id(), amount, reason, attempt, key.hash, now)?;
                gateway.can_refund(payment, amount)?;
                Ok(change)
            };
            let done = Box::pin(gateway.change_payment(&target, key, decide, &context)).await?;
            // The operation carries the refund as it was asked for; its row tells how it now is.
            let id = done.refund.ok_or(Error::Internal)?;
            let refund = gateway.load_refund(id).await?.ok_or(Error::Internal)?;
            Ok(RefundDone { refund, replayed: done.replayed })
        })
        .await
    }

    /// The merchant's refund; another merchant's is not found.
    pub async fn get_refund(&self, merchant: MerchantId, id: RefundId) -> Result<Refund, Error> {
        let refund = self.load_refund(id).await?.ok_or(Error::NotFound)?;
        self.get_payment(merchant, refund.payment_id).await.map(|_| refund)
    }

    /// The refunds of the merchant's payment, oldest first; another merchant's payment is not found.
    pub async fn list_refunds(&self, merchant: MerchantId, payment: PaymentId) -> Result<Vec<Refund>, Error> {
        self.get_payment(merchant, payment).await?;
        Ok(self.within_store_time(self.settings.store_timeout, self.ports.stores.timelines.refunds(payment)).await?)
    }

    pub(crate) async fn load_refund(&self, id: RefundId) -> Result<Option<Refund>, Error> {
        Ok(self.within_store_time(self.settings.store_timeout, self.ports.stores.timelines.refund(id)).await?)
    }

    /// What the provider cannot give back is refused before the intent (rule 24).
    fn can_refund(&self, payment: &Payment, amount: Option<Money>) -> Result<(), Error> {
        let provider = self.provider(payment.provider).ok_or(Error::ProviderUnavailable { retry_after: None })?;
        match amount {
            Some(part) => provider.accepts(part, CaptureMethod::Manual).map_err(Error::Unsupported),
            None => Ok(()),
        }
    }
}
