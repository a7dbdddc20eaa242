//! Routes for Google's own callers, Pub/Sub's push and Cloud Scheduler: `/pubsub/*` and `/jobs/*`. They move money, so
//! whoever is not known to be one of those is refused.
//!
//! Must not know: what a route does.

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
};
use tollgate_api::{Problem, ProblemCode};

/// Who may call internal routes.
#[derive(Debug, Clone, Copy)]
pub enum InternalCallers {
    /// Nobody: `OIDC_MODE` is not set, so that no caller could be told from a stranger (contract: refuse everything).
    Nobody,
}

impl InternalCallers {
    /// Puts the check before every route of `router`.
    pub fn guard(self, router: Router) -> Router {
        match self {
            Self::Nobody => router.route_layer(middleware::from_fn(refuse)),
        }
    }
}

async fn refuse(_: Request, _: Next) -> Problem {
    let detail = "This call is for Pub/Sub and Cloud Scheduler only, and the gateway has no way to know them yet.";
    Problem::new(ProblemCode::Unauthenticated, detail)
}
