//! `/v1/payments`: create, list, show, capture, void, timeline.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{AGE, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use tollgate_api::{
    Problem,
    idempotency_key::IdempotencyKey,
    payment::{PaymentBody, PaymentList},
    problem::ProblemBody,
    requests::{self, CaptureBody, CreatePaymentBody},
    strict_json,
    timeline::{TimelineBody, TimelineEntry},
};
use tollgate_gateway::{CreatePayment, Done, Shown};

use crate::{
    Payments, answer,
    caller::{Caller, Inquirer},
    measure,
};

/// Says that a payment is shown as it was.
const SERVED_FROM: HeaderName = HeaderName::from_static("x-served-from");

/// Create a payment.
///
/// `201` also for a decline: `status` is then `FAILED`, with `failure`. `202`: the outcome is not known yet, or the
/// payer must act (`next_action`). A retry with the same key never charges twice.
#[utoipa::path(
    post, path = "/v1/payments", tag = "payments", security(("api_key" = [])),
    params(("Idempotency-Key" = String, Header, description = "1 to 255 printable ASCII characters, best a UUID")),
    request_body = CreatePaymentBody,
    responses(
        (status = 201, body = PaymentBody, description = "Made; authorized, captured or declined"),
        (status = 200, body = PaymentBody, description = "Made before with this key (`Idempotent-Replayed: true`)"),
        (status = 202, body = PaymentBody, description = "Not known yet, or the payer must act"),
        (status = 400, body = ProblemBody), (status = 401, body = ProblemBody), (status = 409, body = ProblemBody),
        (status = 413, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody),
        (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn create(
    State(payments): State<Payments>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let result = async {
        strict_json::require_json(&headers)?;
        let idempotency_key = IdempotencyKey::from_headers(&headers)?.as_str().to_owned();
        let request = requests::read_create(&body)?;
        let command = CreatePayment {
            merchant: caller.merchant.id,
            idempotency_key,
            amount: request.amount,
            payment_method: request.payment_method,
            provider: request.provider,
            capture_method: request.capture_method,
            details: request.details,
        };
        Ok(payments.gateway.create_payment(command, caller.context).await?)
    }
    .await;
    measure::count("create", &result);
    Ok(answer(&result?, StatusCode::CREATED))
}

/// List payments, newest first.
#[utoipa::path(
    get, path = "/v1/payments", tag = "payments", security(("api_key" = [])),
    params(
        ("merchant_reference" = Option<String>, Query, description = "Only those with this reference"),
        ("status" = Option<String>, Query, description = "Only those with this status"),
        ("limit" = Option<u32>, Query, description = "1 to 100, 20 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PaymentList), (status = 400, body = ProblemBody), (status = 401, body = ProblemBody))
)]
pub(crate) async fn list(State(payments): State<Payments>, inquirer: Inquirer) -> Result<Json<PaymentList>, Problem> {
    let query = requests::read_list(&inquirer.query, inquirer.merchant.id)?;
    let page = payments.gateway.list_payments(&query).await?;
    Ok(Json(PaymentList {
        data: page.payments.iter().map(PaymentBody::from).collect(),
        next_cursor: page.next.map(requests::next_cursor),
    }))
}

/// Show a payment.
///
/// While the gateway cannot reach its store, a payment that changed or was shown within the last five minutes is shown as it
/// was: with `Age` and `X-Served-From`. Any other is then `503 store_unavailable`.
#[utoipa::path(
    get, path = "/v1/payments/{id}", tag = "payments", security(("api_key" = [])),
    params(("id" = String, Path, description = "`pay_…`")),
    responses(
        (status = 200, body = PaymentBody, headers(
            ("Age" = u32, description = "Only with `X-Served-From`: for how many whole seconds this may not have been the truth"),
            ("X-Served-From" = String, description = "`cache` where the payment is shown as it was; else it is not there"),
        )),
        (status = 400, body = ProblemBody), (status = 401, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn show(
    State(payments): State<Payments>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    match payments.gateway.show_payment(caller.merchant.id, answer::payment_id(&id)?).await? {
        Shown::Truth(payment) => Ok(Json(PaymentBody::from(&*payment)).into_response()),
        Shown::Kept { body, age } => {
            let headers = [
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (AGE, HeaderValue::from(age.as_secs())),
                (SERVED_FROM, HeaderValue::from_static("cache")),
            ];
            Ok((headers, body).into_response())
        }
    }
}

/// Capture an authorized payment, or a part of it; the rest is released.
#[utoipa::path(
    post, path = "/v1/payments/{id}/capture", tag = "payments", security(("api_key" = [])),
    params(("id" = String, Path, description = "`pay_…`"), ("Idempotency-Key" = String, Header, description = "As for create")),
    request_body(content = CaptureBody),
    responses(
        (status = 200, body = PaymentBody), (status = 202, body = PaymentBody, description = "`pending_operation` tells"),
        (status = 400, body = ProblemBody), (status = 401, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 413, body = ProblemBody), (status = 415, body = ProblemBody),
        (status = 422, body = ProblemBody), (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn capture(
    State(payments): State<Payments>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let result = async {
        let target = answer::target(&caller, &id, &headers, &body)?;
        let amount = requests::read_capture(&body)?;
        Ok(payments.gateway.capture_payment(target, amount, caller.context).await?)
    }
    .await;
    measure::count("capture", &result);
    Ok(answer(&result?, StatusCode::OK))
}

/// Void an authorized payment. On a `PENDING` one it is carried out when the payment is known.
#[utoipa::path(
    post, path = "/v1/payments/{id}/void", tag = "payments", security(("api_key" = [])),
    params(("id" = String, Path, description = "`pay_…`"), ("Idempotency-Key" = String, Header, description = "As for create")),
    responses(
        (status = 200, body = PaymentBody), (status = 202, body = PaymentBody, description = "`pending_operation` tells"),
        (status = 400, body = ProblemBody), (status = 401, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 413, body = ProblemBody), (status = 415, body = ProblemBody),
        (status = 422, body = ProblemBody), (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn void(
    State(payments): State<Payments>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let result = async {
        let target = answer::target(&caller, &id, &headers, &body)?;
        requests::read_nothing(&body)?;
        Ok(payments.gateway.void_payment(target, caller.context).await?)
    }
    .await;
    measure::count("void", &result);
    Ok(answer(&result?, StatusCode::OK))
}

/// Everything that happened to a payment, in order, with causes.
#[utoipa::path(
    get, path = "/v1/payments/{id}/timeline", tag = "payments", security(("api_key" = [])),
    params(("id" = String, Path, description = "`pay_…`")),
    responses((status = 200, body = TimelineBody), (status = 400, body = ProblemBody), (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody))
)]
pub(crate) async fn timeline(
    State(payments): State<Payments>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<TimelineBody>, Problem> {
    let id = answer::payment_id(&id)?;
    let rows = payments.gateway.timeline(caller.merchant.id, id).await?;
    Ok(Json(TimelineBody { payment_id: id.to_string(), data: rows.iter().map(TimelineEntry::from).collect() }))
}

fn answer(done: &Done, made: StatusCode) -> Response {
    answer::of(PaymentBody::from(&done.payment), done.known, done.replayed, made)
}
