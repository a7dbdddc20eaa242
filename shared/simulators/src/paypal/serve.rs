//! One API call from its headers to its answer: token, request id, the endpoint's work.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    Call, PayPal,
    endpoint::Endpoint,
    errors::ApiError,
    issues::{self, Area},
    kept::{KeptRequest, KeyState, Outcome},
    order::Intent,
    reading::Body,
    show::minimal,
};
use crate::Interference;

/// Longer request ids are refused.
const LONGEST_REQUEST_ID: usize = 108;

/// The `PayPal-Request-Id` of `request`.
pub(super) fn request_id(request: &Request<Bytes>) -> Option<&str> {
    header_text(request.headers(), "paypal-request-id")
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// An answer before it has headers.
struct Served {
    status: u16,
    /// None: an answer without content.
    body: Option<Value>,
}

impl Served {
    fn ok(body: Value) -> Self {
        Self { status: 200, body: Some(body) }
    }
}

/// How a call wants to be answered.
struct Wish {
    /// The whole object, not just id, status and links.
    whole: bool,
    /// The request was answered before.
    replay: bool,
}

impl PayPal {
    /// Answers an API call, whatever it is.
    pub(super) fn serve(&mut self, call: &mut Call, request: &Request<Bytes>) -> Response<Bytes> {
        let debug_id = self.random_hex("f", 12);
        let served = self
            .answer(call, request)
            .unwrap_or_else(|error| Served { status: error.status, body: Some(error.to_json(&debug_id)) });
        let text = served.body.map(|body| body.to_string()).unwrap_or_default();
        let mut response = Response::new(Bytes::from(text));
        *response.status_mut() = StatusCode::from_u16(served.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        put("paypal-debug-id", &debug_id);
        if served.status != 204 {
            put("content-type", "application/json");
        }
        if served.status == 429 {
            put("retry-after", "1");
        }
        response
    }

    fn answer(&mut self, call: &mut Call, request: &Request<Bytes>) -> Result<Served, ApiError> {
        let path = Self::path(request);
        let endpoint = Endpoint::find(request.method(), path);
        if endpoint == Some(Endpoint::Token) {
            return self.issue_token(call, request).map(Served::ok);
        }
        self.authenticate(call, request.headers())?;
        if call.interference.take(Interference::RateLimit) {
            return Err(ApiError::rate_limited());
        }
        let endpoint = endpoint.ok_or_else(ApiError::unknown_url)?;
        if endpoint.resource().is_some_and(|id| self.state.kept.is_running(id)) {
            return Err(ApiError::of(&issues::IN_PROGRESS));
        }
        if endpoint.kept_seconds().is_none() {
            if call.interference.take(Interference::ServerError) {
                return Err(ApiError::server_error());
            }
            return self.read_or_void(call, endpoint, request);
        }
        self.change(call, endpoint, request)
    }

    /// A call that changes something, and is kept under its request id.
    fn change(&mut self, call: &mut Call, endpoint: Endpoint, request: &Request<Bytes>) -> Result<Served, ApiError> {
        let is_json = header_text(request.headers(), header::CONTENT_TYPE.as_str())
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"));
        if !is_json {
            return Err(ApiError::media_type());
        }
        let body = Body::parse(request.body(), endpoint.area())?;
        let wish = Wish { whole: wants_all(request.headers()), replay: false };
        let Some(id) = call.request_id.clone() else {
            if body.has("payment_source") {
                return Err(ApiError::of(&issues::REQUEST_ID_REQUIRED).field("PayPal-Request-Id"));
            }
            return self.run(call, endpoint, &body).map(|outcome| self.render(call, endpoint, &outcome, &wish));
        };
        if id.is_empty() || id.len() > LONGEST_REQUEST_ID {
            return Err(ApiError::of(&issues::length(endpoint.area())).field("PayPal-Request-Id").value(&id));
        }
        self.state.kept.forget_old(call.unix());
        let fingerprint = fingerprint(Self::path(request), &body.value);
        match self.state.kept.look_up(&id, &fingerprint) {
            KeyState::Running => return Err(ApiError::of(&issues::IN_PROGRESS)),
            KeyState::UsedOtherwise => {
                return Err(ApiError::of(&issues::DUPLICATE_REQUEST_ID).field("PayPal-Request-Id").value(&id));
            }
            KeyState::Answered(outcome) => {
                let outcome = outcome.clone();
                return Ok(self.render(call, endpoint, &outcome, &Wish { replay: true, ..wish }));
            }
            KeyState::Free => {}
        }
        let outcome = match self.run(call, endpoint, &body) {
            Err(error) if error.binds => {
                let body = error.to_json(&self.random_hex("f", 12));
                Outcome::Refused { status: error.status, body }
            }
            other => other?,
        };
        let until = call.unix() + endpoint.kept_seconds().unwrap_or(0);
        let served = self.render(call, endpoint, &outcome, &wish);
        self.state.keep_request(KeptRequest { id, fingerprint, until, outcome });
        Ok(served)
    }

    fn run(&mut self, call: &mut Call, endpoint: Endpoint, body: &Body) -> Result<Outcome, ApiError> {
        if call.interference.take(Interference::ServerError) {
            return Err(ApiError::server_error());
        }
        match endpoint {
            Endpoint::CreateOrder => self.create_order(call, body),
            Endpoint::AuthorizeOrder(id) => self.pay_order(call, id, Intent::Authorize, body),
            Endpoint::CaptureOrder(id) => self.pay_order(call, id, Intent::Capture, body),
            Endpoint::CaptureAuthorization(id) => self.capture_authorization(call, id, body),
            Endpoint::Reauthorize(id) => self.reauthorize(call, id, body),
            Endpoint::RefundCapture(id) => self.refund_capture(call, id, body),
            _ => Err(ApiError::unknown_url()),
        }
    }

    /// Shows what came of a request, as it is now.
    fn render(&self, call: &Call, endpoint: Endpoint, outcome: &Outcome, wish: &Wish) -> Served {
        let show = self.show(call);
        let payment = match outcome {
            Outcome::Refused { status, body } => return Served { status: *status, body: Some(body.clone()) },
            Outcome::Order(id) => {
                let order = self.state.orders.get(id).map(|order| show.order(order, wish.whole));
                return Served { status: if wish.replay { 200 } else { 201 }, body: order };
            }
            Outcome::Authorization(id) => self.state.authorizations.get(id).map(|held| show.authorization(held)),
            Outcome::Capture(id) => self.state.captures.get(id).map(|taken| show.capture(taken)),
            Outcome::Refund(id) => self.state.refunds.get(id).map(|refund| show.refund(refund)),
        };
        debug_assert!(endpoint.area() == Area::Payments, "only the payments calls lead to payments");
        Served { status: 201, body: payment.map(|whole| if wish.whole { whole } else { minimal(&whole) }) }
    }

    fn read_or_void(&mut self, call: &Call, endpoint: Endpoint, request: &Request<Bytes>) -> Result<Served, ApiError> {
        let body = match endpoint {
            Endpoint::Order(id) => self.show_order(call, id)?,
            Endpoint::Authorization(id) => self.show(call).authorization(&self.find_authorization(id)?),
            Endpoint::Capture(id) => self.show(call).capture(&self.find_capture(id)?),
            Endpoint::Refund(id) => self.show(call).refund(&self.find_refund(id)?),
            Endpoint::Event(id) => self.show_event(id)?,
            Endpoint::Transactions => self.report(call, request)?,
            Endpoint::VerifySignature => self.verify_signature(request.body())?,
            Endpoint::Void(id) => {
                let held = self.void(call, id)?;
                if !wants_all(request.headers()) {
                    return Ok(Served { status: 204, body: None });
                }
                self.show(call).authorization(&held)
            }
            _ => return Err(ApiError::unknown_url()),
        };
        Ok(Served::ok(body))
    }
}

fn wants_all(headers: &HeaderMap) -> bool {
    header_text(headers, "prefer").is_some_and(|prefer| prefer.contains("return=representation"))
}

/// Of what a request asks for: the order of its members does not matter.
fn fingerprint(path: &str, body: &Value) -> String {
    let mut hash = Sha256::new();
    hash.update(path);
    hash.update([0]);
    hash.update(body.to_string());
    hex::encode(&hash.finalize()[..16])
}
