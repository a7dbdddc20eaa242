//! Settlements, the newest first: what each comes to for every merchant, and its lines as a file.

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use maud::{Markup, html};
use tollgate_api::{
    Problem, ProblemCode,
    settlement::{csv_header, csv_rows},
};
use tollgate_domain::{
    Date, Settlement, SettlementId,
    settlement::{SettlementStatus, Totals},
};
use tollgate_gateway::Error;

use super::{
    Console,
    forms::{Fields, Shop},
    page::{Section, Tone, at, badge, page, seconds, signed, wide},
    read,
};

/// How many are shown.
const SHOWN: usize = 14;
const LINES_AT_A_TIME: u32 = 1000;

/// What a settlement comes to, in this order.
const SUMS: [&str; 6] = ["Gross", "Fees", "Refunds", "Returned", "Carried over", "Net"];

/// A settlement, and what it comes to for whom.
type Shown<'a> = (Settlement, Vec<(&'a Shop, Vec<Totals>)>);

pub(super) async fn list(State(console): State<Console>, RawQuery(query): RawQuery) -> Result<Markup, Problem> {
    let note = Fields::query(query.as_ref())?.note(&console);
    let settlements = latest(&console).await?;
    let body = html! {
        p {
            "What was captured before 02:00 in Tokyo is settled then, less fees and refunds. Where the clock is simulated, "
            a href="/console/switches#clock" { "move it past 02:00" } "."
        }
        @if settlements.is_empty() { p { "There is none yet." } }
        @for (settlement, parts) in &settlements { (part(settlement, parts)) }
        @if settlements.len() == SHOWN { p { "The newest " (SHOWN) " are shown." } }
    };
    Ok(page(&console, Some(Section::Settlements), "Settlements", note.as_ref(), &body))
}

async fn latest(console: &Console) -> Result<Vec<Shown<'_>>, Problem> {
    let store = &console.stores.settlements;
    let mut next = read(store.latest_settlement(Date::MAX).await)?;
    let mut shown = Vec::new();
    while let Some(settlement) = next.take().filter(|_| shown.len() < SHOWN) {
        let mut parts = Vec::new();
        for shop in &console.shops {
            let totals = read(store.merchant_totals(settlement.id, shop.id).await)?;
            if !totals.is_empty() {
                parts.push((shop, totals));
            }
        }
        if let Some(previous) = settlement.previous {
            next = read(store.settlement(previous).await)?;
        }
        shown.push((settlement, parts));
    }
    Ok(shown)
}

fn part(settlement: &Settlement, parts: &[(&Shop, Vec<Totals>)]) -> Markup {
    let tone = match settlement.status {
        SettlementStatus::Running => Tone::Waiting,
        SettlementStatus::Completed => Tone::Done,
        SettlementStatus::Failed => Tone::Failed,
    };
    let id = settlement.id.to_string();
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (settlement.day.date().to_string()) " " (badge(settlement.status.as_str(), tone)) }
            p.small {
                code { (id) } ", captured before " (at(&seconds(settlement.day.cutoff())))
                ", " (counted(settlement.counts.payments, "payment")) ", " (counted(settlement.counts.refunds, "refund"))
                @if settlement.counts.set_aside > 0 { ", " (settlement.counts.set_aside) " set aside" }
            }
            @if let Some(failure) = &settlement.failure { p.note.failed { (failure) } }
            @if parts.is_empty() { p { "Nothing of anybody's is in it." } }
            @else { (wide(&format!("Totals of {}", settlement.day.date()), &totals(settlement.id, parts))) }
        }
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn totals(id: SettlementId, parts: &[(&Shop, Vec<Totals>)]) -> Markup {
    html! {
        table.cards {
            caption.hidden { "Totals per merchant and currency" }
            thead { tr {
                th scope="col" { "Merchant" } th scope="col" { "Currency" }
                @for name in ["Payments"].iter().chain(&SUMS) { th.n scope="col" { (name) } }
                th scope="col" { "Lines" }
            } }
            tbody {
                @for (shop, totals) in parts { @for of in totals {
                    tr {
                        td data-label="Merchant" { (shop.name) }
                        td data-label="Currency" { (of.currency.code()) }
                        td.n data-label="Payments" { (of.payments) }
                        @let sums = [of.gross, of.fees, of.refunds, of.refunds_returned, of.carried_over, of.net];
                        @for (name, minor) in SUMS.iter().zip(sums) {
                            td.n data-label=(name) { (signed(minor, of.currency.exponent())) }
                        }
                        td data-label="Lines" { a href=(format!("/console/settlements/{id}/{}.csv", shop.id)) download {
                            "CSV" span.hidden { " of " (shop.name) }
                        } }
                    }
                } }
            }
        }
    }
}

/// A merchant's lines, as `GET /v1/settlements/{id}` gives them to him.
pub(super) async fn lines(
    State(console): State<Console>,
    Path((id, merchant)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let missing =
        || Problem::new(ProblemCode::NotFound, "There is no such settlement with anything of that merchant's.");
    let id: SettlementId = id.parse().map_err(|_| missing())?;
    let shop = console.shop(merchant.strip_suffix(".csv")).ok_or_else(missing)?;
    console.gateway.settlement(shop.id, id).await.map_err(|error| match error {
        Error::NotFound => missing(),
        other => other.into(),
    })?;
    let start = (console.gateway.clone(), shop.id, None, true);
    let body = Body::from_stream(stream::try_unfold(start, move |(gateway, shop, after, first)| async move {
        if first {
            return Ok::<_, Error>(Some((csv_header(), (gateway, shop, after, false))));
        }
        let page = gateway.settlement_lines(shop, id, after, LINES_AT_A_TIME).await?;
        let end = page.last().map(|line| line.place);
        Ok(end.map(|end| (csv_rows(&page), (gateway, shop, Some(end), false))))
    }));
    let file = HeaderValue::from_str(&format!("attachment; filename=\"{id}.csv\"")).map_err(Problem::internal)?;
    let media_type = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    Ok(([(header::CONTENT_TYPE, media_type), (header::CONTENT_DISPOSITION, file)], body).into_response())
}
