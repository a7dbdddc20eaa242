//! `/domestic-payment-consents`: made, shown, and asked whether there is money.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Bank, Call,
    consent::Consent,
    debtor::Debtor,
    errors::ApiError,
    money, requests,
    serve::IDEMPOTENCY_KEY,
    state::Use,
    status::{ConsentStatus, Reason},
    time,
    tokens::Token,
};
use crate::Interference;

/// How long a payer has to approve.
const APPROVAL_SECONDS: i64 = 3600;

impl Bank {
    pub(super) fn create_consent(
        &mut self,
        call: &mut Call,
        token: &Token,
        key: &str,
        body: Value,
    ) -> Result<Value, ApiError> {
        token.is_clients()?;
        requests::check_consent(&body)?;
        let now = call.unix();
        if let Some(made) = self.state.made(Use::Consent, &token.client, key, now) {
            let consent = self.consent(&token.client, made)?;
            return if consent.request == body { Ok(consent.to_json()) } else { Err(key_reused()) };
        }
        let initiation = &body["Data"]["Initiation"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let instructed = &initiation["InstructedAmount"];
        let amount = money::minor_units(&text(&instructed["Amount"]), &text(&instructed["Currency"]))?;
        let debtor = Debtor::of(initiation)?;
        let approve_by = approve_by(now, &body["Data"]["Authorisation"]["CompletionDateTime"])?;
        let declined = debtor != Debtor::Own && call.interference.take(Interference::Decline);
        let (status, reason) = match debtor {
            _ if declined => (ConsentStatus::Rjct, Some(Reason::Declined)),
            _ if debtor.is_exempt() => (ConsentStatus::Auth, None),
            _ => (ConsentStatus::Awau, None),
        };
        let consent = Consent {
            id: self.random("dpc-", 24),
            client: token.client.clone(),
            idempotency_key: key.to_owned(),
            created: now,
            updated: now,
            status,
            reason,
            request: body,
            amount,
            debtor,
            approve_by,
            base_url: call.base_url.clone(),
            payment: None,
        };
        if status != ConsentStatus::Awau {
            self.tell_consent(now, &consent);
        }
        let value = consent.to_json();
        self.state.put_consent(consent);
        Ok(value)
    }

    /// The client's consent with this id.
    pub(super) fn consent(&self, client: &str, id: &str) -> Result<&Consent, ApiError> {
        let consent = self.state.consents.get(id).filter(|consent| consent.client == client);
        consent.ok_or_else(|| ApiError::no_such("ConsentId"))
    }

    pub(super) fn show_consent(&self, token: &Token, id: &str) -> Result<Value, ApiError> {
        token.is_clients()?;
        self.consent(&token.client, id).map(Consent::to_json)
    }

    pub(super) fn confirm_funds(&self, now: i64, token: &Token, id: &str) -> Result<Value, ApiError> {
        let consent = self.consent(&token.client, id)?;
        token.may_use(consent)?;
        if consent.status != ConsentStatus::Auth {
            return Err(ApiError::consent_status(consent.status.word()));
        }
        let result =
            json!({"FundsAvailableDateTime": time::written(now), "FundsAvailable": consent.debtor.has_funds()});
        let link = format!("{}/funds-confirmation", consent.link());
        Ok(json!({"Data": {"FundsAvailableResult": result}, "Links": {"Self": link}, "Meta": {}}))
    }

    /// Puts a consent into a status, and tells it.
    pub(super) fn turn_consent(&mut self, at: i64, id: &str, status: ConsentStatus, reason: Option<Reason>) {
        let Some(consent) = self.state.consents.get(id) else { return };
        let consent = Consent { status, reason, updated: at, ..consent.clone() };
        self.tell_consent(at, &consent);
        self.state.put_consent(consent);
    }
}

impl Token {
    /// Refuses what this token may not do with `consent`: the client's own token acts for exempt accounts only, a
    /// payer's for the one consent that he approved.
    pub(super) fn may_use(&self, consent: &Consent) -> Result<(), ApiError> {
        match &self.consent {
            Some(bound) if *bound == consent.id => Ok(()),
            Some(_) => {
                let message = "The access token was given for another consent";
                Err(ApiError::consent_mismatch("Data.ConsentId", message))
            }
            None if consent.debtor.is_exempt() => Ok(()),
            None => Err(ApiError::payer_must_authenticate()),
        }
    }
}

/// A key that came before, with another body.
pub(super) fn key_reused() -> ApiError {
    ApiError::header_invalid(IDEMPOTENCY_KEY, "This idempotency key was used with another body")
}

fn approve_by(now: i64, wanted: &Value) -> Result<i64, ApiError> {
    let latest = now + APPROVAL_SECONDS;
    let Some(wanted) = wanted.as_str().and_then(|text| text.parse::<Timestamp>().ok()) else { return Ok(latest) };
    if wanted.as_second() <= now {
        let path = "Data.Authorisation.CompletionDateTime";
        return Err(ApiError::date_invalid(path, "The authorisation must be completed in the future"));
    }
    Ok(latest.min(wanted.as_second()))
}
