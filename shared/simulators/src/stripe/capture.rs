//! `POST /v1/payment_intents/{id}/capture`: all or a part; the rest is released.

use serde_json::Value;

use super::{Call, Stripe, amounts, errors::ApiError, intent::Status, params::Params};

impl Stripe {
    pub(super) fn capture_intent(&mut self, call: &Call, id: &str, params: &Params) -> Result<Value, ApiError> {
        let mut intent = self.find_intent(id)?;
        let asked = params.integer("amount_to_capture")?;
        let metadata = params.metadata()?;
        if intent.status != Status::RequiresCapture {
            let message = match intent.status {
                Status::Succeeded => {
                    "This PaymentIntent could not be captured because it has already been captured.".to_owned()
                }
                status => format!(
                    "This PaymentIntent could not be captured because it has a status of {}. Only a PaymentIntent with \
                     one of the following statuses may be captured: requires_capture.",
                    status.word()
                ),
            };
            return Err(ApiError::unexpected_state(message, intent.to_json()));
        }
        let amount = asked.unwrap_or(intent.amount);
        amounts::check(amount, &intent.currency, "amount_to_capture")?;
        if amount > intent.amount {
            let message = format!(
                "The amount_to_capture ({amount}) is greater than the amount that can be captured ({}).",
                intent.amount
            );
            return Err(ApiError::invalid(message).code("amount_too_large").param("amount_to_capture").executed());
        }
        let charge = intent.latest_charge.as_deref().and_then(|id| self.state.charges.get(id)).cloned();
        let mut charge = charge.ok_or_else(|| ApiError::no_such("charge", id, "intent"))?;
        charge.captured = amount;
        charge.released = charge.amount - amount;
        charge.capture_before = None;
        intent.status = Status::Succeeded;
        intent.received = amount;
        intent.capture_before = None;
        intent.metadata.extend(metadata);
        self.emit(call, "charge.captured", id, &charge.to_json());
        self.emit(call, "payment_intent.succeeded", id, &intent.to_json());
        let value = intent.to_json();
        self.book_charge(call, &charge);
        self.state.put_charge(charge);
        self.state.put_intent(intent);
        Ok(value)
    }
}
