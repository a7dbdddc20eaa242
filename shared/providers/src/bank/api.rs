//! Calls to the bank's API: its token, one signed call, and the class of its answer. Decides nothing about what a class
//! means for an operation.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use serde_json::{Value, json};
use tollgate_gateway::ports::{HttpClient, Time};

use super::{
    failures::{NO_SUCH, PAYERS_TOKEN, token},
    key::{NoSignature, SigningKey},
    objects::{ApiError, Token, read},
};
pub(super) use crate::calls::{Deadline, Trace};
use crate::{
    calls::{self, NoAnswer, exchange, retry_after},
    tokens::{self, Tokens},
};

/// Where payments are, below the bank's address.
const ROOT: &str = "/open-banking/v4.0/pisp";
/// No token is believed to live longer.
pub(super) const TOKEN_LIVES_AT_MOST: Duration = Duration::from_secs(3600);
/// How long the proof of who we are is good for.
const ASSERTION_SECONDS: i64 = 120;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Where the bank names a call.
const REFERENCE: &str = "x-fapi-interaction-id";

/// The way to the bank.
pub(super) struct Api {
    pub(super) base: String,
    pub(super) client_id: String,
    pub(super) key: SigningKey,
    pub(super) http: Arc<dyn HttpClient>,
    pub(super) time: Arc<dyn Time>,
    pub(super) tokens: Tokens,
}

/// The token of a payer's approval.
pub(super) struct PayersToken {
    pub(super) access_token: String,
    pub(super) expires_in: Duration,
}

impl PayersToken {
    fn of(token: Token) -> Self {
        Self { access_token: token.access_token, expires_in: Duration::from_secs(token.expires_in) }
    }
}

/// Why a code was not changed for a token.
pub(super) enum NoToken {
    /// The bank takes it no more.
    NotUsable,
    /// It may have been changed.
    Unknown(String),
    /// It was not.
    NotReached { reason: String, retry_after: Option<Duration> },
}

/// What is asked for, below the payments API.
pub(super) struct Ask {
    method: Method,
    path: String,
    idempotency_key: Option<String>,
    body: Option<Value>,
}

impl Ask {
    pub(super) fn get(path: String) -> Self {
        Self { method: Method::GET, path, idempotency_key: None, body: None }
    }

    pub(super) fn post(path: &str, idempotency_key: String, body: Value) -> Self {
        let (path, idempotency_key) = (path.to_owned(), Some(idempotency_key));
        Self { method: Method::POST, path, idempotency_key, body: Some(body) }
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
    /// The bank's final word to the request itself, to be read by its code.
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

    /// Half of what is left until `deadline`.
    pub(super) fn half_of(&self, deadline: Deadline) -> Deadline {
        deadline.half(self.time.as_ref())
    }

    /// Sends `ask` within what is left until `deadline`, with our own token. One that the bank does not know any more is
    /// replaced, once: it turned the request away before looking at it.
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
                    tracing::error!("the bank refuses the tokens that it gives us: check the client's permissions");
                    Reply { got: not_reached("our token was refused"), trace }
                }
                reply => reply,
            },
            Err(reply) => *reply,
        }
    }

    /// The same with the token of a payer's approval. One that the bank does not know any more cannot be replaced: that is its final
    /// word to the request.
    pub(super) async fn call_for_the_payer(&self, ask: &Ask, bearer: &HeaderValue, deadline: Deadline) -> Reply {
        match self.call_with(ask, bearer, deadline).await {
            Reply { trace, .. } if trace.http_status == Some(401) => {
                Reply { got: Got::Refused(ApiError::of_code(PAYERS_TOKEN)), trace }
            }
            reply => reply,
        }
    }

    async fn call_with(&self, ask: &Ask, bearer: &HeaderValue, deadline: Deadline) -> Reply {
        let body = ask.body.as_ref().map(Value::to_string).unwrap_or_default();
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(format!("{}{ROOT}{}", self.base, ask.path))
            .header(header::AUTHORIZATION, bearer)
            .header(header::ACCEPT, "application/json");
        if let Some(key) = &ask.idempotency_key {
            let now = self.time.now().as_second();
            let Ok(signature) = self.key.detached(&self.client_id, now, body.as_bytes()) else {
                return Reply { got: not_reached("the request cannot be signed"), trace: Trace::default() };
            };
            request = request
                .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
                .header("x-idempotency-key", key)
                .header("x-jws-signature", signature);
        }
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
        let refused = |reason: &str, trace: Trace| Err(Box::new(Reply { got: not_reached(reason), trace }));
        let Some(request) = self.token_request(&[("grant_type", "client_credentials"), ("scope", "payments")]) else {
            return refused("the request for a token cannot be written", Trace::default());
        };
        let Reply { got, trace } = self.exchange(request, deadline).await;
        let body = match got {
            Got::Body(body) => body,
            Got::NotReached { .. } if matches!(trace.http_status, None | Some(429)) => {
                return Err(Box::new(Reply { got, trace }));
            }
            // OAuth's errors are shaped otherwise than the API's, so the status tells.
            _ if matches!(trace.http_status, Some(400..=499)) => {
                tracing::error!(
                    status = trace.http_status,
                    "the bank refused our credentials: check the client's id and its key"
                );
                return refused("our credentials were refused", trace);
            }
            // Nothing of the payment was sent: but the bank is in trouble, and no status of its says otherwise.
            _ => return refused("no token: the bank is in trouble", Trace::default()),
        };
        let Ok(token) = read::<Token>(&body) else {
            return refused("no token: an answer without one", Trace::default());
        };
        let Some(bearer) = calls::bearer(&token.access_token) else {
            return refused("no token: one that cannot be sent", Trace::default());
        };
        Ok(tokens::Got { bearer, lives: Duration::from_secs(token.expires_in) })
    }

    /// Changes the code that a payer brought to `returned_to` for the token of his approval. A code can be used once: what was
    /// lost on the way is lost.
    pub(super) async fn change_code(
        &self,
        code: &str,
        returned_to: &str,
        deadline: Deadline,
    ) -> (Result<PayersToken, NoToken>, Trace) {
        let grant = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", returned_to)];
        let Some(request) = self.token_request(&grant) else {
            let reason = "the request for a token cannot be written".to_owned();
            return (Err(NoToken::NotReached { reason, retry_after: None }), Trace::default());
        };
        let Reply { got, trace } = self.exchange(request, deadline).await;
        let (body, refused) = match got {
            Got::Body(body) => (Some(body), None),
            Got::NotReached { reason, retry_after } if matches!(trace.http_status, None | Some(429)) => {
                return (Err(NoToken::NotReached { reason, retry_after }), trace);
            }
            _ => (None, trace.http_status.filter(|status| (400..500).contains(status))),
        };
        let token = body.and_then(|body| read::<Token>(&body).ok()).map(PayersToken::of);
        let no_token = match refused {
            // The code is not known, was used, or is too old.
            Some(400) => NoToken::NotUsable,
            Some(status) => {
                tracing::error!(status, "the bank refused our credentials: check the client's id and its key");
                NoToken::NotReached { reason: "our credentials were refused".to_owned(), retry_after: None }
            }
            None => NoToken::Unknown("no token came for the payer's code".to_owned()),
        };
        (token.ok_or(no_token), trace)
    }

    fn token_request(&self, grant: &[(&str, &str)]) -> Option<Request<Bytes>> {
        let url = format!("{}/oauth2/token", self.base);
        let assertion = self.assertion(&url).ok()?;
        let proof = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion.as_str())];
        let form: Vec<_> = grant.iter().copied().chain(proof).collect();
        let request = Request::post(url).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        request.body(Bytes::from(serde_urlencoded::to_string(form).ok()?)).ok()
    }

    /// The proof of who we are (RFC 7523), good once. It brings the public key: a bank without a directory takes it from
    /// there, and others leave it alone.
    fn assertion(&self, audience: &str) -> Result<String, NoSignature> {
        let now = self.time.now().as_second();
        let claims = json!({
            "iss": self.client_id, "sub": self.client_id, "aud": audience, "jti": self.key.fresh_name()?,
            "iat": now, "exp": now + ASSERTION_SECONDS,
        });
        self.key.token(&claims, &json!({"jwk": self.key.jwk()}))
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
        (409, _) => Got::Unknown("the bank is still working on it".to_owned()),
        (400 | 404, Ok(error)) if error.code() == NO_SUCH => Got::Missing,
        (400 | 403, Ok(error)) => Got::Refused(error),
        // Not the bank's own words (a proxy's page, say): whoever wrote this may not know what the bank did.
        _ => Got::Unknown(format!("status {status}")),
    };
    Reply { got, trace }
}
