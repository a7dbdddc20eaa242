//! `/v1/payments/{id}/refund`, `/v1/payments/{id}/refunds` and `/v1/refunds/{id}`.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use tollgate_api::{
    Problem, ProblemCode,
    problem::ProblemBody,
    refund::{RefundBody, RefundList},
    requests,
    requests::CreateRefundBody,
};
use tollgate_gateway::RefundPayment;

use crate::{Payments, answer, caller::Caller, measure};

/// Refund a settled payment, or a part of it.
///
/// The refunds of a payment, those under way included, never exceed what was captured.
#[utoipa::path(
    post, path = "/v1/payments/{id}/refund", tag = "refunds", security(("api_key" = [])),
    params(("id" = String, Path, description = "`pay_…`"), ("Idempotency-Key" = String, Header, description = "As for create")),
    request_body(content = CreateRefundBody),
    responses(
        (status = 201, body = RefundBody, description = "Made, and done"),
        (status = 200, body = RefundBody, description = "Made before with this key (`Idempotent-Replayed: true`)"),
        (status = 202, body = RefundBody, description = "Not known yet, or on its way"),
        (status = 400, body = ProblemBody), (status = 401, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 413, body = ProblemBody), (status = 415, body = ProblemBody),
        (status = 422, body = ProblemBody), (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn create(
    State(payments): State<Payments>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let result = async {
        let target = answer::target(&caller, &id, &headers, &body)?;
        let (minor, reason) = requests::read_refund(&body)?;
        Ok(payments.gateway.refund_payment(target, RefundPayment { minor, reason }, caller.context).await?)
    }
    .await;
    measure::count_refund(&result);
    let done = result?;
    Ok(answer::of(RefundBody::from(&done.refund), done.known(), done.replayed, StatusCode::CREATED))
}

/// Show a refund.
#[utoipa::path(
    get, path = "/v1/refunds/{id}", tag = "refunds", security(("api_key" = [])),
    params(("id" = String, Path, description = "`ref_…`")),
    responses((status = 200, body = RefundBody), (status = 400, body = ProblemBody), (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody))
)]
pub(crate) async fn show(
    State(payments): State<Payments>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RefundBody>, Problem> {
    let id = id.parse().map_err(|_| Problem::new(ProblemCode::NotFound, "There is no such refund."))?;
    let refund = payments.gateway.get_refund(caller.merchant.id, id).await?;
    Ok(Json((&refund).into()))
}

/// A payment's refunds, oldest first, all of them.
#[utoipa::path(
    get, path = "/v1/payments/{id}/refunds", tag = "refunds", security(("api_key" = [])),
    params(("id" = String, Path, description = "`pay_…`")),
    responses((status = 200, body = RefundList), (status = 400, body = ProblemBody), (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody))
)]
pub(crate) async fn list(
    State(payments): State<Payments>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RefundList>, Problem> {
    let refunds = payments.gateway.list_refunds(caller.merchant.id, answer::payment_id(&id)?).await?;
    Ok(Json(RefundList { data: refunds.iter().map(RefundBody::from).collect() }))
}
