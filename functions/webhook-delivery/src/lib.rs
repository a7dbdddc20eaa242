//! Webhooks to merchants: what Pub/Sub pushes (`/pubsub/payment-events`, `/pubsub/dead-letter`), and the job that says what
//! is due (`/jobs/deliveries`).
//!
//! Must not know: which store, which queue, or when a try comes next.

mod composition;
mod handler;

use std::time::Duration;

use axum::{Json, Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use tollgate_api::{JobReportBody, Problem, ProblemCode};
use tollgate_gateway::{Gateway, JobRun, ports::queue::Handled};
use tollgate_messaging::{
    Handler, Topic,
    push::{self, Unreadable},
};
use tollgate_runtime::{Cadence, InternalCallers, ScheduledJob};

pub use composition::serve;
pub use handler::DeliveryHandler;

/// The job's name.
pub const JOB: &str = "deliveries";
/// How long the job works: it is called every minute (contract: 55 s).
pub const WORKS_FOR: Duration = Duration::from_secs(55);
/// The job's request (Scheduler's attempt deadline).
pub const JOB_DEADLINE: Duration = Duration::from_secs(180);

/// What the routes need.
#[derive(Clone)]
pub struct WebhookDelivery {
    /// The use-cases.
    pub gateway: Gateway,
}

/// The routes, for `callers` only.
pub fn router(delivery: WebhookDelivery, callers: InternalCallers) -> Router {
    let routes = Router::new()
        .route("/pubsub/payment-events", post(payment_event))
        .route("/pubsub/dead-letter", post(dead_letter))
        .route("/jobs/deliveries", post(deliveries))
        .with_state(delivery);
    callers.guard(routes)
}

/// The job by the clock, where nobody calls it: on the embedded queue.
pub fn scheduled(gateway: &Gateway) -> ScheduledJob {
    let gateway = gateway.clone();
    ScheduledJob::new(JOB, Cadence::EverySeconds(1), move || {
        let gateway = gateway.clone();
        async move {
            // It runs every second, so each run looks once.
            if let Err(error) = gateway.dispatch_deliveries(JobRun::scheduled(Duration::ZERO)).await {
                tracing::warn!(%error, "the job for deliveries failed; it runs again");
            }
        }
    })
}

async fn payment_event(State(delivery): State<WebhookDelivery>, body: Bytes) -> Result<StatusCode, Problem> {
    handle(&delivery, Topic::PaymentEvents, &body).await
}

async fn dead_letter(State(delivery): State<WebhookDelivery>, body: Bytes) -> Result<StatusCode, Problem> {
    handle(&delivery, Topic::DeadLetter, &body).await
}

/// A 2xx is the acknowledgement: given only once what the message led to is durable.
async fn handle(delivery: &WebhookDelivery, topic: Topic, body: &Bytes) -> Result<StatusCode, Problem> {
    let push = match push::read(topic, body) {
        Ok(push) => push,
        Err(unreadable) => return poison(topic, &unreadable),
    };
    match DeliveryHandler::new(delivery.gateway.clone()).handle(push.delivered()).await {
        Handled::Ack => Ok(StatusCode::NO_CONTENT),
        Handled::Retry => Err(Problem::new(ProblemCode::StoreUnavailable, "Not handled; push it again.")),
    }
}

/// What is no message of ours never will be. Refused, it goes to the dead-letter topic after five times, and
/// there it ends, or it would be pushed until Pub/Sub forgets it.
fn poison(topic: Topic, unreadable: &Unreadable) -> Result<StatusCode, Problem> {
    match topic {
        Topic::PaymentEvents => {
            tracing::error!(%unreadable, "a push is no message of ours; the queue will give it up");
            Err(Problem::new(ProblemCode::InvalidRequest, "The body is no message of this gateway's."))
        }
        Topic::DeadLetter => {
            tracing::error!(%unreadable, "a dead letter is no message of ours; it is acknowledged and gone");
            Ok(StatusCode::NO_CONTENT)
        }
    }
}

async fn deliveries(State(delivery): State<WebhookDelivery>) -> Result<Json<JobReportBody>, Problem> {
    let report = delivery.gateway.dispatch_deliveries(JobRun::scheduled(WORKS_FOR)).await?;
    // Whoever called keeps no answers, so the log says what the run did.
    tracing::info!(job = JOB, ?report, "a job ran");
    Ok(Json(JobReportBody::of(JOB, report)))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[test]
    fn what_can_never_be_read_is_refused_until_it_is_given_up_and_then_acknowledged() {
        for (topic, status) in [(Topic::PaymentEvents, 400), (Topic::DeadLetter, 204)] {
            let unreadable = push::read(topic, b"{\"message\":{\"data\":\"e30=\",\"messageId\":\"1\"}}").unwrap_err();
            assert_eq!(poison(topic, &unreadable).into_response().status(), status, "{topic:?}");
        }
    }
}
