//! Settlement: `POST /jobs/settlement`, called by Cloud Scheduler at 02:00 in Tokyo, and the parts that it is split into, as Pub/Sub pushes
//! them (`/pubsub/settlement-shards`).
//!
//! Must not know: what is settled, or how a run that was cut off goes on.

mod shards;

use std::time::Duration;

use axum::{
    Extension, Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Serialize;
use tollgate_api::{JobReportBody, Problem};
use tollgate_domain::{Settlement, SettlementStatus};
use tollgate_gateway::{Context, Gateway, JobReport, JobRun, SETTLEMENT_JOB};
use tollgate_runtime::{Cadence, CorrelationId, InternalCallers, ScheduledJob};

/// The route.
pub const ROUTE: &str = "/jobs/settlement";
/// How long a request may take: what Cloud Scheduler waits at most.
pub const DEADLINE: Duration = Duration::from_secs(30 * 60);
/// How long a run takes up new chunks: the rest of the deadline is for comparing the books and for the answer.
pub const BUDGET: Duration = Duration::from_secs(25 * 60);
/// Where Pub/Sub pushes the parts of a settlement.
pub const SHARDS_ROUTE: &str = "/pubsub/settlement-shards";
/// How long a push takes up new chunks. Pub/Sub pushes again what is not acknowledged within 60 s.
pub const SHARD_BUDGET: Duration = Duration::from_secs(40);
/// How long a push's request may take.
pub const SHARD_DEADLINE: Duration = Duration::from_secs(60);
/// Where nobody calls it at 02:00 in Tokyo, and again should it fail: every hour on the hour, which includes that one. Once
/// the day's settlement is over, a run only finds that it is.
pub const CADENCE: Cadence = Cadence::EverySeconds(3600);

/// The job by the clock, where nobody calls it: for a function on embedded parts.
pub fn scheduled(gateway: &Gateway) -> ScheduledJob {
    let gateway = gateway.clone();
    ScheduledJob::new(SETTLEMENT_JOB, CADENCE, move || {
        let gateway = gateway.clone();
        async move {
            let context = Context { correlation_id: format!("scheduled-{SETTLEMENT_JOB}") };
            match gateway.run_settlement(JobRun::scheduled(BUDGET), context).await {
                Ok((report, _)) => tracing::info!(job = SETTLEMENT_JOB, ?report, "a job ran"),
                Err(error) => tracing::warn!(job = SETTLEMENT_JOB, %error, "a job failed; it runs again"),
            }
        }
    })
}

/// The routes. `callers`: who may call them.
pub fn router(gateway: Gateway, callers: InternalCallers) -> Router {
    let routes = Router::new().route(ROUTE, post(settle)).route(SHARDS_ROUTE, post(shards::pushed));
    callers.guard(routes.with_state(gateway))
}

/// What a run answers.
#[derive(Debug, Clone, Serialize)]
pub struct SettlementReportBody {
    /// What the run saw, did and could not do.
    #[serde(flatten)]
    pub report: JobReportBody,
    /// The settlement that it ended with.
    pub settlement: SettlementBody,
}

/// A settlement as on-call sees it.
#[derive(Debug, Clone, Serialize)]
pub struct SettlementBody {
    /// `stl_…`
    pub id: String,
    /// In Tokyo.
    pub date: String,
    /// `RUNNING`, `COMPLETED` or `FAILED`.
    pub status: &'static str,
    /// How often a run found it unfinished and went on.
    pub resumed: u32,
    /// Why it failed.
    pub failure: Option<String>,
}

impl SettlementReportBody {
    /// The answer of a run.
    pub fn of(report: JobReport, settlement: &Settlement) -> Self {
        Self {
            report: JobReportBody::of(SETTLEMENT_JOB, report),
            settlement: SettlementBody {
                id: settlement.id.to_string(),
                date: settlement.day.date().to_string(),
                status: settlement.status.as_str(),
                resumed: settlement.resumed,
                failure: settlement.failure.clone(),
            },
        }
    }
}

async fn settle(
    State(gateway): State<Gateway>,
    Extension(correlation_id): Extension<CorrelationId>,
) -> Result<Response, Problem> {
    let context = Context { correlation_id: correlation_id.as_str().to_owned() };
    let (report, settlement) = gateway.run_settlement(JobRun::scheduled(BUDGET), context).await?;
    // Whoever called keeps no answers, so the log says what the run did.
    tracing::info!(job = SETTLEMENT_JOB, ?report, "a job ran");
    // What is not over has to be called again, and Cloud Scheduler does that for any answer but a success. A settlement
    // that failed is over: calling again helps nobody, on-call has its event.
    let status = match settlement.status {
        SettlementStatus::Running => StatusCode::SERVICE_UNAVAILABLE,
        SettlementStatus::Completed | SettlementStatus::Failed => StatusCode::OK,
    };
    Ok((status, Json(SettlementReportBody::of(report, &settlement))).into_response())
}
