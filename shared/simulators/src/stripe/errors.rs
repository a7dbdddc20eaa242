//! Stripe's errors: what they say, and whether an idempotency key keeps them.

use serde_json::{Map, Value, json};

use super::cards::Refusal;

/// A refused call.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    decline_code: Option<&'static str>,
    param: Option<Box<str>>,
    message: Box<str>,
    charge: Option<Box<str>>,
    payment_intent: Option<Box<Value>>,
    payment_method: Option<Box<Value>>,
    /// The endpoint began to work: only then is the answer kept under an idempotency key.
    pub(super) executed: bool,
}

impl ApiError {
    fn new(status: u16, kind: &'static str, message: impl Into<Box<str>>) -> Self {
        Self {
            status,
            kind,
            code: None,
            decline_code: None,
            param: None,
            message: message.into(),
            charge: None,
            payment_intent: None,
            payment_method: None,
            executed: false,
        }
    }

    pub(super) fn invalid(message: impl Into<Box<str>>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    pub(super) fn missing_param(name: &str) -> Self {
        Self::invalid(format!("Missing required param: {name}.")).code("parameter_missing").param(name)
    }

    pub(super) fn no_such(what: &str, id: &str, param: &str) -> Self {
        let error = Self::invalid(format!("No such {what}: '{id}'")).code("resource_missing").param(param);
        Self { status: 404, ..error }
    }

    pub(super) fn unauthenticated(message: impl Into<Box<str>>) -> Self {
        Self::new(401, "invalid_request_error", message)
    }

    pub(super) fn unknown_url(method: &http::Method, path: &str) -> Self {
        let message = format!(
            "Unrecognized request URL ({method}: {path}). If you are trying to list objects, remove the trailing \
             slash. If you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier in \
             your code."
        );
        Self::new(404, "invalid_request_error", message)
    }

    pub(super) fn key_in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key (that probably means you \
             submitted twice, and the other request is still going through): {key}. Please try again later."
        );
        Self::new(409, "invalid_request_error", message).code("idempotency_key_in_use")
    }

    pub(super) fn key_reused(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try \
             using a key other than '{key}' if you meant to execute a different request."
        );
        Self::new(400, "idempotency_error", message)
    }

    pub(super) fn rate_limited() -> Self {
        let message = "Request rate limit exceeded. Learn more about rate limits here \
                       https://stripe.com/docs/rate-limits.";
        Self::new(429, "invalid_request_error", message).code("rate_limit")
    }

    pub(super) fn server_error(request_id: &str) -> Self {
        let message = format!(
            "An unknown error occurred. If you need assistance, please contact us, mentioning the request {request_id}."
        );
        Self::new(500, "api_error", message).executed()
    }

    pub(super) fn unexpected_state(message: impl Into<Box<str>>, payment_intent: Value) -> Self {
        let error = Self::invalid(message).code("payment_intent_unexpected_state").executed();
        Self { payment_intent: Some(Box::new(payment_intent)), ..error }
    }

    pub(super) fn refused(refusal: &Refusal, payment_intent: Value, payment_method: Value) -> Self {
        let charge = refusal.charge.as_deref().map(Box::from);
        Self {
            code: Some(refusal.reason.code()),
            decline_code: refusal.reason.decline_code(),
            charge,
            payment_intent: Some(Box::new(payment_intent)),
            payment_method: Some(Box::new(payment_method)),
            ..Self::new(402, "card_error", refusal.reason.message()).executed()
        }
    }

    pub(super) fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    pub(super) fn param(self, param: &str) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    pub(super) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(super) fn executed(self) -> Self {
        Self { executed: true, ..self }
    }

    /// Should the caller try again with the same key? Stripe says so where the status alone would mislead.
    pub(super) fn should_retry(&self) -> bool {
        matches!(self.status, 409 | 429)
    }

    pub(super) fn to_json(&self) -> Value {
        let mut error = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                error.insert(name.to_owned(), value);
            }
        };
        put("type", Some(json!(self.kind)));
        put("message", Some(json!(self.message)));
        put("code", self.code.map(Value::from));
        put("doc_url", self.code.map(doc_url).map(Value::from));
        put("decline_code", self.decline_code.map(Value::from));
        put("param", self.param.as_deref().map(Value::from));
        put("charge", self.charge.as_deref().map(Value::from));
        put("payment_intent", self.payment_intent.as_deref().cloned());
        put("payment_method", self.payment_method.as_deref().cloned());
        json!({ "error": error })
    }
}

pub(super) fn doc_url(code: &str) -> String {
    format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"))
}
