//! What the sandbox shows of a provider: its faults and its own books.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::StatusCode;

use super::{problem, unknown_provider};
use crate::{Fault, Simulators};

/// `POST /sandbox/providers/{provider}/faults`: arms one; answers all that are armed.
pub(super) async fn arm_fault(
    State(simulators): State<Arc<Simulators>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let Some(mut provider) = simulators.provider(&name) else { return unknown_provider(&name, &simulators) };
    let armed = serde_json::from_slice::<Fault>(&body)
        .map_err(|error| format!("a fault is {{\"kind\", \"times\", \"ms\"}}: {error}"))
        .and_then(|fault| provider.arm(fault));
    match armed {
        Ok(()) => Json(provider.faults()).into_response(),
        Err(detail) => problem(StatusCode::BAD_REQUEST, &detail),
    }
}

/// `GET /sandbox/providers/{provider}/faults`: all that are armed.
pub(super) async fn faults(State(simulators): State<Arc<Simulators>>, Path(name): Path<String>) -> Response {
    let Some(provider) = simulators.provider(&name) else { return unknown_provider(&name, &simulators) };
    Json(provider.faults()).into_response()
}

/// `DELETE /sandbox/providers/{provider}/faults`: disarms all.
pub(super) async fn clear_faults(State(simulators): State<Arc<Simulators>>, Path(name): Path<String>) -> Response {
    let Some(mut provider) = simulators.provider(&name) else { return unknown_provider(&name, &simulators) };
    provider.clear_faults();
    Json(provider.faults()).into_response()
}

/// `GET /sandbox/providers/{provider}/transactions`: every payment that ever was there, oldest first.
pub(super) async fn transactions(State(simulators): State<Arc<Simulators>>, Path(name): Path<String>) -> Response {
    let Some(transactions) = simulators.provider(&name).map(|provider| provider.transactions()) else {
        return unknown_provider(&name, &simulators);
    };
    Json(transactions).into_response()
}
