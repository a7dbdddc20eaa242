//! A provider's own paths: a request in, the simulator's answer out, or what a fault makes of it.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{Request, StatusCode};
use tollgate_gateway::ports::Time;

use super::{broken, problem};
use crate::{Answer, Ending, Simulators};

/// Longer bodies are refused, as the providers do somewhere.
const LONGEST_BODY: usize = 1024 * 1024;

pub(super) async fn call(State(simulators): State<Arc<Simulators>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LONGEST_BODY).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 1 MiB, or broke off");
    };
    let request = Request::from_parts(parts, body);
    let name = request.uri().path().split('/').nth(1).unwrap_or_default().to_owned();
    let now = simulators.ports.time.now();
    let Some(answer) = simulators.provider(&name).map(|mut provider| provider.handle(now, &request)) else {
        return super::unknown_provider(&name, &simulators);
    };
    simulators.send_webhooks();
    if answer.after > Duration::ZERO {
        let (after, ending) = (answer.after, answer.ending);
        if ending != Ending::HungUp {
            finish_later(&simulators, name, request, after);
        }
        simulators.ports.time.sleep(after).await;
    }
    render(&simulators, answer)
}

/// The provider works on for as long as it takes, even if the caller hangs up.
fn finish_later(simulators: &Arc<Simulators>, name: String, request: Request<Bytes>, after: Duration) {
    let simulators = Arc::clone(simulators);
    let spawn = Arc::clone(&simulators.ports.spawn);
    spawn.spawn(Box::pin(async move {
        simulators.ports.time.sleep(after).await;
        if let Some(mut provider) = simulators.provider(&name) {
            provider.finished(&request);
        }
    }));
}

fn render(simulators: &Arc<Simulators>, answer: Answer) -> Response {
    match answer.ending {
        Ending::Answered => answer.response.map(Body::from).into_response(),
        Ending::HungUp => broken::hang_up(),
        Ending::Truncated => broken::truncated(answer.response, &simulators.ports.time),
    }
}
