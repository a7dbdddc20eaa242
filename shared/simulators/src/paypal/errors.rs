//! PayPal's errors: what they say, and whether a request id binds to them.

use serde_json::{Map, Value, json};

use super::issues::Issue;

/// Where PayPal explains its errors.
const HELP: &str = "https://developer.paypal.com/api/rest/reference/orders/v2/errors/#";

/// A refused call.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: u16,
    reason: Reason,
    field: Option<Box<str>>,
    value: Option<Box<str>>,
    /// Where the payer has to go.
    payer_action: Option<Box<str>>,
    /// A payment was tried: the same request id gets the same refusal.
    pub(super) binds: bool,
}

#[derive(Debug, Clone)]
enum Reason {
    Issue(Issue),
    /// An error that has no issue: its name and words.
    Named(&'static str, &'static str),
    /// The token calls have errors of their own: code and words.
    OAuth(&'static str, &'static str),
}

impl ApiError {
    const fn new(status: u16, reason: Reason) -> Self {
        Self { status, reason, field: None, value: None, payer_action: None, binds: false }
    }

    const fn named(status: u16, name: &'static str, message: &'static str) -> Self {
        Self::new(status, Reason::Named(name, message))
    }

    /// The refusal that `issue` stands for.
    pub(super) fn of(issue: &Issue) -> Self {
        Self::new(issue.status, Reason::Issue(*issue))
    }

    pub(super) fn unknown_url() -> Self {
        Self::named(404, "RESOURCE_NOT_FOUND", "The specified resource does not exist.")
    }

    pub(super) fn unauthenticated() -> Self {
        Self::named(
            401,
            "AUTHENTICATION_FAILURE",
            "Authentication failed due to missing authorization header, or invalid authentication credentials.",
        )
    }

    /// A refusal in the words of OAuth.
    pub(super) fn oauth(status: u16, code: &'static str, description: &'static str) -> Self {
        Self::new(status, Reason::OAuth(code, description))
    }

    pub(super) fn media_type() -> Self {
        Self::named(415, "UNSUPPORTED_MEDIA_TYPE", "The server does not support the request payload's media type.")
    }

    pub(super) fn rate_limited() -> Self {
        Self::named(429, "RATE_LIMIT_REACHED", "Too many requests. Blocked due to rate limiting.")
    }

    pub(super) fn server_error() -> Self {
        Self::named(500, "INTERNAL_SERVER_ERROR", "An internal server error occurred.")
    }

    /// Names the part of the request that is wrong, as a JSON pointer.
    pub(super) fn field(self, field: &str) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// What stands there.
    pub(super) fn value(self, value: &str) -> Self {
        Self { value: Some(value.into()), ..self }
    }

    pub(super) fn payer_action(self, url: &str) -> Self {
        Self { payer_action: Some(url.into()), ..self }
    }

    pub(super) fn binding(self) -> Self {
        Self { binds: true, ..self }
    }

    #[cfg(test)]
    pub(super) fn issue(&self) -> &'static str {
        match self.reason {
            Reason::Issue(issue) => issue.code,
            _ => "",
        }
    }

    /// The answer's body; `debug_id` is what PayPal wants to be asked with.
    pub(super) fn to_json(&self, debug_id: &str) -> Value {
        let (name, message, topic, details) = match &self.reason {
            Reason::OAuth(code, description) => return json!({"error": code, "error_description": description}),
            Reason::Named(name, message) => (*name, *message, *name, None),
            Reason::Issue(issue) => {
                let (name, message) = of_status(issue.status);
                (name, message, issue.code, Some(json!([self.detail(issue)])))
            }
        };
        let help = json!({"href": format!("{HELP}{topic}"), "rel": "information_link", "method": "GET"});
        let action = self.payer_action.as_ref().map(|url| json!({"href": url, "rel": "payer-action", "method": "GET"}));
        let links: Vec<Value> = [Some(help), action].into_iter().flatten().collect();
        let mut error = json!({"name": name, "message": message, "debug_id": debug_id, "links": links});
        if let Some(details) = details {
            error["details"] = details;
        }
        error
    }

    fn detail(&self, issue: &Issue) -> Value {
        let mut detail = Map::new();
        let mut put = |name: &str, value: &str| detail.insert(name.to_owned(), value.into());
        if let Some(field) = &self.field {
            put("field", field);
            put("location", if issue.status == 404 && !field.starts_with('/') { "path" } else { "body" });
        }
        if let Some(value) = &self.value {
            put("value", value);
        }
        put("issue", issue.code);
        put("description", issue.description);
        detail.into()
    }
}

/// The name and the words of an error with an issue.
fn of_status(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("INVALID_REQUEST", "Request is not well-formed, syntactically incorrect, or violates schema."),
        404 => ("RESOURCE_NOT_FOUND", "The specified resource does not exist."),
        409 => ("RESOURCE_CONFLICT", "The server has detected a conflict while processing this request."),
        _ => (
            "UNPROCESSABLE_ENTITY",
            "The requested action could not be performed, semantically incorrect, or failed business validation.",
        ),
    }
}
