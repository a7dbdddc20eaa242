//! One attempt to pay an intent: approved, refused, or waiting for the payer.

use serde_json::Value;

use super::{
    Call, Stripe,
    cards::{Reason, Refusal, Verdict},
    charge::Charge,
    errors::ApiError,
    intent::{Intent, LastRefusal, Method, Status},
};
use crate::Interference;

/// How long an authorization holds: the common seven days.
const AUTHORIZATION_SECONDS: i64 = 7 * 24 * 3600;

impl Stripe {
    /// Charges the intent's payment method, which it has.
    pub(super) fn attempt(&mut self, call: &mut Call, intent: Intent, payer_is_away: bool) -> Result<Value, ApiError> {
        let Some(method) = intent.method.clone() else {
            return Err(ApiError::missing_param("payment_method"));
        };
        let verdict = if call.interference.take(Interference::Decline) {
            Verdict::Refused(Reason::GenericDecline)
        } else {
            method.card.verdict(payer_is_away)
        };
        match verdict {
            Verdict::Approved => Ok(self.approve(call, intent, &method).to_json()),
            Verdict::PayerMustAct => Ok(self.ask_payer(call, intent)),
            Verdict::Refused(reason) => {
                let charge = self.new_charge(call, &intent, &method, Some(reason));
                let refusal = Refusal { reason, charge: Some(charge.id.clone()) };
                self.state.put_charge(charge);
                let intent = self.refuse(call, intent, method.clone(), refusal.clone());
                Err(ApiError::refused(&refusal, intent.to_json(), method.to_json(intent.created)))
            }
        }
    }

    /// The payer's bank said yes: the amount is held, or taken where capture is automatic.
    pub(super) fn approve(&mut self, call: &Call, mut intent: Intent, method: &Method) -> Intent {
        let charge = self.new_charge(call, &intent, method, None);
        intent.latest_charge = Some(charge.id.clone());
        intent.last_refusal = None;
        intent.redirect_url = None;
        intent.received = charge.captured;
        intent.capture_before = charge.capture_before;
        if charge.captured > 0 {
            self.book_charge(call, &charge);
        }
        self.state.put_charge(charge);
        let (status, event) = if intent.manual_capture {
            (Status::RequiresCapture, "payment_intent.amount_capturable_updated")
        } else {
            (Status::Succeeded, "payment_intent.succeeded")
        };
        intent.status = status;
        self.emit(call, event, &intent.id, &intent.to_json());
        self.state.put_intent(intent.clone());
        intent
    }

    /// The attempt failed: the intent waits for another payment method.
    pub(super) fn refuse(&mut self, call: &Call, mut intent: Intent, method: Method, refusal: Refusal) -> Intent {
        intent.status = Status::RequiresPaymentMethod;
        intent.method = None;
        intent.redirect_url = None;
        if refusal.charge.is_some() {
            intent.latest_charge.clone_from(&refusal.charge);
        }
        intent.last_refusal = Some(LastRefusal { refusal, method });
        self.emit(call, "payment_intent.payment_failed", &intent.id, &intent.to_json());
        self.state.put_intent(intent.clone());
        intent
    }

    fn ask_payer(&mut self, call: &Call, mut intent: Intent) -> Value {
        intent.status = Status::RequiresAction;
        intent.last_refusal = None;
        intent.redirect_url = Some(format!("{}/3ds/{}", call.base_url, intent.id));
        let value = intent.to_json();
        self.emit(call, "payment_intent.requires_action", &intent.id, &value);
        self.state.put_intent(intent);
        value
    }

    fn new_charge(&self, call: &Call, intent: &Intent, method: &Method, failure: Option<Reason>) -> Charge {
        let held = failure.is_none() && intent.manual_capture;
        let taken = failure.is_none() && !intent.manual_capture;
        Charge {
            id: self.new_id("ch_"),
            intent: intent.id.clone(),
            created: call.unix(),
            amount: intent.amount,
            currency: intent.currency.clone(),
            method: method.id.clone(),
            card: method.card,
            metadata: intent.metadata.clone(),
            customer: intent.customer.clone(),
            description: intent.description.clone(),
            failure,
            captured: if taken { intent.amount } else { 0 },
            refunded: 0,
            released: 0,
            capture_before: held.then(|| call.unix() + AUTHORIZATION_SECONDS),
        }
    }
}
