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
use tollgate_gateway::ports::{HttpClient, Time};

use super::{
    failures::token,
    objects::{ApiError, ErrorEnvelope, read},
};
pub(super) use crate::calls::{Deadline, Trace};
use crate::calls::{NoAnswer, exchange, retry_after};

/// The version whose objects we ask for. The newest whose whole published description our tests hold requests against;
/// later ones change nothing that we send or read (`latest_charge` came in 2022-11-15), and the reader takes both an id
/// and an object there. Events come in the version of the webhook endpoint, whatever we pin.
const STRIPE_VERSION: HeaderValue = HeaderValue::from_static("2023-08-16");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
/// Where Stripe names a call.
const REFERENCE: &str = "request-id";

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

/// What came of one request, and what the audit trail keeps of it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) got: Got,
    pub(super) trace: Trace,
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
        Deadline::after(timeout, self.time.as_ref())
    }

    /// Sends `ask` within what is left until `deadline`.
    pub(super) async fn call(&self, ask: Ask, deadline: Deadline) -> Reply {
        let trace = Trace::default();
        let request = match self.write(&ask) {
            Ok(request) => request,
            Err(reason) => return Reply { got: not_reached(reason), trace },
        };
        match exchange(self.http.as_ref(), self.time.as_ref(), request, deadline).await {
            Ok(response) => classify(&response),
            Err(NoAnswer::NotReached(reason)) => Reply { got: not_reached(reason), trace },
            Err(NoAnswer::Lost(reason)) => Reply { got: Got::Unknown(reason), trace },
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

fn not_reached(reason: String) -> Got {
    Got::NotReached { reason, retry_after: None }
}

/// The table of classes; the order of the lines is the order of precedence.
pub(super) fn classify(response: &Response<Bytes>) -> Reply {
    let status = response.status().as_u16();
    let mut trace = Trace::of(response, REFERENCE);
    let replayed = flag(response.headers(), "idempotent-replayed") == Some(true);
    trace.repeated = replayed;
    if status == 200 {
        return Reply { got: Got::Body { body: response.body().clone(), replayed }, trace };
    }
    let error = read::<ErrorEnvelope>(response.body()).map(|envelope| envelope.error);
    if let Ok(error) = &error {
        let code = error.codes.decline_code.as_deref().and_then(token);
        trace.provider_code = code.or(error.codes.code.as_deref().and_then(token)).map(ToOwned::to_owned);
    }
    let got = match error {
        Ok(error) if (400..500).contains(&status) => {
            client_error(status, error, response.headers(), trace.reference.as_deref())
        }
        // Not Stripe's own words (a proxy's page, say): whoever wrote this may not know what Stripe did.
        Err(_) if (400..500).contains(&status) => Got::Unknown(format!("status {status} without an error of Stripe's")),
        _ => Got::Unknown(format!("status {status}")),
    };
    Reply { got, trace }
}

fn client_error(status: u16, error: ApiError, headers: &HeaderMap, reference: Option<&str>) -> Got {
    let kind = error.kind.as_deref().unwrap_or_default();
    let code = error.codes.code.as_deref().unwrap_or_default();
    let should_retry = flag(headers, "stripe-should-retry");
    match (status, kind, code) {
        // Our own key with other parameters: a bug of ours. What its first request did is not known from this.
        (_, "idempotency_error", _) => {
            tracing::error!(reference, "stripe refused an idempotency key used with other parameters");
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
