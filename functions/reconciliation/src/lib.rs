//! The jobs that reconcile, for Cloud Scheduler: `POST /jobs/stuck-payments` (every 10 minutes),
//! `POST /jobs/provider-truth`, `POST /jobs/provider-records` and `POST /jobs/invariants` (hourly), `POST /jobs/provider-records-day`
//! (daily). Each answers what it saw, did and could not do.
//!
//! Must not know: what a job does, or which store and providers there are.

use std::time::Duration;

use axum::{Extension, Json, Router, extract::State, routing::post};
use tollgate_api::{JobReportBody, Problem};
use tollgate_gateway::{
    Context, Gateway, JobReport, JobRun,
    reconcile::{INVARIANTS, PROVIDER_RECORDS, PROVIDER_RECORDS_DAY, PROVIDER_TRUTH, STUCK_PAYMENTS},
};
use tollgate_runtime::{Cadence, CorrelationId, InternalCallers, ScheduledJob};

/// The routes, each with how long a request may take: Scheduler's attempt deadline.
pub const DEADLINES: [(&str, Duration); 5] = [
    ("/jobs/stuck-payments", Duration::from_secs(180)),
    ("/jobs/provider-truth", Duration::from_secs(180)),
    ("/jobs/provider-records", Duration::from_secs(180)),
    ("/jobs/provider-records-day", Duration::from_secs(180)),
    ("/jobs/invariants", Duration::from_secs(180)),
];

/// How long a job works before it leaves the rest to the next run: what it then has begun ends within the deadline.
pub const BUDGET: Duration = Duration::from_secs(150);

/// When stuck payments are looked at.
pub const STUCK_PAYMENTS_CADENCE: Cadence = Cadence::EverySeconds(600);
/// When the provider's truth and records are compared, and the books are checked.
pub const HOURLY: Cadence = Cadence::EverySeconds(3600);
/// When whole days of the providers' records are compared again. What is left of one is left to the next run: until a day is over,
/// every run only goes on.
pub const RECORDS_DAY_CADENCE: Cadence = Cadence::EverySeconds(24 * 3600);

/// The routes, for `callers` only.
pub fn router(gateway: Gateway, callers: InternalCallers) -> Router {
    let routes = Router::new()
        .route("/jobs/stuck-payments", post(stuck_payments))
        .route("/jobs/provider-truth", post(provider_truth))
        .route("/jobs/provider-records", post(provider_records))
        .route("/jobs/provider-records-day", post(provider_records_day))
        .route("/jobs/invariants", post(invariants))
        .with_state(gateway);
    callers.guard(routes)
}

/// The jobs by the clock, where nobody calls them: for a function on embedded parts.
pub fn scheduled(gateway: &Gateway) -> [ScheduledJob; 5] {
    [
        (STUCK_PAYMENTS, STUCK_PAYMENTS_CADENCE),
        (PROVIDER_TRUTH, HOURLY),
        (PROVIDER_RECORDS, HOURLY),
        (PROVIDER_RECORDS_DAY, RECORDS_DAY_CADENCE),
        (INVARIANTS, HOURLY),
    ]
    .map(|(job, cadence)| {
        let gateway = gateway.clone();
        ScheduledJob::new(job, cadence, move || run(gateway.clone(), job))
    })
}

async fn run(gateway: Gateway, job: &'static str) {
    let (run, context) = (JobRun::scheduled(BUDGET), Context { correlation_id: format!("scheduled-{job}") });
    let report = match job {
        STUCK_PAYMENTS => gateway.stuck_payments(run, context).await,
        PROVIDER_TRUTH => gateway.provider_truth(run, context).await,
        PROVIDER_RECORDS => gateway.provider_records(run, context).await,
        PROVIDER_RECORDS_DAY => gateway.provider_records_day(run, context).await,
        _ => gateway.invariants(run, context).await,
    };
    match report {
        Ok(report) => tracing::info!(job, ?report, "a job ran"),
        Err(error) => tracing::warn!(job, %error, "a job failed; it runs again"),
    }
}

type Answer = Result<Json<JobReportBody>, Problem>;

async fn stuck_payments(State(gateway): State<Gateway>, Extension(id): Extension<CorrelationId>) -> Answer {
    let report = gateway.stuck_payments(JobRun::scheduled(BUDGET), context(&id)).await?;
    Ok(ran(STUCK_PAYMENTS, report))
}

async fn provider_truth(State(gateway): State<Gateway>, Extension(id): Extension<CorrelationId>) -> Answer {
    let report = gateway.provider_truth(JobRun::scheduled(BUDGET), context(&id)).await?;
    Ok(ran(PROVIDER_TRUTH, report))
}

async fn provider_records(State(gateway): State<Gateway>, Extension(id): Extension<CorrelationId>) -> Answer {
    let report = gateway.provider_records(JobRun::scheduled(BUDGET), context(&id)).await?;
    Ok(ran(PROVIDER_RECORDS, report))
}

async fn provider_records_day(State(gateway): State<Gateway>, Extension(id): Extension<CorrelationId>) -> Answer {
    let report = gateway.provider_records_day(JobRun::scheduled(BUDGET), context(&id)).await?;
    Ok(ran(PROVIDER_RECORDS_DAY, report))
}

async fn invariants(State(gateway): State<Gateway>, Extension(id): Extension<CorrelationId>) -> Answer {
    let report = gateway.invariants(JobRun::scheduled(BUDGET), context(&id)).await?;
    Ok(ran(INVARIANTS, report))
}

/// Whoever called keeps no answers, so the log says what the run did.
fn ran(job: &'static str, report: JobReport) -> Json<JobReportBody> {
    tracing::info!(job, ?report, "a job ran");
    Json(JobReportBody::of(job, report))
}

fn context(id: &CorrelationId) -> Context {
    Context { correlation_id: id.as_str().to_owned() }
}
