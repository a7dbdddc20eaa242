//! What calls under an idempotency key have in common: whom they are about, and how they are answered.

use axum::{
    Json,
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tollgate_api::{Problem, ProblemCode, idempotency_key::IdempotencyKey, strict_json};
use tollgate_domain::PaymentId;
use tollgate_gateway::Target;

use crate::caller::Caller;

/// Marks the answer to a request that was made before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The resource, with the status that tells how sure it is: `made` where it was just made.
pub(crate) fn of(body: impl Serialize, known: bool, replayed: bool, made: StatusCode) -> Response {
    let status = match (known, replayed) {
        (false, _) => StatusCode::ACCEPTED,
        (true, true) => StatusCode::OK,
        (true, false) => made,
    };
    let mut response = (status, Json(body)).into_response();
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// The payment that a capture, void or refund is about, under which key. A call without a body needs no media type.
pub(crate) fn target(caller: &Caller, id: &str, headers: &HeaderMap, body: &Bytes) -> Result<Target, Problem> {
    if !body.is_empty() {
        strict_json::require_json(headers)?;
    }
    let idempotency_key = IdempotencyKey::from_headers(headers)?.as_str().to_owned();
    Ok(Target { merchant: caller.merchant.id, payment: payment_id(id)?, idempotency_key })
}

/// What is no id of ours names no payment.
pub(crate) fn payment_id(text: &str) -> Result<PaymentId, Problem> {
    text.parse().map_err(|_| Problem::new(ProblemCode::NotFound, "There is no such payment."))
}
