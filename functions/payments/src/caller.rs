//! Who calls: the merchant whom the door let in, and the context that a request brings along.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use tollgate_api::{Problem, requests};
use tollgate_gateway::{Context, ports::merchants::Merchant};
use tollgate_runtime::CorrelationId;

use crate::{Payments, door::unauthenticated};

/// An authenticated merchant with the request's context, whose call takes no parameters: where a query came along, it is refused.
pub(crate) struct Caller {
    pub(crate) merchant: Arc<Merchant>,
    pub(crate) context: Context,
}

impl FromRequestParts<Payments> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Payments) -> Result<Self, Problem> {
        let merchant = merchant(parts)?;
        if let Some(query) = parts.uri.query() {
            requests::read_no_parameters(query)?;
        }
        Ok(Self { merchant, context: context(parts) })
    }
}

/// An authenticated merchant whose call takes parameters, and these as they came.
pub(crate) struct Inquirer {
    pub(crate) merchant: Arc<Merchant>,
    pub(crate) query: String,
}

impl FromRequestParts<Payments> for Inquirer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Payments) -> Result<Self, Problem> {
        Ok(Self { merchant: merchant(parts)?, query: parts.uri.query().unwrap_or_default().to_owned() })
    }
}

fn merchant(parts: &Parts) -> Result<Arc<Merchant>, Problem> {
    parts.extensions.get::<Arc<Merchant>>().cloned().ok_or_else(unauthenticated)
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
