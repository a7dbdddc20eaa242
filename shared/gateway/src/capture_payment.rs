//! `POST /v1/payments/{id}/capture`: takes what is held, or a part of it; the rest is released.

use tollgate_domain::{CaptureMethod, Money, Payment, Refusal};

use crate::{Context, Done, Error, Gateway, Route, Target, idempotency::Key};

impl Gateway {
    /// Captures `minor` units in the payment's currency, or everything.
    pub async fn capture_payment(&self, target: Target, minor: Option<i64>, context: Context) -> Result<Done, Error> {
        let gateway = self.clone();
        self.run(async move {
            let path = format!("/v1/payments/{}/capture", target.payment);
            let amount = minor.map(|minor| minor.to_string());
            let parts: Vec<_> = amount.iter().map(|amount| ("amount", amount.as_str())).collect();
            let key = Key::new(target.merchant, Route::Capture, &target.idempotency_key, &path, &parts);
            let decide = |payment: &Payment, attempt, now| {
                let amount = minor.map(|minor| Money::new(minor, payment.amount.currency())).transpose();
                let amount = amount.map_err(|_| Refusal::ExceedsAuthorized(payment.amount))?;
                let change = payment.request_capture(amount, attempt, key.hash, now)?;
                gateway.can_capture(payment, amount)?;
                Ok(change)
            };
            gateway.change_payment(&target, key, decide, &context).await
        })
        .await
    }

    /// What the provider cannot take is refused before the intent (rule 24).
    fn can_capture(&self, payment: &Payment, amount: Option<Money>) -> Result<(), Error> {
        let provider = self.provider(payment.provider).ok_or(Error::ProviderUnavailable { retry_after: None })?;
        let Some(part) = amount.filter(|amount| *amount != payment.amount) else { return Ok(()) };
        if !provider.terms().captures_partially {
            return Err(Error::PartialCaptureNotSupported);
        }
        provider.accepts(part, CaptureMethod::Manual).map_err(Error::Unsupported)
    }
}
