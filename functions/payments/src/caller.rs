//! Who calls: the merchant whom the door let in, and the context that a request brings along.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use tollgate_api::Problem;
use tollgate_gateway::{Context, ports::merchants::Merchant};
use tollgate_runtime::CorrelationId;

use crate::{Payments, door::unauthenticated};

/// An authenticated merchant with the request's context.
pub(crate) struct Caller {
    pub(crate) merchant: Arc<Merchant>,
    pub(crate) context: Context,
}

impl FromRequestParts<Payments> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Payments) -> Result<Self, Problem> {
        let merchant = parts.extensions.get::<Arc<Merchant>>().cloned().ok_or_else(unauthenticated)?;
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
