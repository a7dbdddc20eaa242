//! Webhooks from the merchant's side: the endpoint, how deliveries stand, redelivery, and the feed of events.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use tollgate_api::{
    Problem, ProblemCode,
    problem::ProblemBody,
    requests::{self, RedeliverBody, SetWebhookEndpointBody},
    strict_json,
    webhooks::{DeliveriesBody, EventsBody, WebhookEndpointBody},
};
use tollgate_gateway::Error;

use crate::{
    Payments, answer,
    caller::{Caller, Inquirer},
};

/// Show where webhooks go.
#[utoipa::path(
    get, path = "/v1/webhook-endpoint", tag = "webhooks", security(("api_key" = [])),
    responses((status = 200, body = WebhookEndpointBody), (status = 400, body = ProblemBody), (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody))
)]
pub(crate) async fn show_endpoint(
    State(payments): State<Payments>,
    caller: Caller,
) -> Result<Json<WebhookEndpointBody>, Problem> {
    let endpoint = payments.gateway.webhook_endpoint(caller.merchant.id).await.map_err(no_endpoint)?;
    Ok(Json((&endpoint).into()))
}

/// Set where webhooks go.
///
/// The first call makes the secret that signs them, and shows it this once. An endpoint that was paused goes on.
#[utoipa::path(
    put, path = "/v1/webhook-endpoint", tag = "webhooks", security(("api_key" = [])),
    request_body = SetWebhookEndpointBody,
    responses(
        (status = 200, body = WebhookEndpointBody), (status = 400, body = ProblemBody), (status = 401, body = ProblemBody),
        (status = 413, body = ProblemBody), (status = 415, body = ProblemBody), (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn set_endpoint(
    State(payments): State<Payments>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<WebhookEndpointBody>, Problem> {
    strict_json::require_json(&headers)?;
    let url = requests::read_webhook_endpoint(&body)?;
    Ok(Json(payments.gateway.set_webhook_endpoint(caller.merchant.id, &url).await?.into()))
}

/// Make a new secret; the old one signs along for 24 hours.
#[utoipa::path(
    post, path = "/v1/webhook-endpoint/rotate-secret", tag = "webhooks", security(("api_key" = [])),
    responses((status = 200, body = WebhookEndpointBody), (status = 400, body = ProblemBody), (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody), (status = 429, body = ProblemBody))
)]
pub(crate) async fn rotate_secret(
    State(payments): State<Payments>,
    caller: Caller,
    body: Bytes,
) -> Result<Json<WebhookEndpointBody>, Problem> {
    requests::read_nothing(&body)?;
    let changed = payments.gateway.rotate_webhook_secret(caller.merchant.id).await.map_err(no_endpoint)?;
    Ok(Json(changed.into()))
}

/// Show how the deliveries of a payment's events stand.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}/status", tag = "webhooks", security(("api_key" = [])),
    params(("id" = String, Path, description = "`pay_…`")),
    responses((status = 200, body = DeliveriesBody), (status = 400, body = ProblemBody), (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody))
)]
pub(crate) async fn status(
    State(payments): State<Payments>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DeliveriesBody>, Problem> {
    let id = answer::payment_id(&id)?;
    let deliveries = payments.gateway.deliveries(caller.merchant.id, id).await?;
    Ok(Json(DeliveriesBody::of(id, &deliveries)))
}

/// Deliver events of a payment again.
///
/// Without `event_id`: those that are not delivered, or, where every one is, all. The schedule begins anew.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/redeliver", tag = "webhooks", security(("api_key" = [])),
    params(("id" = String, Path, description = "`pay_…`")),
    request_body(content = RedeliverBody),
    responses(
        (status = 202, body = DeliveriesBody, description = "They are due now"), (status = 400, body = ProblemBody),
        (status = 401, body = ProblemBody), (status = 404, body = ProblemBody), (status = 413, body = ProblemBody),
        (status = 415, body = ProblemBody),
    )
)]
pub(crate) async fn redeliver(
    State(payments): State<Payments>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<DeliveriesBody>), Problem> {
    if !body.is_empty() {
        strict_json::require_json(&headers)?;
    }
    let (id, event) = (answer::payment_id(&id)?, requests::read_redeliver(&body)?);
    payments.gateway.redeliver(caller.merchant.id, id, event).await?;
    let deliveries = payments.gateway.deliveries(caller.merchant.id, id).await?;
    Ok((StatusCode::ACCEPTED, Json(DeliveriesBody::of(id, &deliveries))))
}

/// List the merchant's events in the order of their commits.
///
/// A way to fill gaps, with or without an endpoint: ask with the id of the last event that you have.
#[utoipa::path(
    get, path = "/v1/events", tag = "webhooks", security(("api_key" = [])),
    params(
        ("after" = Option<String>, Query, description = "`evt_…`: those behind this one"),
        ("limit" = Option<u32>, Query, description = "1 to 100, 100 if left out"),
    ),
    responses((status = 200, body = EventsBody), (status = 400, body = ProblemBody), (status = 401, body = ProblemBody))
)]
pub(crate) async fn events(State(payments): State<Payments>, inquirer: Inquirer) -> Result<Json<EventsBody>, Problem> {
    let (after, limit) = requests::read_events(&inquirer.query)?;
    let events =
        payments.gateway.events(inquirer.merchant.id, after, limit + 1).await.map_err(|error| match error {
            Error::NotFound => requests::wrong_parameter("after", "is none of your events"),
            other => other.into(),
        })?;
    EventsBody::of(events, limit).map(Json)
}

fn no_endpoint(error: Error) -> Problem {
    match error {
        Error::NotFound => Problem::new(ProblemCode::NotFound, "No webhook endpoint is set. PUT one first."),
        other => other.into(),
    }
}
