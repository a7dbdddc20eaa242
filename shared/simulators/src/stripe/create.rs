//! `POST /v1/payment_intents` and `POST /v1/payment_intents/{id}/confirm`.

use serde_json::Value;

use super::{
    Call, Stripe, amounts,
    cards::Card,
    errors::ApiError,
    intent::{Intent, Method, Status},
    params::Params,
};

const CAPTURE_METHODS: [&str; 3] = ["automatic", "automatic_async", "manual"];

impl Stripe {
    pub(super) fn create_intent(&mut self, call: &mut Call, params: &Params) -> Result<Value, ApiError> {
        let intent = self.read_intent(call, params)?;
        let confirm = params.flag("confirm")?;
        let payer_is_away = payer_is_away(params)?;
        if confirm && intent.method.is_none() {
            let message = "You must provide a payment_method when confirm is true.";
            return Err(ApiError::invalid(message).code("parameter_missing").param("payment_method"));
        }
        if !confirm && (params.text("off_session").is_some() || params.text("return_url").is_some()) {
            let message = "The parameters `off_session` and `return_url` cannot be passed when creating a PaymentIntent \
                           unless `confirm` is set to true.";
            return Err(ApiError::invalid(message));
        }
        self.emit(call, "payment_intent.created", &intent.id, &intent.to_json());
        if confirm {
            return self.attempt(call, intent, payer_is_away);
        }
        let value = intent.to_json();
        self.state.put_intent(intent);
        Ok(value)
    }

    pub(super) fn confirm_intent(&mut self, call: &mut Call, id: &str, params: &Params) -> Result<Value, ApiError> {
        let mut intent = self.find_intent(id)?;
        let given = self.read_method(params, intent.method.as_ref())?;
        let capture_method = params.choice("capture_method", &CAPTURE_METHODS)?;
        let payer_is_away = payer_is_away(params)?;
        let may_confirm = matches!(
            intent.status,
            Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction
        );
        if !may_confirm {
            let message = match intent.status {
                Status::Succeeded => {
                    "You cannot confirm this PaymentIntent because it has already succeeded after being \
                                      previously confirmed."
                        .to_owned()
                }
                status => format!(
                    "You cannot confirm this PaymentIntent because it has a status of {}. Only a PaymentIntent with one \
                     of the following statuses may be confirmed: requires_confirmation, requires_action.",
                    status.word()
                ),
            };
            return Err(ApiError::unexpected_state(message, intent.to_json()));
        }
        if given.is_some() {
            intent.method = given;
        }
        if intent.method.is_none() {
            let message = "You cannot confirm this PaymentIntent because it's missing a payment method. Update the \
                           PaymentIntent with a payment method and then confirm it again.";
            return Err(ApiError::unexpected_state(message, intent.to_json()));
        }
        if let Some(capture_method) = capture_method {
            intent.manual_capture = capture_method == "manual";
        }
        intent.return_url = params.owned("return_url").or(intent.return_url);
        self.attempt(call, intent, payer_is_away)
    }

    fn read_intent(&self, call: &Call, params: &Params) -> Result<Intent, ApiError> {
        let amount = params.integer("amount")?.ok_or_else(|| ApiError::missing_param("amount"))?;
        let currency = params.text("currency").ok_or_else(|| ApiError::missing_param("currency"))?;
        let currency = amounts::currency(currency)?;
        amounts::check(amount, &currency, "amount")?;
        let method = self.read_method(params, None)?;
        let capture_method = params.choice("capture_method", &CAPTURE_METHODS)?;
        let confirmation_method = params.choice("confirmation_method", &["automatic", "manual"])?;
        let mut method_types: Vec<String> = params.list("payment_method_types").into_iter().map(Into::into).collect();
        if method_types.is_empty() {
            method_types.push("card".to_owned());
        }
        if let Some(unknown) = method_types.iter().find(|kind| !matches!(kind.as_str(), "card" | "link")) {
            let message = format!("The payment method type \"{unknown}\" is invalid.");
            return Err(ApiError::invalid(message)
                .code("payment_intent_invalid_parameter")
                .param("payment_method_types"));
        }
        let id = self.new_id("pi_");
        Ok(Intent {
            client_secret: self.random(&format!("{id}_secret_"), 25),
            id,
            created: call.unix(),
            amount,
            currency,
            manual_capture: capture_method == Some("manual"),
            manual_confirmation: confirmation_method == Some("manual"),
            status: if method.is_some() { Status::RequiresConfirmation } else { Status::RequiresPaymentMethod },
            method,
            method_types,
            metadata: params.metadata()?,
            customer: params.owned("customer"),
            description: params.owned("description"),
            statement_descriptor: params.owned("statement_descriptor"),
            return_url: params.owned("return_url"),
            redirect_url: None,
            latest_charge: None,
            received: 0,
            canceled_at: None,
            cancellation_reason: None,
            last_refusal: None,
            capture_before: None,
        })
    }

    /// The payment method that a call names: a test token, or the one that the intent has already.
    fn read_method(&self, params: &Params, known: Option<&Method>) -> Result<Option<Method>, ApiError> {
        let Some(named) = params.text("payment_method") else { return Ok(None) };
        if let Some(known) = known.filter(|known| known.id == named) {
            return Ok(Some(known.clone()));
        }
        match Card::from_token(named) {
            Some(card) => Ok(Some(Method { id: self.new_id("pm_"), card })),
            None => Err(ApiError::no_such("PaymentMethod", named, "payment_method").status(400)),
        }
    }
}

/// A payment that cannot wait for the payer fails where he would have to act.
fn payer_is_away(params: &Params) -> Result<bool, ApiError> {
    let off_session = match params.text("off_session") {
        Some("one_off" | "recurring") => true,
        _ => params.flag("off_session")?,
    };
    Ok(off_session || params.flag("error_on_requires_action")?)
}
