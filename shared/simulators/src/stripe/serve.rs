//! One API call from its headers to its answer: key, parameters, idempotency, the endpoint's work.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    API_VERSION, Call, Stripe,
    answers::{KeptAnswer, KeyState},
    endpoint::Endpoint,
    errors::ApiError,
    params::Params,
};
use crate::Interference;

/// Longer keys are refused.
const LONGEST_KEY: usize = 255;

/// The idempotency key that `request` carries.
pub(super) fn idempotency_key(request: &Request<Bytes>) -> Option<&str> {
    header_text(request.headers(), "idempotency-key").filter(|_| request.method() == Method::POST)
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// An answer before it has headers.
struct Served {
    status: u16,
    body: Arc<str>,
    should_retry: bool,
    /// The request that first got this answer, where it is a replay.
    original: Option<String>,
}

impl From<&ApiError> for Served {
    fn from(error: &ApiError) -> Self {
        Self {
            status: error.status,
            body: error.to_json().to_string().into(),
            should_retry: error.should_retry(),
            original: None,
        }
    }
}

impl Stripe {
    /// Answers an API call, whatever it is.
    pub(super) fn serve(&mut self, call: &mut Call, request: &Request<Bytes>) -> Response<Bytes> {
        let request_id = self.random("req_", 14);
        call.request_id = Some(request_id.clone());
        call.idempotency_key = idempotency_key(request).map(ToOwned::to_owned);
        let served = self.answer(call, request).unwrap_or_else(|error| Served::from(&error));
        let mut response = Response::new(Bytes::copy_from_slice(served.body.as_bytes()));
        *response.status_mut() = StatusCode::from_u16(served.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        put("content-type", "application/json");
        put("request-id", &request_id);
        put("stripe-version", header_text(request.headers(), "stripe-version").unwrap_or(API_VERSION));
        if let Some(key) = &call.idempotency_key {
            put("idempotency-key", key);
        }
        if let Some(original) = &served.original {
            put("idempotent-replayed", "true");
            put("original-request", original);
        }
        if served.status >= 400 {
            put("stripe-should-retry", if served.should_retry { "true" } else { "false" });
        }
        if served.status == 429 {
            put("retry-after", "1");
        }
        response
    }

    fn answer(&mut self, call: &mut Call, request: &Request<Bytes>) -> Result<Served, ApiError> {
        authenticate(request.headers())?;
        if call.interference.take(Interference::RateLimit) {
            return Err(ApiError::rate_limited());
        }
        let path = Self::path(request);
        let endpoint =
            Endpoint::find(request.method(), path).ok_or_else(|| ApiError::unknown_url(request.method(), path))?;
        let params = if request.method() == Method::POST {
            Params::parse(request.body())?
        } else {
            Params::parse(request.uri().query().unwrap_or_default().as_bytes())?
        };
        let Some(key) = call.idempotency_key.clone() else {
            return Ok(self.run(call, endpoint, &params).0);
        };
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err(ApiError::invalid("Idempotency-Key must be between 1 and 255 characters long."));
        }
        self.state.answers.forget_old(call.unix());
        let fingerprint = fingerprint(path, &params);
        match self.state.answers.look_up(&key, &fingerprint) {
            KeyState::Running => return Err(ApiError::key_in_use(&key)),
            KeyState::UsedOtherwise => return Err(ApiError::key_reused(&key)),
            KeyState::Answered(kept) => {
                return Ok(Served {
                    status: kept.status,
                    body: Arc::clone(&kept.body),
                    should_retry: false,
                    original: Some(kept.request_id.clone()),
                });
            }
            KeyState::Free => {}
        }
        let (served, executed) = self.run(call, endpoint, &params);
        if executed {
            self.state.keep_answer(KeptAnswer {
                key,
                fingerprint,
                status: served.status,
                request_id: call.request_id.clone().unwrap_or_default(),
                at: call.unix(),
                body: Arc::clone(&served.body),
            });
        }
        Ok(served)
    }

    /// Runs the endpoint. The second value says whether it began to work, so that its answer binds.
    fn run(&mut self, call: &mut Call, endpoint: Endpoint, params: &Params) -> (Served, bool) {
        let outcome = if call.interference.take(Interference::ServerError) {
            Err(ApiError::server_error(call.request_id.as_deref().unwrap_or_default()))
        } else {
            self.dispatch(call, endpoint, params)
        };
        match outcome {
            Ok(value) => {
                let body = value.to_string().into();
                (Served { status: 200, body, should_retry: false, original: None }, true)
            }
            Err(error) => (Served::from(&error), error.executed),
        }
    }

    fn dispatch(&mut self, call: &mut Call, endpoint: Endpoint, params: &Params) -> Result<Value, ApiError> {
        params.only(endpoint.params())?;
        let expand = params.list("expand");
        self.check_expandable(endpoint, &expand)?;
        let mut value = match endpoint {
            Endpoint::CreateIntent => self.create_intent(call, params),
            Endpoint::Confirm(id) => self.confirm_intent(call, id, params),
            Endpoint::Capture(id) => self.capture_intent(call, id, params),
            Endpoint::Cancel(id) => self.cancel_intent(call, id, params),
            Endpoint::CreateRefund => self.create_refund(call, params),
            Endpoint::Intent(id) => self.show_intent(id),
            Endpoint::Refund(id) => self.show_refund(id),
            Endpoint::Charge(id) => self.show_charge(id),
            Endpoint::Event(id) => self.show_event(id),
            Endpoint::ListIntents => self.list_intents(params),
            Endpoint::ListRefunds => self.list_refunds(params),
            Endpoint::ListEvents => self.list_events(params),
            Endpoint::Balance => Ok(self.show_balance()),
            Endpoint::ListBalanceTransactions => self.list_balance_transactions(params),
            Endpoint::BalanceTransaction(id) => self.show_balance_transaction(id),
        }?;
        for path in expand {
            self.expand(&mut value, path);
        }
        Ok(value)
    }
}

fn fingerprint(path: &str, params: &Params) -> String {
    let mut hash = Sha256::new();
    hash.update(path);
    for (name, value) in params.pairs() {
        hash.update([0]);
        hash.update(name);
        hash.update([1]);
        hash.update(value);
    }
    hex::encode(&hash.finalize()[..16])
}

fn authenticate(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(key) = header_text(headers, header::AUTHORIZATION.as_str()).and_then(|text| text.strip_prefix("Bearer "))
    else {
        return Err(ApiError::unauthenticated(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using \
             Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication \
             for details.",
        ));
    };
    if key.len() > "sk_test_".len() && key.starts_with("sk_test_") {
        return Ok(());
    }
    let shown: String = key.chars().take(8).collect();
    Err(ApiError::unauthenticated(format!("Invalid API Key provided: {shown}***")))
}
