//! The first page: search among the payments of all merchants, and take one by hand.

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    response::Response,
};
use http::Method;
use maud::{Markup, html};
use serde_json::json;
use tollgate_api::{Problem, ProblemCode};
use tollgate_domain::{Payment, PaymentId, PaymentStatus, Timestamp};
use tollgate_gateway::records::ListQuery;

use super::{
    Console,
    forms::{Fields, Shop, back, said},
    page::{Section, Tone, at, badge, page, seconds},
};

/// How many payments a page shows.
const SHOWN: u32 = 25;
/// Where a list goes on.
type Place = (Timestamp, PaymentId);

/// A payer's name in the form, his title, and his test tokens by provider.
type Payer = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const PAYERS: [Payer; 10] = [
    ("card-ok", "Stripe: card, approved", &[("stripe", "pm_card_visa")]),
    ("card-declined", "Stripe: card, declined", &[("stripe", "pm_card_visa_chargeDeclined")]),
    ("card-3ds", "Stripe: card, payer must confirm (3-D Secure)", &[("stripe", "pm_card_threeDSecure2Required")]),
    ("paypal-ok", "PayPal: vault token, approved", &[("paypal", "vault-ok")]),
    ("paypal-declined", "PayPal: vault token, declined", &[("paypal", "vault-declined")]),
    ("paypal-approval", "PayPal: payer must approve", &[("paypal", "vault-needs-approval")]),
    ("bank-ok", "Bank: account, approved", &[("bank", "debtor-ok")]),
    ("bank-no-funds", "Bank: account without funds", &[("bank", "debtor-no-funds")]),
    ("bank-consent", "Bank: payer must consent", &[("bank", "debtor-needs-consent")]),
    ("either", "Stripe or PayPal, as the gateway chooses", &[("stripe", "pm_card_visa"), ("paypal", "vault-ok")]),
];

const CURRENCIES: [&str; 5] = ["JPY", "USD", "EUR", "GBP", "KWD"];

pub(super) async fn list(State(console): State<Console>, RawQuery(query): RawQuery) -> Result<Markup, Problem> {
    let fields = Fields::query(query.as_ref())?;
    let (found, next) = search(&console, &fields).await?;
    let body = html! {
        (search_form(&console, &fields))
        section aria-labelledby="found" {
            h2 id="found" { "Found" }
            @if found.is_empty() {
                @if next.is_none() { p { "No payments match. Take one below." } }
            } @else {
                (table(&found))
            }
            @if let Some((after, id)) = next {
                p { a.button href=(format!("/console?{}", fields.but(&[("after", &after.to_string()), ("id", &id.to_string())]))) rel="next" { "Older payments" } }
            }
        }
        (take_form(&console))
    };
    Ok(page(&console, Some(Section::Payments), "Payments", fields.note(&console).as_ref(), &body))
}

/// The payments that match, with their shops, newest first; and behind which place the next ones are.
async fn search<'a>(
    console: &'a Console,
    fields: &Fields,
) -> Result<(Vec<(&'a Shop, Payment)>, Option<Place>), Problem> {
    let wanted = fields.text("q");
    if let Some(id) = wanted.filter(|text| text.parse::<PaymentId>().is_ok()) {
        return Ok((console.find(id).await.into_iter().collect(), None));
    }
    let status = fields.text("status").map(|text| {
        let status = PaymentStatus::ALL.into_iter().find(|status| status.as_str() == text);
        status.ok_or_else(|| Problem::new(ProblemCode::InvalidRequest, "There is no such status."))
    });
    let status = status.transpose()?;
    let after =
        fields.text("after").and_then(|at| at.parse().ok()).zip(fields.text("id").and_then(|id| id.parse().ok()));
    let only = console.shop(fields.text("merchant")).map(|shop| shop.id);
    let (mut all, mut seen_until) = (Vec::new(), None::<Place>);
    for shop in console.shops.iter().filter(|shop| only.is_none_or(|only| only == shop.id)) {
        let merchant_reference = wanted.map(str::to_owned);
        let query = ListQuery { merchant: shop.id, merchant_reference, status, after, limit: SHOWN };
        let listed = console.gateway.list_payments(&query).await?;
        all.extend(listed.payments.into_iter().map(|payment| (shop, payment)));
        // Beyond the place that one shop's list ends at, it may have others.
        seen_until = seen_until.max(listed.next);
    }
    all.retain(|(_, payment)| seen_until.is_none_or(|until| place(payment) >= until));
    all.sort_by_key(|(_, payment)| std::cmp::Reverse(place(payment)));
    let more = all.len() > SHOWN as usize;
    all.truncate(SHOWN as usize);
    let next = if more { all.last().map(|(_, payment)| place(payment)) } else { seen_until };
    Ok((all, next))
}

fn place(payment: &Payment) -> Place {
    (payment.created_at, payment.id)
}

fn search_form(console: &Console, fields: &Fields) -> Markup {
    let is = |name: &str, value: &str| fields.text(name) == Some(value);
    html! {
        form.row role="search" action="/console" method="get" {
            label { "Payment's id, or the merchant's whole reference"
                input type="search" name="q" value=[fields.text("q")] maxlength="255" autocomplete="off" spellcheck="false"; }
            label { "Status"
                select name="status" {
                    option value="" { "any" }
                    @for status in PaymentStatus::ALL {
                        option value=(status.as_str()) selected[is("status", status.as_str())] { (status.as_str()) }
                    }
                } }
            label { "Merchant"
                select name="merchant" {
                    option value="" { "any" }
                    @for shop in &console.shops {
                        @let id = shop.id.to_string();
                        option value=(id) selected[is("merchant", &id)] { (shop.name) }
                    }
                } }
            button { "Search" }
            a href="/console" { "Clear" }
            a href="#take" { "Take a payment" }
        }
    }
}

fn table(found: &[(&Shop, Payment)]) -> Markup {
    html! {
        table.cards {
            caption.hidden { "Payments, newest first" }
            thead { tr {
                @for name in ["Payment", "Status", "Amount", "Captured", "Provider", "Merchant", "Reference", "Created"] {
                    th scope="col" { (name) }
                }
            } }
            tbody {
                @for (shop, payment) in found {
                    tr {
                        td data-label="Payment" { a.id href=(format!("/console/payments/{}", payment.id)) { (payment.id) } }
                        td data-label="Status" { (status(payment)) }
                        td.n data-label="Amount" { (payment.amount.to_string()) }
                        td.n data-label="Captured" { (payment.captured.to_string()) }
                        td data-label="Provider" { (payment.provider.as_str()) }
                        td data-label="Merchant" { (shop.name) }
                        td data-label="Reference" { (payment.details.merchant_reference.as_deref().unwrap_or("–")) }
                        td data-label="Created" { (at(&seconds(payment.created_at))) }
                    }
                }
            }
        }
    }
}

/// A payment's status, with its sign.
pub(super) fn status(payment: &Payment) -> Markup {
    let tone = match payment.status {
        PaymentStatus::Pending => Tone::Waiting,
        PaymentStatus::Failed => Tone::Failed,
        PaymentStatus::Voided => Tone::Plain,
        _ => Tone::Done,
    };
    badge(payment.status.as_str(), tone)
}

fn take_form(console: &Console) -> Markup {
    html! {
        section aria-labelledby="take" {
            h2 id="take" { "Take a payment" }
            form.grid action="/console/payments" method="post" {
                input type="hidden" name="key" value=(console.new_key());
                label { "Merchant"
                    select name="merchant" { @for shop in &console.shops { option value=(shop.id.to_string()) { (shop.name) } } } }
                label { "Payer"
                    select name="payer" { @for (name, title, _) in PAYERS { option value=(name) { (title) } } } }
                label { "Amount, in minor units" input type="number" name="amount" value="1000" min="1" max="999999999999" required; }
                label { "Currency" select name="currency" { @for code in CURRENCIES { option { (code) } } } }
                label { "Merchant's reference" input name="reference" maxlength="255" autocomplete="off"; }
                label { "Capture"
                    select name="capture_method" {
                        option value="manual" { "later, by hand" }
                        option value="automatic" { "at once" }
                    } }
                button { "Take payment" }
            }
        }
    }
}

pub(super) async fn take(State(console): State<Console>, body: Bytes) -> Result<Response, Problem> {
    let fields = Fields::form(&body)?;
    let made = create(&console, &fields).await;
    console.settle().await;
    let path = made.as_ref().map_or_else(|_| "/console".to_owned(), |(id, _)| format!("/console/payments/{id}"));
    Ok(back(&console, &path, made.map(|(_, says)| says)))
}

/// Makes a payment as the merchant's program would. Answers its id, and what it came to.
async fn create(console: &Console, fields: &Fields) -> Result<(String, String), Problem> {
    let wrong = |what: &str| Problem::new(ProblemCode::InvalidRequest, format!("There is no such {what}."));
    let shop = console.shop(fields.text("merchant")).ok_or_else(|| wrong("merchant"))?;
    let payer = PAYERS.iter().find(|(name, ..)| fields.text("payer") == Some(name));
    let (_, _, tokens) = payer.ok_or_else(|| wrong("payer"))?;
    let tokens: serde_json::Map<_, _> = tokens.iter().map(|(of, token)| ((*of).to_owned(), json!(token))).collect();
    let mut order = json!({
        "amount": fields.number("amount")?, "currency": fields.text("currency"), "payment_method": tokens,
        "capture_method": fields.text("capture_method").unwrap_or("manual"),
    });
    if let Some(reference) = fields.text("reference") {
        order["merchant_reference"] = json!(reference);
    }
    let answer = shop.client.send(Method::POST, "/v1/payments", fields.text("key"), Some(&order)).await;
    let id = answer.as_ref().map(|answer| answer.text("id").to_owned()).unwrap_or_default();
    let says = said(answer, |answer| {
        let failure = answer.body["failure"]["message"].as_str().map(|why| format!(" {why}")).unwrap_or_default();
        format!("The payment is {}.{failure}", answer.text("status"))
    });
    Ok((id, says?))
}
