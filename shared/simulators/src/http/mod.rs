//! The simulators over HTTP: the providers' own paths, the sandbox's calls, and the control plane.

mod broken;
mod control;
mod sandbox;
mod server;
mod wire;

use std::sync::Arc;

use axum::{
    Json, Router,
    response::{IntoResponse, Response},
    routing::{any, get, put},
};
use http::{StatusCode, header};
use serde_json::json;

use crate::Simulators;
pub use server::serve;

/// Every path of the simulators:
///
/// - `/stripe/…`, `/paypal/…`, `/bank/…`: the providers' wire formats
/// - `/sandbox/providers/{provider}/faults` and `…/transactions`
/// - `/control/webhook-endpoint`, `/control/clock`, `/control/due`, `/control/quiet`
///
/// Faults that close a connection without an answer need [`serve`]; another server sends a broken answer instead.
pub fn router(simulators: Arc<Simulators>) -> Router {
    Router::new()
        .route("/stripe/{*path}", any(wire::call))
        .route("/paypal/{*path}", any(wire::call))
        .route("/bank/{*path}", any(wire::call))
        .route(
            "/sandbox/providers/{provider}/faults",
            get(sandbox::faults).post(sandbox::arm_fault).delete(sandbox::clear_faults),
        )
        .route("/sandbox/providers/{provider}/transactions", get(sandbox::transactions))
        .route("/control/webhook-endpoint", put(control::set_webhook_endpoint))
        .route("/control/clock", put(control::set_clock))
        .route("/control/due", get(control::next_due))
        .route("/control/quiet", get(control::quiet))
        .with_state(simulators)
}

/// A refusal of the sandbox's own calls.
fn problem(status: StatusCode, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
    });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(body)).into_response()
}

fn unknown_provider(name: &str, simulators: &Simulators) -> Response {
    let known = simulators.names().join(", ");
    problem(StatusCode::NOT_FOUND, &format!("there is no simulated provider `{name}`; there are: {known}"))
}
