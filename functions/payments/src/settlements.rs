//! `/v1/settlements`: what a settlement comes to for the merchant, and its lines as CSV.

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use tollgate_api::{
    Problem, ProblemCode,
    problem::ProblemBody,
    settlement::{SettlementBody, csv_header, csv_rows, read_date},
};
use tollgate_domain::{MerchantId, SettlementId};
use tollgate_gateway::{Error, Gateway, MerchantSettlement};

use crate::{
    Payments,
    caller::{Caller, Inquirer},
};

const CSV: &str = "text/csv";
/// Lines that are read and sent at a time: a million of them never stand in memory.
const LINES_AT_A_TIME: u32 = 1000;

/// Show the settlement of a date.
///
/// Only the merchant's own part. `404` where there is none for that date, or nothing of the merchant is in it. With
/// `Accept: text/csv` its lines, one row each, in the order in which they were settled.
#[utoipa::path(
    get, path = "/v1/settlements", tag = "settlements", security(("api_key" = [])),
    params(("date" = String, Query, description = "In Tokyo, `YYYY-MM-DD`")),
    responses(
        (status = 200, description = "Totals per currency, or the lines", content((SettlementBody = "application/json"), (String = "text/csv"))),
        (status = 400, body = ProblemBody), (status = 401, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn on_date(
    State(payments): State<Payments>,
    inquirer: Inquirer,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let date = read_date(&inquirer.query)?;
    let merchant = inquirer.merchant.id;
    let found = payments.gateway.settlement_on(merchant, date).await;
    answer(payments.gateway, merchant, &headers, &found.map_err(problem)?)
}

/// Show a settlement.
///
/// As for a date.
#[utoipa::path(
    get, path = "/v1/settlements/{id}", tag = "settlements", security(("api_key" = [])),
    params(("id" = String, Path, description = "`stl_…`")),
    responses(
        (status = 200, description = "Totals per currency, or the lines", content((SettlementBody = "application/json"), (String = "text/csv"))),
        (status = 400, body = ProblemBody), (status = 401, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn show(
    State(payments): State<Payments>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id: SettlementId = id.parse().map_err(|_| problem(Error::NotFound))?;
    let found = payments.gateway.settlement(caller.merchant.id, id).await;
    answer(payments.gateway, caller.merchant.id, &headers, &found.map_err(problem)?)
}

fn problem(error: Error) -> Problem {
    match error {
        Error::NotFound => Problem::new(ProblemCode::NotFound, "There is no such settlement with anything of yours."),
        other => other.into(),
    }
}

fn answer(
    gateway: Gateway,
    merchant: MerchantId,
    headers: &HeaderMap,
    part: &MerchantSettlement,
) -> Result<Response, Problem> {
    let mut response = if wants_csv(headers) {
        let id = part.settlement.id;
        let file = HeaderValue::from_str(&format!("attachment; filename=\"{id}.csv\"")).map_err(Problem::internal)?;
        let media_type = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
        let headers = [(header::CONTENT_TYPE, media_type), (header::CONTENT_DISPOSITION, file)];
        (headers, lines(gateway, merchant, id)).into_response()
    } else {
        Json(SettlementBody::from(part)).into_response()
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Whether CSV is what the caller names first of what there is.
fn wants_csv(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let names = accepted.flat_map(|value| value.split(',')).map(|one| one.split(';').next().unwrap_or_default().trim());
    let known = |name: &&str| {
        [CSV, "application/json", "application/*", "*/*"].iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    names.filter(|name| known(name)).map(|name| name.eq_ignore_ascii_case(CSV)).next().unwrap_or(false)
}

/// The header row and then the lines, read as fast as they are taken. A store that goes away in between cuts the answer
/// off: the caller sees that it is not whole.
fn lines(gateway: Gateway, merchant: MerchantId, id: SettlementId) -> Body {
    let start = (gateway, None, true);
    Body::from_stream(stream::try_unfold(start, move |(gateway, after, first)| async move {
        if first {
            return Ok::<_, Error>(Some((csv_header(), (gateway, after, false))));
        }
        let page = gateway.settlement_lines(merchant, id, after, LINES_AT_A_TIME).await?;
        let end = page.last().map(|line| line.place);
        Ok(end.map(|end| (csv_rows(&page), (gateway, Some(end), false))))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_answered_to_whoever_names_it_first() {
        for (accept, csv) in [
            (None, false),
            (Some("*/*"), false),
            (Some("text/csv"), true),
            (Some("Text/CSV; q=0.9"), true),
            (Some("text/csv, application/json"), true),
            (Some("application/json, text/csv"), false),
            (Some("text/html, text/csv, */*"), true),
            (Some("text/csv-schema"), false),
        ] {
            let headers = accept.map(|accept| (header::ACCEPT, HeaderValue::from_static(accept))).into_iter().collect();
            assert_eq!(wants_csv(&headers), csv, "{accept:?}");
        }
    }
}
