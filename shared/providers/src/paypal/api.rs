//! Calls to PayPal's API: its token, one call, and the class of its answer. Decides nothing about what a class means for an
//! operation.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use serde_json::Value;
use tollgate_gateway::ports::{HttpClient, Time};

use super::{
    failures::token,
    objects::{ApiError, Token, read},
};
pub(super) use crate::calls::{Deadline, Trace};
use crate::{
    calls::{self, NoAnswer, exchange, retry_after},
    tokens::{self, Tokens},
};

/// No token is believed to live longer (PayPal's live nine hours).
pub(super) const TOKEN_LIVES_AT_MOST: Duration = Duration::from_secs(9 * 3600);
/// Where PayPal names a call.
const REFERENCE: &str = "paypal-debug-id";

/// The way to PayPal.
pub(super) struct Api {
    pub(super) base: String,
    /// `Basic …`: what a token is got with.
    pub(super) basic: HeaderValue,
    pub(super) http: Arc<dyn HttpClient>,
    pub(super) time: Arc<dyn Time>,
    pub(super) tokens: Tokens,
}

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
        Deadline::after(timeout, self.time.as_ref())
    }

    /// Sends `ask` within what is left until `deadline`, with a token. One that PayPal does not know any more is replaced, once:
    /// it turned the request away before looking at it.
    pub(super) async fn call(&self, ask: &Ask, deadline: Deadline) -> Reply {
        let refused = match self.bearer(deadline).await {
            Ok(bearer) => match self.call_with(ask, &bearer, deadline).await {
                Reply { trace, .. } if trace.http_status == Some(401) => bearer,
                reply => return reply,
            },
            Err(reply) => return *reply,
        };
        self.tokens.forget(&refused).await;
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
        let trace = Trace::default();
        match exchange(self.http.as_ref(), self.time.as_ref(), request, deadline).await {
            Ok(response) => classify(&response),
            Err(NoAnswer::NotReached(reason)) => Reply { got: not_reached(&reason), trace },
            Err(NoAnswer::Lost(reason)) => Reply { got: Got::Unknown(reason), trace },
        }
    }

    /// The token that calls are made with. Without one nothing is sent: whatever keeps us from it, the call did not happen.
    async fn bearer(&self, deadline: Deadline) -> Result<HeaderValue, Box<Reply>> {
        self.tokens.present(self.get_token(deadline)).await
    }

    async fn get_token(&self, deadline: Deadline) -> Result<tokens::Got, Box<Reply>> {
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
        let Some(bearer) = calls::bearer(&token.access_token) else {
            return refused("no token: one that cannot be sent", Trace::default());
        };
        Ok(tokens::Got { bearer, lives: Duration::from_secs(token.expires_in) })
    }
}

pub(super) fn not_reached(reason: &str) -> Got {
    Got::NotReached { reason: reason.to_owned(), retry_after: None }
}

/// The table of classes; the order of the lines is the order of precedence.
pub(super) fn classify(response: &Response<Bytes>) -> Reply {
    let status = response.status().as_u16();
    let mut trace = Trace::of(response, REFERENCE);
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
