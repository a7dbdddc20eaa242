//! Webhooks to merchants: how each delivery stands, its tries, and a button that sends it again.

use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use tollgate_api::Problem;
use tollgate_domain::{Delivery, DeliveryStatus, Payment};
use tollgate_gateway::{ports::deliveries::DeliveryAttempt, records::ListQuery};

use super::{
    Console,
    forms::{Fields, Shop},
    page::{Section, Tone, at, badge, millis, page, wide},
    story,
};

/// The column of what a delivery is of.
const PAYMENT: &str = "Payment, reference";

/// Of so many of each merchant's newest payments.
const PAYMENTS: u32 = 20;

/// A delivery, with its tries.
pub(super) type Told = (Delivery, Vec<DeliveryAttempt>);

pub(super) async fn list(State(console): State<Console>, RawQuery(query): RawQuery) -> Result<Markup, Problem> {
    let fields = Fields::query(query.as_ref())?;
    let undelivered = fields.text("show") == Some("undelivered");
    let body = html! {
        p {
            "Of the " (PAYMENTS) " newest payments of each merchant. Show: "
            a href="/console/deliveries" aria-current=[(!undelivered).then_some("true")] { "all" } ", "
            a href="/console/deliveries?show=undelivered" aria-current=[undelivered.then_some("true")] { "what is not delivered" }
            ". How the built-in endpoint answers, the " a href="/console/switches#inbox" { "switches" } " say."
        }
        @for shop in &console.shops {
            @let found = of(&console, shop, undelivered).await?;
            @if !found.is_empty() {
                section aria-labelledby=(shop.id.to_string()) {
                    h2 id=(shop.id.to_string()) { (shop.name) }
                    (of_payments(shop, &found))
                }
            }
        }
    };
    Ok(page(&console, Some(Section::Deliveries), "Deliveries", fields.note(&console).as_ref(), &body))
}

/// The newest payments of one merchant that have deliveries to show.
async fn of(console: &Console, shop: &Shop, undelivered: bool) -> Result<Vec<(Payment, Vec<Told>)>, Problem> {
    let query = ListQuery { merchant: shop.id, merchant_reference: None, status: None, after: None, limit: PAYMENTS };
    let mut found = Vec::new();
    for payment in console.gateway.list_payments(&query).await?.payments {
        let mut told = console.gateway.deliveries(shop.id, payment.id).await?;
        told.retain(|(delivery, _)| !undelivered || delivery.status != DeliveryStatus::Delivered);
        if !told.is_empty() {
            found.push((payment, told));
        }
    }
    Ok(found)
}

/// The deliveries of one payment.
pub(super) fn of_payment(told: &[Told]) -> Markup {
    if told.is_empty() {
        return html! { p { "Nothing was told to the merchant yet." } };
    }
    let rows = html! { @for told in told { tr { (cells(told)) } } };
    wide("Deliveries as a table", &table(&[], &rows))
}

fn of_payments(shop: &Shop, found: &[(Payment, Vec<Told>)]) -> Markup {
    let rows = html! {
        @for (payment, told) in found { @for one in told {
            tr {
                td data-label=(PAYMENT) { span {
                    a.id href=(format!("/console/payments/{}", payment.id)) { (payment.id) }
                    br; span.reference { (payment.details.merchant_reference.as_deref().unwrap_or("–")) }
                } }
                (cells(one))
            }
        } }
    };
    wide(&format!("Deliveries to {} as a table", shop.name), &table(&[PAYMENT], &rows))
}

fn table(first: &[&str], rows: &Markup) -> Markup {
    html! {
        table.cards {
            caption.hidden { "Deliveries" }
            thead { tr {
                @for name in first.iter().chain(&["Event", "Status", "Tries", "Next try", "Again"]) { th scope="col" { (name) } }
            } }
            tbody { (rows) }
        }
    }
}

fn cells((delivery, tries): &Told) -> Markup {
    html! {
        td data-label="Event" { (delivery.sequence) ".\u{a0}" (delivery.kind.as_str()) }
        td data-label="Status" { (standing(delivery)) }
        td data-label="Tries" { ol.tries { @for attempt in tries {
            li value=(attempt.number) {
                (at(&millis(attempt.at))) " "
                (badge(&story::outcome(attempt), if story::took(attempt) { Tone::Done } else { Tone::Failed }))
            }
        } } }
        td data-label="Next try" {
            @if delivery.waits_for_endpoint { "waits for the endpoint" }
            @else if delivery.is_over() { "–" }
            @else if let Some(next) = delivery.next_attempt_at { (at(&millis(next))) }
        }
        td data-label="Again" {
            form action=(format!("/console/payments/{}/redeliver", delivery.payment)) method="post" {
                input type="hidden" name="event" value=(delivery.event.to_string());
                button aria-label=(format!("Redeliver {}", delivery.kind.as_str())) { "Redeliver" }
            }
        }
    }
}

fn standing(delivery: &Delivery) -> Markup {
    let tone = match delivery.status {
        DeliveryStatus::Delivered => Tone::Done,
        DeliveryStatus::DeadLettered => Tone::Failed,
        DeliveryStatus::Pending | DeliveryStatus::Retrying => Tone::Waiting,
    };
    badge(delivery.status.as_str(), tone)
}
