//! `GET /return/{opaque}`: the payer comes back.

use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use tollgate_api::Problem;
use tollgate_domain::Payment;

use crate::{Payments, caller::Anonymous};

/// What a payer sees where the merchant gave no `return_url`.
const DONE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Back to the shop</title>\
    <body style=\"font:1rem system-ui;margin:4rem auto;max-width:32rem\">\
    <h1>That was all here</h1><p>You can close this page and go back to the shop: it knows how the payment went.</p></body></html>";

/// The payer comes back from the provider's page. Redirects to the merchant's `return_url`, with `payment_id` added.
#[utoipa::path(
    get, path = "/return/{opaque}", tag = "payers",
    params(("opaque" = String, Path, description = "Made by the gateway for the provider's page")),
    responses((status = 303, description = "To the merchant's `return_url`"), (status = 200, description = "A page that sends the payer back to the shop, where there is no `return_url`"), (status = 404, body = tollgate_api::problem::ProblemBody))
)]
pub(crate) async fn returned(
    State(payments): State<Payments>,
    Anonymous(context): Anonymous,
    Path(opaque): Path<String>,
    RawQuery(returned): RawQuery,
) -> Result<Response, Problem> {
    // What the provider gave the payer for us, in the query, is the provider's adapter's to read.
    let payment = payments.gateway.payer_returned(&opaque, returned.as_deref().unwrap_or_default(), context).await?;
    let Some(location) = location(&payment) else { return Ok(Html(DONE).into_response()) };
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

/// The merchant's address, told which payment the payer comes from.
fn location(payment: &Payment) -> Option<HeaderValue> {
    let url = payment.details.return_url.as_deref()?;
    let (url, fragment) = url.split_once('#').map_or((url, None), |(url, fragment)| (url, Some(fragment)));
    let separator = if url.contains('?') { '&' } else { '?' };
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    HeaderValue::from_str(&format!("{url}{separator}payment_id={}{fragment}", payment.id)).ok()
}
