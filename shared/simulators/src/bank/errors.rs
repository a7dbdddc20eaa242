//! Open Banking's errors, with the codes of its `OBExternalStatusReason1Code` list.

use http::StatusCode;
use serde_json::{Value, json};

/// A path that came from outside can be as deep as its sender likes.
const LONGEST_PATH: usize = 500;

/// A refused call of the API.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: u16,
    code: &'static str,
    message: String,
    path: Option<String>,
}

impl ApiError {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), path: None }
    }

    fn at(self, path: &str) -> Self {
        Self { path: Some(path.chars().take(LONGEST_PATH).collect()), ..self }
    }

    /// U002: a field has a value that it cannot have.
    pub(super) fn field_invalid(path: &str, message: impl Into<String>) -> Self {
        Self::new(400, "U002", message).at(path)
    }

    /// U003: a time is in the past that must not be.
    pub(super) fn date_invalid(path: &str, message: impl Into<String>) -> Self {
        Self::new(400, "U003", message).at(path)
    }

    /// U004.
    pub(super) fn field_missing(path: &str) -> Self {
        Self::new(400, "U004", "A mandatory field is missing").at(path)
    }

    /// U005: a field that the schema does not have.
    pub(super) fn field_unexpected(path: &str) -> Self {
        Self::new(400, "U005", "The field is not expected here").at(path)
    }

    /// U006.
    pub(super) fn header_invalid(name: &str, message: impl Into<String>) -> Self {
        Self::new(400, "U006", message).at(name)
    }

    /// U007.
    pub(super) fn header_missing(name: &str) -> Self {
        Self::new(400, "U007", "A required header is missing").at(name)
    }

    /// U008: what is to be done is not what was consented to.
    pub(super) fn consent_mismatch(path: &str, message: impl Into<String>) -> Self {
        Self::new(400, "U008", message).at(path)
    }

    /// U009: the consent is in a status that does not allow it.
    pub(super) fn consent_status(status: &str) -> Self {
        Self::new(400, "U009", format!("The consent has the status {status}")).at("Data.Status")
    }

    /// U010: not even the outline of what is expected.
    pub(super) fn format_invalid(message: impl Into<String>) -> Self {
        Self::new(400, "U010", message)
    }

    /// U011: with the status 400, as Open Banking has it for ids.
    pub(super) fn no_such(path: &str) -> Self {
        Self::new(400, "U011", "There is no resource with this id").at(path)
    }

    /// U015 to U019: the request's signature.
    pub(super) fn signature(code: &'static str, claim: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message).at(claim)
    }

    /// U023.
    pub(super) fn currency_unsupported(path: &str, currency: &str) -> Self {
        Self::new(400, "U023", format!("{currency} is not an ISO 4217 currency")).at(path)
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self::new(401, "U006", message).at("Authorization")
    }

    /// A token of the wrong grant.
    pub(super) fn forbidden(message: &str) -> Self {
        Self::new(403, "U006", message).at("Authorization")
    }

    /// U028: the payer has to approve first.
    pub(super) fn payer_must_authenticate() -> Self {
        Self::new(403, "U028", "The payer has to approve this consent first").at("Authorization")
    }

    pub(super) fn not_found(path: &str) -> Self {
        Self::new(404, "U011", "There is no such URL").at(path)
    }

    pub(super) fn method_not_allowed(path: &str) -> Self {
        Self::new(405, "U010", "This URL does not take this method").at(path)
    }

    pub(super) fn not_acceptable() -> Self {
        Self::new(406, "U006", "Answers are application/json").at("Accept")
    }

    pub(super) fn media_type() -> Self {
        Self::new(415, "U006", "Bodies are application/json").at("Content-Type")
    }

    /// U029: a twin of this request is still running.
    pub(super) fn in_flight() -> Self {
        Self::new(409, "U029", "A request with this idempotency key is still running").at("x-idempotency-key")
    }

    pub(super) fn too_many(message: &str) -> Self {
        Self::new(429, "U000", message)
    }

    pub(super) fn server_error() -> Self {
        Self::new(500, "U000", "An unexpected error occurred. Nothing was done.")
    }

    /// The body; `id` names this answer for whoever looks into it.
    pub(super) fn to_json(&self, id: &str) -> Value {
        let reason = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let reason: String = reason.unwrap_or_default().split(' ').collect();
        let mut error = json!({"ErrorCode": self.code, "Message": self.message});
        if let Some(path) = &self.path {
            error["Path"] = path.as_str().into();
        }
        json!({
            "Id": id,
            "Code": format!("{} {reason}", self.status),
            "Message": "The request was refused",
            "Errors": [error],
        })
    }
}
