//! The control plane: who hears of events, what time it is, and whether all has been said.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{StatusCode, Uri};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{problem, unknown_provider};
use crate::{Endpoint, Simulators};

/// How long `GET /control/quiet` waits unless told.
const QUIET_TIMEOUT_MS: u64 = 5000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointOf {
    provider: String,
    url: String,
    secret: String,
}

#[derive(Deserialize)]
pub(super) struct QuietQuery {
    timeout_ms: Option<u64>,
}

/// `PUT /control/webhook-endpoint` `{"provider","url","secret"}`.
pub(super) async fn set_webhook_endpoint(State(simulators): State<Arc<Simulators>>, body: Bytes) -> Response {
    let EndpointOf { provider, url, secret } = match serde_json::from_slice(&body) {
        Ok(endpoint) => endpoint,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if !url.parse::<Uri>().is_ok_and(|url| url.scheme().is_some() && url.authority().is_some()) {
        return problem(StatusCode::BAD_REQUEST, "`url` must be an absolute URL");
    }
    if !simulators.set_webhook_endpoint(&provider, Endpoint { url: url.clone(), secret }) {
        return unknown_provider(&provider, &simulators);
    }
    Json(json!({"provider": provider, "url": url})).into_response()
}

/// `PUT /control/clock` `{"now": RFC 3339 or null}`: answers the time once what became due on the way was done, and its
/// webhooks tried.
pub(super) async fn set_clock(State(simulators): State<Arc<Simulators>>, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let to = match body.get("now") {
        Some(Value::Null) => None,
        Some(Value::String(text)) => match text.parse::<Timestamp>() {
            Ok(time) => Some(time),
            Err(error) => return problem(StatusCode::BAD_REQUEST, &format!("`now`: {error}")),
        },
        _ => return problem(StatusCode::BAD_REQUEST, "`now` must be an RFC 3339 time, or null for real time"),
    };
    let now = simulators.keep_clock(to).await;
    Json(json!({"now": now.to_string(), "simulated": to.is_some()})).into_response()
}

/// `GET /control/due`: when the next expiry or webhook retry is due.
pub(super) async fn next_due(State(simulators): State<Arc<Simulators>>) -> Response {
    Json(json!({"next_due": simulators.next_due().map(|due| due.to_string())})).into_response()
}

/// `GET /control/quiet`: answers once no webhook is being sent or due, or when its patience ends.
pub(super) async fn quiet(State(simulators): State<Arc<Simulators>>, Query(query): Query<QuietQuery>) -> Response {
    let patience = Duration::from_millis(query.timeout_ms.unwrap_or(QUIET_TIMEOUT_MS));
    Json(json!({"quiet": simulators.quiet(patience).await})).into_response()
}
