//! `/domestic-payments`: submitted and shown.

use serde_json::Value;

use super::{
    Bank, Call,
    consent::Consent,
    consents::key_reused,
    debtor::{self, Debtor},
    errors::ApiError,
    payment::{Payment, Step},
    requests, shape,
    state::Use,
    status::{ConsentStatus, PaymentStatus},
    tokens::Token,
};
use crate::Interference;

impl Bank {
    pub(super) fn submit_payment(
        &mut self,
        call: &mut Call,
        token: &Token,
        key: &str,
        body: &Value,
    ) -> Result<Value, ApiError> {
        requests::check_payment(body)?;
        let now = call.unix();
        let named = body["Data"]["ConsentId"].as_str().unwrap_or_default();
        let consent = self.consent(&token.client, named).map_err(|_| ApiError::no_such("Data.ConsentId"))?.clone();
        token.may_use(&consent)?;
        let difference = shape::first_difference(consent.initiation(), &body["Data"]["Initiation"], "Data.Initiation")
            .or_else(|| shape::first_difference(&consent.request["Risk"], &body["Risk"], "Risk"));
        if let Some(made) = self.state.made(Use::Payment, &token.client, key, now) {
            let payment = self.payment(&token.client, made)?;
            let is_same = payment.consent == consent.id && difference.is_none();
            return if is_same { Ok(payment.to_json(&consent)) } else { Err(key_reused()) };
        }
        if let Some(path) = difference {
            return Err(ApiError::consent_mismatch(&path, "The payment is not what was consented to"));
        }
        if consent.status != ConsentStatus::Auth {
            return Err(ApiError::consent_status(consent.status.word()));
        }
        let declined = consent.debtor != Debtor::Own && call.interference.take(Interference::Decline);
        let course = if declined { debtor::DECLINED } else { consent.debtor.course(consent.creditor()) };
        let steps =
            course.iter().map(|(after, status, reason)| Step { at: now + after, status: *status, reason: *reason });
        let mut payment = Payment {
            id: self.random("dp-", 24),
            consent: consent.id.clone(),
            client: token.client.clone(),
            idempotency_key: key.to_owned(),
            created: now,
            past: Vec::new(),
            ahead: steps.collect(),
        };
        let consent =
            Consent { status: ConsentStatus::Cond, updated: now, payment: Some(payment.id.clone()), ..consent };
        self.tell_consent(now, &consent);
        self.state.put_consent(consent.clone());
        self.take_steps(now, &consent, &mut payment);
        let value = payment.to_json(&consent);
        self.state.put_payment(payment);
        Ok(value)
    }

    /// Lets a payment come into every status that is due, and tells each but that it was received.
    pub(super) fn take_steps(&mut self, now: i64, consent: &Consent, payment: &mut Payment) {
        while payment.due().is_some_and(|due| due <= now) {
            let step = payment.ahead.remove(0);
            payment.past.push(step);
            if step.status != PaymentStatus::Rcvd {
                self.tell_payment(step.at, consent, payment);
            }
        }
    }

    fn payment(&self, client: &str, id: &str) -> Result<&Payment, ApiError> {
        let payment = self.state.payments.get(id).filter(|payment| payment.client == client);
        payment.ok_or_else(|| ApiError::no_such("DomesticPaymentId"))
    }

    pub(super) fn show_payment(&self, token: &Token, id: &str) -> Result<Value, ApiError> {
        token.is_clients()?;
        let payment = self.payment(&token.client, id)?;
        Ok(payment.to_json(self.consent(&token.client, &payment.consent)?))
    }

    pub(super) fn show_details(&self, token: &Token, id: &str) -> Result<Value, ApiError> {
        token.is_clients()?;
        let payment = self.payment(&token.client, id)?;
        Ok(payment.details(self.consent(&token.client, &payment.consent)?))
    }
}
