//! Routes for Google's own callers, Pub/Sub's push and Cloud Scheduler: `/pubsub/*` and `/jobs/*`. They move money, so
//! whoever is not known to be one of those is refused.
//!
//! Must not know: what a route does. Nothing here logs, answers or counts a token or a part of one.

mod bearer;
mod claims;
mod key_set;
mod keys;
mod oidc;
mod refusal;
mod settings;
mod signature;

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tollgate_api::{Problem, ProblemCode};
use tollgate_gateway::ports::HttpClient;

use crate::{
    config::{Read, Variables},
    system::System,
};

use oidc::Oidc;
use refusal::Refusal;
use settings::Settings;

/// Who may call internal routes. Cloning shares the keys.
#[derive(Clone)]
pub enum InternalCallers {
    /// Nobody: `OIDC_MODE` is not set, so that no caller could be told from a stranger (contract: refuse everything).
    Nobody,
    /// Who shows Google's ID token for this function, made for one of the service accounts.
    Google(GoogleCallers),
    /// Everybody who reaches it. For a sandbox alone, which serves its own machine: Pub/Sub's emulator pushes without a
    /// token. No configuration gives this.
    ThisMachine,
}

/// How Google's callers are known.
#[derive(Clone)]
pub struct GoogleCallers(Arc<Oidc>);

impl InternalCallers {
    /// Reads `OIDC_MODE`, `OIDC_AUDIENCE`, `OIDC_SERVICE_ACCOUNTS` and `OIDC_JWKS_URL`. Google's keys are fetched through
    /// `http` when the first token needs them; give it a client whose answers are bounded.
    pub fn read(vars: &mut Variables, system: &System, http: Arc<dyn HttpClient>) -> Read<Self> {
        metrics::describe_counter!(
            "internal_calls_refused_total",
            "Calls of /pubsub/* and /jobs/* that were refused, by reason."
        );
        metrics::describe_counter!(
            "oidc_key_fetches_total",
            "Fetches of the keys that Google signs ID tokens with, by outcome."
        );
        Ok(match Settings::read(vars)? {
            None => Self::Nobody,
            Some(settings) => Self::Google(GoogleCallers(Arc::new(Oidc::new(settings, system, http)))),
        })
    }

    /// Puts the check before every route of `router`.
    pub fn guard(self, router: Router) -> Router {
        router.route_layer(middleware::from_fn_with_state(self, check))
    }
}

impl fmt::Debug for InternalCallers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Google(_) => "Google",
            Self::ThisMachine => "ThisMachine",
        })
    }
}

async fn check(State(callers): State<InternalCallers>, request: Request, next: Next) -> Response {
    let checked = match &callers {
        InternalCallers::Nobody => Err(Refusal::NotConfigured),
        InternalCallers::ThisMachine => Ok(()),
        InternalCallers::Google(google) => google.0.check(request.headers()).await,
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => refuse(refusal),
    }
}

fn refuse(refusal: Refusal) -> Response {
    let reason = refusal.as_str();
    metrics::counter!("internal_calls_refused_total", "reason" => reason).increment(1);
    tracing::warn!(reason, "an internal call was refused");
    // The caller learns what to bring, and not how near a guess was.
    let (code, detail) = match refusal {
        Refusal::Account => (ProblemCode::Forbidden, "This service account may not make this call."),
        Refusal::NotConfigured => (
            ProblemCode::Unauthenticated,
            "This call is for Pub/Sub and Cloud Scheduler only, and the gateway has no way to know them yet.",
        ),
        _ => (
            ProblemCode::Unauthenticated,
            "This call is for Pub/Sub and Cloud Scheduler only, with Google's ID token for this function.",
        ),
    };
    let mut response = Problem::new(code, detail).into_response();
    if code == ProblemCode::Unauthenticated {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
