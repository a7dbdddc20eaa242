//! `POST /v1/refunds`, and what becomes of slow and failing refunds.

use serde_json::Value;

use super::{
    Call, Stripe, amounts,
    cards::Card,
    charge::Charge,
    errors::ApiError,
    params::Params,
    refund::{Refund, Status},
};

/// How long the slow and the failing test card take.
const TURN_SECONDS: i64 = 5 * 60;
const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

impl Stripe {
    pub(super) fn create_refund(&mut self, call: &Call, params: &Params) -> Result<Value, ApiError> {
        let reason = params.choice("reason", &REASONS)?;
        let metadata = params.metadata()?;
        let asked = params.integer("amount")?;
        let mut charge = self.charge_to_refund(params)?;
        if let Some(amount) = asked {
            amounts::check(amount, &charge.currency, "amount")?;
        }
        let amount = asked.unwrap_or(charge.refundable());
        check_refundable(&charge, amount)?;
        charge.refunded += amount;
        let (status, turn) = match charge.card {
            Card::SlowRefund => (Status::Pending, Some((call.unix() + TURN_SECONDS, Status::Succeeded))),
            Card::FailedRefund => (Status::Succeeded, Some((call.unix() + TURN_SECONDS, Status::Failed))),
            _ => (Status::Succeeded, None),
        };
        let refund = Refund {
            id: self.new_id("re_"),
            intent: charge.intent.clone(),
            charge: charge.id.clone(),
            created: call.unix(),
            amount,
            currency: charge.currency.clone(),
            reason: reason.map(ToOwned::to_owned),
            metadata,
            status,
            turn,
        };
        let value = refund.to_json();
        self.emit(call, "refund.created", &charge.intent, &value);
        self.emit(call, "charge.refunded", &charge.intent, &charge.to_json());
        self.state.put_charge(charge);
        self.book_refund(call, &refund);
        self.state.put_refund(refund);
        Ok(value)
    }

    /// A slow refund succeeds, or one that succeeded fails after all.
    pub(super) fn turn_refund(&mut self, call: &mut Call, id: &str) {
        let Some(mut refund) = self.state.refunds.get(id).cloned() else { return };
        let Some((_, status)) = refund.turn.take() else { return };
        refund.status = status;
        if status == Status::Failed
            && let Some(mut charge) = self.state.charges.get(&refund.charge).cloned()
        {
            charge.refunded -= refund.amount;
            self.state.put_charge(charge);
            self.book_refund_failure(call, &refund);
        }
        let event = if status == Status::Failed { "refund.failed" } else { "refund.updated" };
        self.emit(call, event, &refund.intent, &refund.to_json());
        self.state.put_refund(refund);
    }

    fn charge_to_refund(&self, params: &Params) -> Result<Charge, ApiError> {
        match (params.text("charge"), params.text("payment_intent")) {
            (Some(id), _) => self.find_charge(id, "charge"),
            (None, Some(id)) => {
                let intent = self
                    .state
                    .intents
                    .get(id)
                    .ok_or_else(|| ApiError::no_such("payment_intent", id, "payment_intent"))?;
                let charge = intent.latest_charge.as_deref().and_then(|id| self.state.charges.get(id)).cloned();
                charge.filter(|charge| charge.failure.is_none()).ok_or_else(|| {
                    let message = format!("This PaymentIntent ({id}) does not have a successful charge to refund.");
                    ApiError::unexpected_state(message, intent.to_json())
                })
            }
            (None, None) => {
                let message =
                    "One of the following params should be provided for this request: payment_intent or charge.";
                Err(ApiError::invalid(message).code("parameter_missing"))
            }
        }
    }
}

fn check_refundable(charge: &Charge, amount: i64) -> Result<(), ApiError> {
    if charge.captured == 0 {
        let message = format!("Charge {} has not been captured and cannot be refunded.", charge.id);
        return Err(ApiError::invalid(message).code("charge_not_refundable").executed());
    }
    if charge.refundable() == 0 {
        let message = format!("Charge {} has already been refunded.", charge.id);
        return Err(ApiError::invalid(message).code("charge_already_refunded").executed());
    }
    if amount > charge.refundable() {
        let message =
            format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({})", charge.refundable());
        return Err(ApiError::invalid(message).param("amount").executed());
    }
    Ok(())
}
