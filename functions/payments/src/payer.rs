//! `GET /return/{opaque}`: the payer comes back.

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use tollgate_api::Problem;
use tollgate_domain::Payment;

use crate::{Payments, caller::Anonymous};

/// What a payer sees where the merchant gave no `return_url`.
const DONE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Back to the shop</title>\
    <body style=\"font:1rem system-ui;margin:4rem auto;max-width:32rem;padding:0 1rem\">\
    <h1>That was all here</h1><p>You can close this page and go back to the shop: it knows how the payment went.</p></body></html>";

/// What a payer's browser shows while what he brings cannot be noted. It comes again by itself, with what he brings: at the bank
/// nobody else has it, and it is good for a minute only.
const LATER: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"3\">\
    <title>One moment</title><body style=\"font:1rem system-ui;margin:4rem auto;max-width:32rem;padding:0 1rem\">\
    <h1>One moment</h1><p>You are back from your bank or wallet, and we cannot note it just now. This page tries again by itself: please leave it open.</p></body></html>";

/// What a browser shows of a link that is none of ours, or not whole.
const NOWHERE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Nothing here</title>\
    <body style=\"font:1rem system-ui;margin:4rem auto;max-width:32rem;padding:0 1rem\">\
    <h1>Nothing here</h1><p>This link leads to no payment. Please go back to the shop and look at your order there.</p></body></html>";

/// The payer comes back from the provider's page. Redirects to the merchant's `return_url`, with `payment_id` added.
#[utoipa::path(
    get, path = "/return/{opaque}", tag = "payers",
    params(("opaque" = String, Path, description = "Made by the gateway for the provider's page")),
    responses((status = 303, description = "To the merchant's `return_url`"), (status = 200, description = "A page that sends the payer back to the shop, where there is no `return_url`"), (status = 404, description = "No link of ours; to a browser, a page", body = tollgate_api::problem::ProblemBody), (status = 503, description = "It cannot be noted just now; to a browser, a page that comes again by itself", body = tollgate_api::problem::ProblemBody))
)]
pub(crate) async fn returned(
    State(payments): State<Payments>,
    Anonymous(context): Anonymous,
    Path(opaque): Path<String>,
    RawQuery(returned): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // What the provider gave the payer for us, in the query, is the provider's adapter's to read.
    let noted = payments.gateway.payer_returned(&opaque, returned.as_deref().unwrap_or_default(), context).await;
    let payment = match noted.map_err(Problem::from) {
        Ok(payment) => payment,
        Err(problem) => return Ok(for_people(problem, &headers)),
    };
    let Some(location) = location(&payment) else { return Ok(Html(DONE).into_response()) };
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

/// The problem, and to a payer's browser a page instead: one that comes again where waiting helps, one that sends him to his shop
/// where the link is no good.
fn for_people(problem: Problem, asked: &HeaderMap) -> Response {
    let answer = problem.into_response();
    let accepts = asked.get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok());
    let page = match answer.status() {
        StatusCode::SERVICE_UNAVAILABLE => LATER,
        StatusCode::NOT_FOUND => NOWHERE,
        _ => return answer,
    };
    if !accepts.is_some_and(|it| it.contains("text/html")) {
        return answer;
    }
    let (mut head, _) = answer.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Response::from_parts(head, Body::from(page))
}

/// The merchant's address, told which payment the payer comes from.
fn location(payment: &Payment) -> Option<HeaderValue> {
    let url = payment.details.return_url.as_deref()?;
    let (url, fragment) = url.split_once('#').map_or((url, None), |(url, fragment)| (url, Some(fragment)));
    let separator = if url.contains('?') { '&' } else { '?' };
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    HeaderValue::from_str(&format!("{url}{separator}payment_id={}{fragment}", payment.id)).ok()
}
