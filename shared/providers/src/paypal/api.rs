//! Calls to PayPal's API: its token, one call, and the class of its answer. Decides nothing about what a class means for an
//! operation.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::lock::Mutex;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use serde_json::Value;
use tollgate_gateway::ports::{HttpClient, HttpError, Time};

use super::{
    failures::token,
    objects::{ApiError, Token, read},
};

/// A token is renewed so long before it ends.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// No token is believed to live longer (PayPal's live nine hours).
const TOKEN_LIVES_AT_MOST: Duration = Duration::from_secs(9 * 3600);
const REFERENCE_MAX_LEN: usize = 64;
/// Longer waits are not waited for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The way to PayPal.
pub(super) struct Api {
    pub(super) base: String,
    /// `Basic …`: what a token is got with.
    pub(super) basic: HeaderValue,
    pub(super) http: Arc<dyn HttpClient>,
    pub(super) time: Arc<dyn Time>,
    /// Got by one, waited for by the others.
    pub(super) token: Mutex<Option<Known>>,
}

/// A token, and until when it is used (monotonic time).
pub(super) struct Known {
    bearer: HeaderValue,
    until: Duration,
}

/// When a call must have ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Duration);

/// What is asked for.
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) request_id: Option<String>,
    pub(super) body: Option<Value>,
}

impl Ask {
    pub(super) fn get(path: String) -> Self {
        Self { method: Method::GET, path, request_id: None, body: None }
    }

    pub(super) fn post(path: String, request_id: String, body: Value) -> Self {
        Self { method: Method::POST, path, request_id: Some(request_id), body: Some(body) }
    }
}

/// What the audit trail keeps of an answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    pub(super) http_status: Option<u16>,
    pub(super) reference: Option<String>,
    pub(super) provider_code: Option<String>,
}

/// An answer, classified.
pub(super) struct Reply {
    pub(super) got: Got,
    pub(super) trace: Trace,
}

/// The classes of answers.
#[derive(Debug)]
pub(super) enum Got {
    /// A 2xx.
    Body(Bytes),
    /// There is no such thing.
    Missing,
    /// PayPal's final word to the request itself, to be read by its issue.
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

    /// Sends `ask` within what is left until `deadline`, with a token. One that PayPal does not know any more is replaced, once:
    /// it turned the request away before looking at it.
    pub(super) async fn call(&self, ask: &Ask, deadline: Deadline) -> Reply {
        let reply = match self.bearer(deadline).await {
            Ok(bearer) => self.call_with(ask, &bearer, deadline).await,
            Err(reply) => return *reply,
        };
        if reply.trace.http_status != Some(401) {
            return reply;
        }
        *self.token.lock().await = None;
        match self.bearer(deadline).await {
            Ok(bearer) => match self.call_with(ask, &bearer, deadline).await {
                Reply { trace, .. } if trace.http_status == Some(401) => {
                    tracing::error!("paypal refuses the tokens that it gives us: check the account's permissions");
                    Reply { got: not_reached("our token was refused"), trace }
                }
                reply => reply,
            },
            Err(reply) => *reply,
        }
    }

    async fn call_with(&self, ask: &Ask, bearer: &HeaderValue, deadline: Deadline) -> Reply {
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(format!("{}{}", self.base, ask.path))
            .header(header::AUTHORIZATION, bearer)
            .header(header::CONTENT_TYPE, "application/json")
            .header("prefer", "return=representation");
        if let Some(id) = &ask.request_id {
            request = request.header("paypal-request-id", id);
        }
        let body = ask.body.as_ref().map(Value::to_string).unwrap_or_default();
        match request.body(Bytes::from(body)) {
            Ok(request) => self.exchange(request, deadline).await,
            Err(error) => {
                Reply { got: not_reached(&format!("the request cannot be written: {error}")), trace: Trace::default() }
            }
        }
    }

    async fn exchange(&self, request: Request<Bytes>, deadline: Deadline) -> Reply {
        let left = deadline.0.saturating_sub(self.time.monotonic());
        let trace = Trace::default();
        if left.is_zero() {
            return Reply { got: not_reached("no time left for the call"), trace };
        }
        match self.http.send(request, left).await {
            Ok(response) => classify(&response),
            Err(HttpError::NotReached(reason)) => Reply { got: not_reached(&reason), trace },
            Err(HttpError::AnswerLost(reason)) => Reply { got: Got::Unknown(format!("answer lost: {reason}")), trace },
        }
    }

    /// The token that calls are made with. Without one nothing is sent: whatever keeps us from it, the call did not happen.
    async fn bearer(&self, deadline: Deadline) -> Result<HeaderValue, Box<Reply>> {
        let mut known = self.token.lock().await;
        if let Some(known) = known.as_ref().filter(|known| self.time.monotonic() < known.until) {
            return Ok(known.bearer.clone());
        }
        *known = None;
        let request = Request::post(format!("{}/v1/oauth2/token", self.base))
            .header(header::AUTHORIZATION, &self.basic)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from_static(b"grant_type=client_credentials"));
        let refused = |reason: &str, trace: Trace| Err(Box::new(Reply { got: not_reached(reason), trace }));
        let Ok(request) = request else { return refused("the request cannot be written", Trace::default()) };
        let Reply { got, trace } = self.exchange(request, deadline).await;
        let body = match got {
            Got::Body(body) => body,
            Got::NotReached { .. } => return Err(Box::new(Reply { got, trace })),
            Got::Refused(_) | Got::Missing => {
                tracing::error!(
                    status = trace.http_status,
                    "paypal refused our credentials: check PAYPAL_CLIENT_ID and _SECRET"
                );
                return refused("our credentials were refused", trace);
            }
            // Nothing of the payment was sent: but the provider is in trouble, and no status of its says otherwise.
            Got::Unknown(reason) => return refused(&format!("no token: {reason}"), Trace::default()),
        };
        let Ok(token) = read::<Token>(&body) else {
            return refused("no token: an answer without one", Trace::default());
        };
        let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {}", token.access_token)) else {
            return refused("no token: one that cannot be sent", Trace::default());
        };
        bearer.set_sensitive(true);
        let lives = Duration::from_secs(token.expires_in).min(TOKEN_LIVES_AT_MOST).saturating_sub(RENEW_BEFORE);
        *known = Some(Known { bearer: bearer.clone(), until: self.time.monotonic() + lives });
        Ok(bearer)
    }
}

pub(super) fn not_reached(reason: &str) -> Got {
    Got::NotReached { reason: reason.to_owned(), retry_after: None }
}

/// The table of classes; the order of the lines is the order of precedence.
pub(super) fn classify(response: &Response<Bytes>) -> Reply {
    let status = response.status().as_u16();
    let mut trace = Trace { http_status: Some(status), reference: reference(response.headers()), provider_code: None };
    if matches!(status, 200..=204) {
        return Reply { got: Got::Body(response.body().clone()), trace };
    }
    let error = read::<ApiError>(response.body());
    if let Ok(error) = &error {
        trace.provider_code = token(error.code()).map(ToOwned::to_owned);
    }
    let got = match (status, error) {
        (401, _) => not_reached("our token was refused"),
        (429, _) => Got::NotReached { reason: "rate limited".to_owned(), retry_after: retry_after(response.headers()) },
        // It, or its twin, is being worked on right now.
        (409, _) => Got::Unknown("the provider is still working on it".to_owned()),
        (404, Ok(_)) => Got::Missing,
        (400 | 403 | 422, Ok(error)) => Got::Refused(error),
        // Not PayPal's own words (a proxy's page, say): whoever wrote this may not know what PayPal did.
        (400..=499, Err(_)) => Got::Unknown(format!("status {status} without an error of PayPal's")),
        _ => Got::Unknown(format!("status {status}")),
    };
    Reply { got, trace }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

fn reference(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("paypal-debug-id")?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (text.len() <= REFERENCE_MAX_LEN && text.bytes().all(plain)).then(|| text.to_owned())
}
