//! One payment: how it stands, what can be done with it, and its whole story as a picture and as tables.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State},
    response::Response,
};
use http::Method;
use maud::{Markup, html};
use serde_json::{Value, json};
use tollgate_api::{Problem, ProblemCode};
use tollgate_domain::{Payment, PaymentStatus, Refund, audit::Booked};

use super::{
    Console, deliveries,
    forms::{Fields, Shop, back, said},
    page::{Section, at, badge, millis, page, seconds, wide},
    payments::status,
    picture, read, story,
    story::Entry,
};

pub(super) async fn show(
    State(console): State<Console>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Markup, Problem> {
    let note = Fields::query(query.as_ref())?.note(&console);
    let (shop, payment) = console.find(&id).await?;
    let rows = console.gateway.timeline(shop.id, payment.id).await?;
    let delivered = console.gateway.deliveries(shop.id, payment.id).await?;
    let booked = read(console.stores.record_books.booked(payment.id).await)?;
    let refunds = read(console.stores.timelines.refunds(payment.id).await)?;
    let story = story::of(&rows, &booked, &delivered);
    let path = format!("/console/payments/{}", payment.id);
    let body = html! {
        div data-watch=(format!("{path}/state")) data-seen=(seen(&payment, delivered_tries(&delivered))) {}
        (facts(shop, &payment, &refunds))
        (actions(&console, &path, &payment))
        section aria-labelledby="timeline" {
            h2 id="timeline" { "Timeline" }
            (picture::legend())
            (wide("Timeline as a picture", &picture::of(&story)))
            p.small { "Time runs down one axis; a wait of a second or more is shortened, and says how long it was." }
            details { summary { "The same as a table" } (wide("Timeline as a table", &table(&story))) }
        }
        section aria-labelledby="deliveries" {
            h2 id="deliveries" { "Deliveries to the merchant" }
            (deliveries::of_payment(&delivered))
        }
        section aria-labelledby="ledger" { h2 id="ledger" { "Ledger" } (ledger(&booked)) }
    };
    Ok(page(&console, Some(Section::Payments), &format!("Payment of {}", payment.amount), note.as_ref(), &body))
}

/// What tells whether a page that shows the payment is out of date.
fn seen(payment: &Payment, tries: u32) -> String {
    format!("{}.{tries}", payment.version)
}

fn delivered_tries(delivered: &[deliveries::Told]) -> u32 {
    delivered.iter().map(|(delivery, _)| delivery.attempts).sum()
}

pub(super) async fn state(State(console): State<Console>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let (shop, payment) = console.find(&id).await?;
    let tries = delivered_tries(&console.gateway.deliveries(shop.id, payment.id).await?);
    Ok(Json(json!({"seen": seen(&payment, tries), "status": payment.status.as_str()})))
}

fn facts(shop: &Shop, payment: &Payment, refunds: &[Refund]) -> Markup {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    let failure = payment.failure.as_ref().map(|failure| format!("{}: {}", failure.code, failure.message));
    html! {
        dl {
            dt { "Status" } dd { (status(payment)) }
            @if let Some(open) = &payment.open {
                dt { "Under way" }
                dd {
                    @match &open.payer {
                        Some(turn) => {
                            "waits for the payer until " (at(&seconds(turn.until)))
                            @if turn.url.starts_with("http://") || turn.url.starts_with("https://") {
                                ": " a href=(turn.url) rel="noreferrer" { "the payer's page" }
                            }
                        },
                        None => { (open.kind.as_str()) ", outcome not known yet" },
                    }
                }
            }
            @if let Some(failure) = failure { dt { "Failure" } dd { (failure) } }
            @if let Some(review) = &payment.review {
                dt { "Needs review" } dd { (story::words(review.reason.as_str())) ", since " (at(&seconds(review.since))) }
            }
            dt { "Payment" } dd { code { (payment.id) } }
            dt { "Merchant" } dd { (shop.name) }
            dt { "Reference" } dd { (or_none(&payment.details.merchant_reference)) }
            @if let Some(text) = &payment.details.description { dt { "Description" } dd { (text) } }
            dt { "Captured" } dd { (payment.captured.to_string()) }
            dt { "Refunded" } dd {
                (payment.refunded.to_string())
                @for refund in refunds { br; code { (refund.id) } " " (refund.amount.to_string()) " " (refund.status.as_str()) }
            }
            dt { "Provider" } dd { (payment.provider.as_str()) }
            dt { "Transaction at the provider" } dd { code { (or_none(&payment.provider_transaction_id)) } }
            dt { "Our request's key at the provider" } dd { code { (payment.provider_request_id.to_string()) } }
            dt { "Settlement" } dd {
                @match payment.settlement {
                    Some(id) => a href=(format!("/console/settlements#{id}")) { (id) },
                    None => "–",
                }
            }
            dt { "Created" } dd { (at(&seconds(payment.created_at))) }
        }
    }
}

/// What its status lets a merchant do. What else it needs, the gateway says.
fn actions(console: &Console, path: &str, payment: &Payment) -> Markup {
    let form = |action: &str, title: &str, amount: Option<&str>| {
        html! {
            form.row action=(format!("{path}/{action}")) method="post" {
                input type="hidden" name="key" value=(console.new_key());
                @if let Some(label) = amount {
                    label { (label) input type="number" name="amount" min="1" max=(payment.amount.minor()) placeholder="all"; }
                }
                button { (title) }
            }
        }
    };
    html! {
        section aria-labelledby="actions" {
            h2 id="actions" { "Do" }
            @match payment.status {
                PaymentStatus::Pending => { (form("void", "Void", None)) },
                PaymentStatus::Authorized => {
                    (form("capture", "Capture", Some("Part to capture, in minor units")))
                    (form("void", "Void", None))
                },
                PaymentStatus::Captured => p {
                    "It can be refunded once it is settled, at 02:00 in Tokyo. "
                    a href="/console/switches#clock" { "Move the clock" }
                },
                PaymentStatus::Settled => { (form("refund", "Refund", Some("Part to refund, in minor units"))) },
                _ => p { "Nothing: it has ended." },
            }
        }
    }
}

pub(super) async fn act(
    State(console): State<Console>,
    Path((id, action)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Problem> {
    let fields = Fields::form(&body)?;
    let (shop, payment) = console.find(&id).await?;
    let result = match action.as_str() {
        "capture" | "void" | "refund" => operate(shop, &payment, &action, &fields).await,
        "redeliver" => redeliver(shop, &payment, &fields).await,
        _ => return Err(Problem::new(ProblemCode::NotFound, "There is no such action.")),
    };
    console.settle().await;
    Ok(back(&console, &format!("/console/payments/{}", payment.id), result))
}

/// As the merchant's program would.
async fn operate(shop: &Shop, payment: &Payment, action: &str, fields: &Fields) -> Result<String, Problem> {
    let amount = fields.number("amount")?.map(|amount| json!({"amount": amount}));
    let call = format!("/v1/payments/{}/{action}", payment.id);
    said(shop.client.send(Method::POST, &call, fields.text("key"), amount.as_ref()).await, |answer| {
        let of = if action == "refund" { "refund" } else { "payment" };
        let unknown = if answer.status == 202 { " What became of it is not known yet." } else { "" };
        format!("The {of} is {}.{unknown}", answer.text("status"))
    })
}

async fn redeliver(shop: &Shop, payment: &Payment, fields: &Fields) -> Result<String, Problem> {
    let event = fields.text("event").map(|event| json!({"event_id": event}));
    let call = format!("/v1/webhooks/{}/redeliver", payment.id);
    said(shop.client.send(Method::POST, &call, None, event.as_ref()).await, |_| "It is delivered again.".to_owned())
}

fn table(story: &[Entry]) -> Markup {
    html! {
        table.cards {
            caption.hidden { "What happened to the payment, by time" }
            thead { tr { @for name in ["At", "Kind", "What", "Detail", "Cause"] { th scope="col" { (name) } } } }
            tbody {
                @for entry in story {
                    tr {
                        td data-label="At" { (at(&millis(entry.at))) }
                        td data-label="Kind" { (entry.lane.title()) }
                        td data-label="What" { (badge(&entry.what, entry.tone)) }
                        td data-label="Detail" { (entry.detail) }
                        td data-label="Cause" { (entry.cause) }
                    }
                }
            }
        }
    }
}

fn ledger(booked: &[Booked]) -> Markup {
    if booked.is_empty() {
        return html! { p { "No postings." } };
    }
    let table = html! {
        table.cards {
            caption.hidden { "Ledger lines of the payment; debits have a plus" }
            thead { tr { th scope="col" { "Change" } th scope="col" { "Account" } th.n scope="col" { "Amount" } } }
            tbody {
                @for line in booked {
                    tr {
                        td data-label="Change" { (line.version) }
                        td data-label="Account" { code { (line.account) } }
                        td.n data-label="Amount" { (story::amount(line)) }
                    }
                }
            }
        }
    };
    wide("Ledger as a table", &table)
}
