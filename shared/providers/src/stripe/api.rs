//! One call of Stripe's API: how a request is written, and which class its answer falls into. Knows the errors' meaning,
//! and nothing of payments or operations.
//!
//! `Stripe-Should-Retry` overrides the classes in the careful direction only. `true` on what would be a final refusal says
//! that the last word is not spoken: unknown. `false` on a rate limit says that sending it again is not wanted: unknown
//! too. On a 5xx it changes nothing: the outcome is unknown either way, and whether to send again is for the caller, who
//! has the same key (a stored 500 just comes back).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use tollgate_gateway::ports::{HttpClient, HttpError, Time};

use super::{
    failures::token,
    objects::{ApiError, ErrorEnvelope, read},
};

/// The version whose objects we ask for. The newest whose whole published description our tests hold requests against;
/// later ones change nothing that we send or read (`latest_charge` came in 2022-11-15), and the reader takes both an id
/// and an object there. Events come in the version of the webhook endpoint, whatever we pin.
const STRIPE_VERSION: HeaderValue = HeaderValue::from_static("2023-08-16");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
/// Longer waits than this are not believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
const REFERENCE_MAX_LEN: usize = 100;

/// Where and as whom Stripe is called.
pub(super) struct Api {
    pub(super) base: String,
    pub(super) authorization: HeaderValue,
    pub(super) http: Arc<dyn HttpClient>,
    pub(super) time: Arc<dyn Time>,
}

/// A request, not yet written.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Below `/v1/`; made of checked ids only.
    pub(super) path: String,
    pub(super) params: Vec<(String, String)>,
    pub(super) idempotency_key: Option<String>,
}

/// When the calls made for one operation must have ended, in real time since the process began to count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Duration);

/// What came of one request, and what the audit trail keeps of it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) got: Got,
    pub(super) trace: Trace,
}

/// Allow-listed fields of an answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    pub(super) http_status: Option<u16>,
    pub(super) reference: Option<String>,
    pub(super) provider_code: Option<String>,
}

/// The classes of answers.
#[derive(Debug)]
pub(super) enum Got {
    /// A body with 200. `replayed`: it is kept from the first time, and may be old.
    Body { body: Bytes, replayed: bool },
    /// The payer's bank, or Stripe in its place, said no.
    Declined(ApiError),
    /// The object is past that already: look, and adopt what is there.
    Conflict(ApiError),
    /// The authorization has ended.
    Expired(ApiError),
    /// A final no to the request itself.
    Refused(ApiError),
    /// What happened is not known.
    Unknown(String),
    /// Nothing happened.
    NotReached { reason: String, retry_after: Option<Duration> },
}

impl Api {
    pub(super) fn deadline(&self, timeout: Duration) -> Deadline {
        Deadline(self.time.monotonic() + timeout)
    }

    /// Sends `ask` within what is left until `deadline`.
    pub(super) async fn call(&self, ask: Ask, deadline: Deadline) -> Reply {
        let left = deadline.0.saturating_sub(self.time.monotonic());
        let nothing = Trace::default();
        if left.is_zero() {
            return Reply { got: not_reached("no time left for the call"), trace: nothing };
        }
        let request = match self.write(&ask) {
            Ok(request) => request,
            Err(reason) => return Reply { got: not_reached(&reason), trace: nothing },
        };
        match self.http.send(request, left).await {
            Ok(response) => classify(&response),
            Err(HttpError::NotReached(reason)) => Reply { got: not_reached(&reason), trace: nothing },
            Err(HttpError::AnswerLost(reason)) => {
                Reply { got: Got::Unknown(format!("answer lost: {reason}")), trace: nothing }
            }
        }
    }

    fn write(&self, ask: &Ask) -> Result<Request<Bytes>, String> {
        let unwritable = |error: &dyn std::error::Error| format!("the request cannot be written: {error}");
        let params = serde_urlencoded::to_string(&ask.params).map_err(|error| unwritable(&error))?;
        let mut url = format!("{}/v1/{}", self.base, ask.path);
        let mut request = Request::builder()
            .method(&ask.method)
            .header(header::AUTHORIZATION, &self.authorization)
            .header("stripe-version", STRIPE_VERSION);
        if let Some(key) = &ask.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let mut body = Bytes::new();
        if ask.method == Method::POST {
            request = request.header(header::CONTENT_TYPE, FORM);
            body = Bytes::from(params);
        } else if !params.is_empty() {
            url = format!("{url}?{params}");
        }
        request.uri(url).body(body).map_err(|error| unwritable(&error))
    }
}

fn not_reached(reason: &str) -> Got {
    Got::NotReached { reason: reason.to_owned(), retry_after: None }
}

/// The table of classes; the order of the lines is the order of precedence.
pub(super) fn classify(response: &Response<Bytes>) -> Reply {
    let status = response.status().as_u16();
    let mut trace = Trace { http_status: Some(status), reference: reference(response.headers()), provider_code: None };
    if status == 200 {
        let replayed = flag(response.headers(), "idempotent-replayed") == Some(true);
        return Reply { got: Got::Body { body: response.body().clone(), replayed }, trace };
    }
    let error = read::<ErrorEnvelope>(response.body()).map(|envelope| envelope.error);
    if let Ok(error) = &error {
        let code = error.codes.decline_code.as_deref().and_then(token);
        trace.provider_code = code.or(error.codes.code.as_deref().and_then(token)).map(ToOwned::to_owned);
    }
    let got = match error {
        Ok(error) if (400..500).contains(&status) => client_error(status, error, response.headers()),
        // Not Stripe's own words (a proxy's page, say): whoever wrote this may not know what Stripe did.
        Err(_) if (400..500).contains(&status) => Got::Unknown(format!("status {status} without an error of Stripe's")),
        _ => Got::Unknown(format!("status {status}")),
    };
    Reply { got, trace }
}

fn client_error(status: u16, error: ApiError, headers: &HeaderMap) -> Got {
    let kind = error.kind.as_deref().unwrap_or_default();
    let code = error.codes.code.as_deref().unwrap_or_default();
    let should_retry = flag(headers, "stripe-should-retry");
    match (status, kind, code) {
        // Our own key with other parameters: a bug of ours. What its first request did is not known from this.
        (_, "idempotency_error", _) => {
            tracing::error!(reference = ?reference(headers), "stripe refused an idempotency key used with other parameters");
            Got::Unknown("the idempotency key was used with other parameters".to_owned())
        }
        // It, or another request for the same object, is being worked on right now.
        (409, ..) | (_, _, "idempotency_key_in_use" | "lock_timeout") => {
            Got::Unknown("the provider is still working on it".to_owned())
        }
        (429, ..) if should_retry == Some(false) => Got::Unknown("rate limited, and not to be sent again".to_owned()),
        (429, ..) => Got::NotReached { reason: "rate limited".to_owned(), retry_after: retry_after(headers) },
        _ if should_retry == Some(true) => Got::Unknown(format!("status {status}, to be tried again")),
        (_, "api_error", _) => Got::Unknown(format!("status {status}, an error of the provider's")),
        (
            ..,
            "payment_intent_unexpected_state"
            | "intent_invalid_state"
            | "charge_already_captured"
            | "charge_already_refunded",
        ) => Got::Conflict(error),
        (.., "charge_expired_for_capture" | "capture_charge_authorization_expired") => Got::Expired(error),
        (402, ..) | (_, "card_error", _) => Got::Declined(error),
        (401 | 403, ..) => {
            tracing::error!(status, code, "stripe refused our credentials: check STRIPE_SECRET_KEY");
            // It turned the request away before looking at it or at its key: that says nothing of an earlier call
            // with the same id, whose answer may have been lost. With good credentials it can be sent again.
            Got::NotReached { reason: "our credentials were refused".to_owned(), retry_after: None }
        }
        (400 | 404, ..) => Got::Refused(error),
        _ => Got::Unknown(format!("status {status}")),
    }
}

fn flag(headers: &HeaderMap, name: &str) -> Option<bool> {
    match headers.get(name)?.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

fn reference(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("request-id")?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (text.len() <= REFERENCE_MAX_LEN && text.bytes().all(plain)).then(|| text.to_owned())
}
