//! Intents that end without a payment: `POST /v1/payment_intents/{id}/cancel`, and authorizations that expire.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Call, Stripe,
    errors::ApiError,
    intent::{Intent, Status},
    params::Params,
};
use crate::Interference;

const REASONS: [&str; 4] = ["abandoned", "duplicate", "fraudulent", "requested_by_customer"];

impl Stripe {
    pub(super) fn cancel_intent(&mut self, call: &Call, id: &str, params: &Params) -> Result<Value, ApiError> {
        let intent = self.find_intent(id)?;
        let reason = params.choice("cancellation_reason", &REASONS)?;
        if matches!(intent.status, Status::Succeeded | Status::Canceled) {
            let message = format!(
                "You cannot cancel this PaymentIntent because it has a status of {}. Only a PaymentIntent with one of \
                 the following statuses may be canceled: requires_payment_method, requires_capture, \
                 requires_confirmation, requires_action, processing.",
                intent.status.word()
            );
            return Err(ApiError::unexpected_state(message, intent.to_json()));
        }
        Ok(self.end(call, intent, reason, None))
    }

    /// Ends `intent`, letting go of what it holds; `charge_event` tells of the charge where Stripe does.
    fn end(&mut self, call: &Call, mut intent: Intent, reason: Option<&str>, charge_event: Option<&str>) -> Value {
        let charge = intent.latest_charge.as_deref().and_then(|id| self.state.charges.get(id)).cloned();
        if let Some(mut charge) = charge.filter(|_| intent.status == Status::RequiresCapture) {
            charge.released = charge.amount;
            charge.capture_before = None;
            if let Some(event) = charge_event {
                self.emit(call, event, &intent.id, &charge.to_json());
            }
            self.state.put_charge(charge);
        }
        intent.status = Status::Canceled;
        intent.redirect_url = None;
        intent.capture_before = None;
        intent.canceled_at = Some(call.unix());
        intent.cancellation_reason = reason.map(ToOwned::to_owned);
        let value = intent.to_json();
        self.emit(call, "payment_intent.canceled", &intent.id, &value);
        self.state.put_intent(intent);
        value
    }

    /// Does what is due by `now`, each at its own time.
    pub(super) fn let_pass(&mut self, now: Timestamp) {
        while let Some((due, id)) = self.state.agenda.take(now) {
            let mut call = Call {
                now: Timestamp::from_second(due).unwrap_or(now),
                request_id: None,
                idempotency_key: None,
                base_url: String::new(),
                interference: &mut Interference::None,
            };
            match self.state.intents.get(&id).cloned() {
                Some(intent) => {
                    self.end(&call, intent, Some("automatic"), Some("charge.expired"));
                }
                None => self.turn_refund(&mut call, &id),
            }
        }
    }
}
