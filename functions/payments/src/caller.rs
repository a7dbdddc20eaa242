//! Who calls: the merchant of the `X-API-Key`, and the context that a request brings along.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use tollgate_api::{Problem, ProblemCode};
use tollgate_gateway::{Context, ports::merchants::Merchant};
use tollgate_runtime::CorrelationId;

use crate::Payments;

/// The header that carries the API key.
const API_KEY: &str = "x-api-key";

/// An authenticated merchant with the request's context.
pub(crate) struct Caller {
    pub(crate) merchant: Arc<Merchant>,
    pub(crate) context: Context,
}

impl FromRequestParts<Payments> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, payments: &Payments) -> Result<Self, Problem> {
        let key = api_key(&parts.headers)?;
        let merchant = payments.authenticator.authenticate(key).await?.ok_or_else(unauthenticated)?;
        Ok(Self { merchant, context: context(parts) })
    }
}

/// The context of a request that nobody is authenticated for.
pub(crate) struct Anonymous(pub(crate) Context);

impl FromRequestParts<Payments> for Anonymous {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Payments) -> Result<Self, Problem> {
        Ok(Self(context(parts)))
    }
}

fn context(parts: &Parts) -> Context {
    let correlation_id = parts.extensions.get::<CorrelationId>().map(CorrelationId::as_str).unwrap_or_default();
    Context { correlation_id: correlation_id.to_owned() }
}

fn api_key(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(API_KEY).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(unauthenticated()) };
    value.to_str().map_err(|_| unauthenticated())
}

/// The same for a missing, unknown or revoked key: nothing to learn from.
fn unauthenticated() -> Problem {
    Problem::new(ProblemCode::Unauthenticated, "Send a valid API key in the X-API-Key header.")
}
