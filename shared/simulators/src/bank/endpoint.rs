//! Which paths the payments API has here.

use http::Method;

use super::errors::ApiError;

/// What all of them begin with.
pub(super) const ROOT: &str = "/open-banking/v4.0/pisp/";

/// One call of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint<'a> {
    CreateConsent,
    Consent(&'a str),
    Funds(&'a str),
    Submit,
    Payment(&'a str),
    Details(&'a str),
}

impl<'a> Endpoint<'a> {
    /// The endpoint at `path`.
    pub(super) fn find(method: &Method, path: &'a str) -> Result<Self, ApiError> {
        let nowhere = || ApiError::not_found("URL");
        let parts: Vec<&str> = path.strip_prefix(ROOT).ok_or_else(nowhere)?.split('/').collect();
        let (wanted, endpoint) = match parts.as_slice() {
            ["domestic-payment-consents"] => (Method::POST, Self::CreateConsent),
            ["domestic-payment-consents", id] if !id.is_empty() => (Method::GET, Self::Consent(id)),
            ["domestic-payment-consents", id, "funds-confirmation"] => (Method::GET, Self::Funds(id)),
            ["domestic-payments"] => (Method::POST, Self::Submit),
            ["domestic-payments", id] if !id.is_empty() => (Method::GET, Self::Payment(id)),
            ["domestic-payments", id, "payment-details"] => (Method::GET, Self::Details(id)),
            _ => return Err(nowhere()),
        };
        if *method == wanted { Ok(endpoint) } else { Err(ApiError::method_not_allowed("URL")) }
    }
}
