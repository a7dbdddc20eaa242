//! The sandbox's own calls: `/sandbox/*`. They run jobs, break providers, and show the providers' truth.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tollgate_api::{Problem, ProblemCode, strict_json};
use tollgate_domain::ProviderName;
use tollgate_gateway::{
    Gateway,
    ports::{FailPoint, HttpError},
};

use crate::{
    clock::{self, Clock},
    jobs::Job,
    outside::{Crashes, Outages},
    providers_link::ProvidersLink,
};

/// What the calls work on.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) link: ProvidersLink,
    pub(crate) crashes: Arc<Crashes>,
    pub(crate) outages: Arc<Outages>,
    pub(crate) gateway: Gateway,
    pub(crate) clock: Clock,
}

pub(crate) fn router(control: Control) -> Router {
    Router::new()
        .route("/sandbox/clock", post(clock::advance))
        .route("/sandbox/jobs/{job}", post(run_job))
        .route("/sandbox/fail-points", post(arm_fail_point))
        .route("/sandbox/providers/{provider}/faults", get(faults).post(arm_fault).delete(clear_faults))
        .route("/sandbox/providers/{provider}/transactions", get(transactions))
        .with_state(control)
}

/// Runs a job now, as if it were time. Answers what it saw, did and could not do.
pub(crate) async fn run_job(State(control): State<Control>, Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    let job = Job::ALL.into_iter().find(|job| job.as_str() == name);
    let job = job.ok_or_else(|| {
        let jobs = Job::ALL.map(Job::as_str).join(", ");
        Problem::new(ProblemCode::NotFound, format!("There is no such job: the jobs are {jobs}."))
    })?;
    let report = job.run(&control.gateway, true).await.map_err(Problem::internal)?;
    control.clock.settle_down().await;
    Ok(Json(report))
}

/// Makes the process die at a point: `{"point":"after_call"}`.
async fn arm_fail_point(State(control): State<Control>, body: Bytes) -> Result<Json<Value>, Problem> {
    let mut fields = strict_json::read_object(&body)?;
    let point = fields.required_one_of("point", &FailPoint::ALL.map(|point| (point.as_str(), point)));
    fields.finish()?;
    control.crashes.arm(point?);
    Ok(Json(json!({"armed": point?.as_str()})))
}

/// What is armed at a provider.
pub(crate) async fn faults(
    State(control): State<Control>,
    Path(provider): Path<String>,
) -> Result<Json<Value>, Problem> {
    known(&provider)?;
    let path = format!("/sandbox/providers/{provider}/faults");
    let there = control.link.call(Method::GET, &path, Bytes::new()).await.map_err(no_answer)?;
    let mut armed: Vec<Value> = serde_json::from_slice(there.body()).unwrap_or_default();
    armed.extend(control.outages.armed(&provider));
    Ok(Json(armed.into()))
}

/// Arms a fault at a provider. `unreachable` is played on our side of the line, the others there.
pub(crate) async fn arm_fault(
    State(control): State<Control>,
    Path(provider): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    known(&provider)?;
    let fault: Value = serde_json::from_slice(&body).unwrap_or_default();
    if fault["kind"] == "unreachable" {
        let mut fields = strict_json::read_object(&body)?;
        let kind = fields.required_one_of("kind", &[("unreachable", ())]);
        let times = fields.optional_integer("times", 1..=i64::from(u32::MAX));
        let ms = fields.optional_integer("ms", 0..=i64::MAX);
        fields.finish()?;
        kind.and(ms)?;
        control.outages.start(&provider, times?.and_then(|times| u32::try_from(times).ok()));
        return Ok(Json(json!([fault])).into_response());
    }
    control.pass_on(Method::POST, &format!("/sandbox/providers/{provider}/faults"), body).await
}

pub(crate) async fn clear_faults(
    State(control): State<Control>,
    Path(provider): Path<String>,
) -> Result<Response, Problem> {
    known(&provider)?;
    control.outages.end(&provider);
    control.pass_on(Method::DELETE, &format!("/sandbox/providers/{provider}/faults"), Bytes::new()).await
}

/// The provider's own truth.
async fn transactions(State(control): State<Control>, Path(provider): Path<String>) -> Result<Response, Problem> {
    known(&provider)?;
    control.pass_on(Method::GET, &format!("/sandbox/providers/{provider}/transactions"), Bytes::new()).await
}

fn known(provider: &str) -> Result<(), Problem> {
    let known = provider.parse::<ProviderName>().is_ok();
    if known { Ok(()) } else { Err(Problem::new(ProblemCode::NotFound, "There is no such simulated provider.")) }
}

fn no_answer(error: HttpError) -> Problem {
    Problem::new(ProblemCode::ProviderUnavailable, "The simulated providers do not answer.").caused_by(error)
}

impl Control {
    async fn pass_on(&self, method: Method, path: &str, body: Bytes) -> Result<Response, Problem> {
        let answer = self.link.call(method, path, body).await.map_err(no_answer)?;
        let status = StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
        if status.is_client_error() {
            let code =
                if status == StatusCode::NOT_FOUND { ProblemCode::NotFound } else { ProblemCode::InvalidRequest };
            let problem: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
            return Err(Problem::new(
                code,
                problem["detail"].as_str().unwrap_or("The simulated providers refused it."),
            ));
        }
        let mut response = (status, answer.body().clone()).into_response();
        if let Some(media_type) = answer.headers().get(header::CONTENT_TYPE) {
            response.headers_mut().insert(header::CONTENT_TYPE, media_type.clone());
        }
        Ok(response)
    }
}
