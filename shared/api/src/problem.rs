//! Every error answer: RFC 9457 `application/problem+json` with a stable code.
//!
//! Must not know: which use-case failed. What went wrong inside travels along as the cause, for the log only.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of every error answer.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// Lists every code once, with its name on the wire, status, title and the `Retry-After` in seconds that it always has
/// (0: none).
macro_rules! problem_codes {
    ($($(#[doc = $doc:literal])+ $code:ident = $name:literal, $status:ident, $title:literal, retry $retry:literal;)+) => {
        /// What went wrong, as programs tell it apart. Names never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemCode {
            $($(#[doc = $doc])+ $code,)+
        }

        impl ProblemCode {
            /// Every code, in the order of their statuses.
            pub const ALL: &'static [Self] = &[$(Self::$code,)+];

            /// The name on the wire and in metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $name,)+ }
            }

            /// The status it is answered with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$code => StatusCode::$status,)+ }
            }

            /// A short summary, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$code => $title,)+ }
            }

            /// What it means, for the API's description.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$code => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// The `type` member: a reference relative to the gateway's own address, stable, one per code.
            pub const fn type_uri(self) -> &'static str {
                match self { $(Self::$code => concat!("/problems/", $name),)+ }
            }

            /// How long to wait before the next try, where that is always the same; `None`: it is not said.
            pub const fn default_retry_after(self) -> Option<Duration> {
                let seconds: u64 = match self { $(Self::$code => $retry,)+ };
                if seconds == 0 { None } else { Some(Duration::from_secs(seconds)) }
            }
        }
    };
}

problem_codes! {
    /// The request cannot be understood; `errors` names the fields.
    InvalidRequest = "invalid_request", BAD_REQUEST, "Invalid request", retry 0;
    /// The call needs an `Idempotency-Key` header.
    IdempotencyKeyMissing = "idempotency_key_missing", BAD_REQUEST, "Idempotency key missing", retry 0;
    /// Something looks like a card number. It was neither stored nor logged.
    CardDataNotAccepted = "card_data_not_accepted", BAD_REQUEST, "Card data not accepted", retry 0;
    /// No valid credentials came.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "Not authenticated", retry 0;
    /// The credentials do not allow this.
    Forbidden = "forbidden", FORBIDDEN, "Forbidden", retry 0;
    /// There is no such thing, or it belongs to somebody else.
    NotFound = "not_found", NOT_FOUND, "Not found", retry 0;
    /// The path exists, but not with this method; `Allow` names those it takes.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed", retry 0;
    /// The request is still running under the same key.
    IdempotencyKeyInUse = "idempotency_key_in_use", CONFLICT, "Idempotency key in use", retry 1;
    /// Another operation on the payment has no outcome yet.
    OperationInProgress = "operation_in_progress", CONFLICT, "Operation in progress", retry 5;
    /// The payment's status does not allow this.
    PaymentStateConflict = "payment_state_conflict", CONFLICT, "Payment state conflict", retry 0;
    /// A refund needs a settled payment.
    PaymentNotSettled = "payment_not_settled", CONFLICT, "Payment not settled", retry 0;
    /// The body is larger than the function takes.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "Body too large", retry 0;
    /// The body is not of a media type that the call takes.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", retry 0;
    /// The key came before with another request.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "Idempotency key reused", retry 0;
    /// A capture of more than was authorized.
    AmountExceedsAuthorized = "amount_exceeds_authorized", UNPROCESSABLE_ENTITY, "Amount exceeds authorized", retry 0;
    /// Refunds of more than was captured.
    RefundExceedsCaptured = "refund_exceeds_captured", UNPROCESSABLE_ENTITY, "Refund exceeds captured", retry 0;
    /// The currency is unknown, or the provider does not take it.
    CurrencyNotSupported = "currency_not_supported", UNPROCESSABLE_ENTITY, "Currency not supported", retry 0;
    /// The provider does not take this amount in this currency.
    AmountNotSupported = "amount_not_supported", UNPROCESSABLE_ENTITY, "Amount not supported", retry 0;
    /// The provider captures all or nothing.
    PartialCaptureNotSupported = "partial_capture_not_supported", UNPROCESSABLE_ENTITY, "Partial capture not supported", retry 0;
    /// The provider said no.
    ProviderRefused = "provider_refused", UNPROCESSABLE_ENTITY, "Provider refused", retry 0;
    /// More requests than the merchant's limit.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Rate limited", retry 1;
    /// A fault of ours. The correlation id finds it in the logs.
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "Internal error", retry 0;
    /// No provider can be reached.
    ProviderUnavailable = "provider_unavailable", SERVICE_UNAVAILABLE, "Provider temporarily unavailable", retry 30;
    /// More work than there is room for.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Overloaded", retry 60;
    /// The store cannot be reached.
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE, "Store temporarily unavailable", retry 5;
}

/// One wrong field of a request body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where in the body: an RFC 6901 JSON pointer. Empty for the body as a whole.
    pub pointer: String,
    /// What is wrong with it, and what would be right. Never repeats the value.
    pub detail: String,
}

/// An error answer on its way out. Cheap to clone; stays on the response as an extension, so that outer layers can add
/// the correlation id and count the code.
#[derive(Clone)]
pub struct Problem {
    /// What went wrong.
    pub code: ProblemCode,
    /// What the caller can do about it. Says nothing about our inside.
    pub detail: String,
    /// The wrong fields, if it is about fields.
    pub errors: Vec<FieldError>,
    /// When to try again; sent in whole seconds, rounded up.
    pub retry_after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Problem {
    /// A problem with the code's own `Retry-After`, if it has one.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        let retry_after = code.default_retry_after();
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after, headers: Vec::new(), cause: None }
    }

    /// A fault of ours: the caller learns nothing but that, the log gets `cause` and everything behind it.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ProblemCode::InternalError, "Something went wrong here. It has been logged under the correlation id.")
            .caused_by(cause)
    }

    /// Wrong fields of the body.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] if only.pointer.is_empty() => format!("The body {}.", only.detail),
            [only] => format!("{} {}.", only.pointer, only.detail),
            several => format!("{} things are wrong with the body; see errors.", several.len()),
        };
        Self { errors, ..Self::new(ProblemCode::InvalidRequest, detail) }
    }

    /// Names the wrong fields.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Sends this header along.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Keeps what failed inside, for the log line of the request. It is never sent.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// What failed inside, if anything did.
    pub fn cause(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }

    /// The body as it goes over the wire.
    pub fn body(&self, correlation_id: Option<&str>) -> ProblemBody {
        ProblemBody {
            r#type: self.code.type_uri().to_owned(),
            title: self.code.title().to_owned(),
            status: self.code.status().as_u16(),
            detail: self.detail.clone(),
            code: self.code.as_str().to_owned(),
            correlation_id: correlation_id.map(str::to_owned),
            errors: self.errors.clone(),
        }
    }

    fn json(&self, correlation_id: Option<&str>) -> Body {
        // Strings, integers and lists of them: writing these to memory cannot fail.
        Body::from(serde_json::to_vec(&self.body(correlation_id)).unwrap_or_default())
    }

    /// Writes the correlation id into an answer that is a problem; leaves any other answer, one that says the same as a page
    /// for people, and all headers, alone.
    pub fn add_correlation_id(response: &mut Response, correlation_id: &str) {
        let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == CONTENT_TYPE);
        let Some(problem) = response.extensions().get::<Self>().filter(|_| is_json) else { return };
        let body = problem.json(Some(correlation_id));
        *response.body_mut() = body;
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.json(None));
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        headers.extend(self.headers.iter().cloned());
        response.extensions_mut().insert(self);
        response
    }
}

/// Rounded up, and never 0: a caller that is told to wait does wait.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({}: {})", self.code.as_str(), self.detail)
    }
}

/// An error answer (RFC 9457, `application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProblemBody {
    /// A reference that identifies the kind of problem: `/problems/` and the code.
    pub r#type: String,
    /// A short summary, the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what the caller can do.
    pub detail: String,
    /// What programs tell problems apart by.
    pub code: String,
    /// The request's correlation id, also in the header `X-Correlation-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = true, nullable = false)]
    pub correlation_id: Option<String>,
    /// The wrong fields, where fields are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
}

#[cfg(test)]
mod tests;
