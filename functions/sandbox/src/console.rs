//! The console's first page: payments, and for each its timeline. Rendered here, no script needed.

use std::fmt::Write;

use axum::{
    Router,
    extract::{Path, State},
    response::{Html, Redirect},
    routing::get,
};
use tollgate_api::{Problem, ProblemCode};
use tollgate_domain::{MerchantId, Payment, PaymentId};
use tollgate_gateway::{
    Gateway,
    records::{Cause, ListQuery, TimelineRow},
};

/// How many payments of each merchant the page shows.
const SHOWN: u32 = 50;

/// What the pages need.
#[derive(Clone)]
pub(crate) struct Console {
    pub(crate) gateway: Gateway,
    pub(crate) merchants: Vec<(MerchantId, String)>,
    /// Shown in the example that can be pasted.
    pub(crate) api_key: String,
    pub(crate) url: String,
}

pub(crate) fn router(console: Console) -> Router {
    Router::new()
        .route("/", get(async || Redirect::to("/console")))
        .route("/console", get(payments))
        .route("/console/payments/{id}", get(payment))
        .with_state(console)
}

async fn payments(State(console): State<Console>) -> Result<Html<String>, Problem> {
    let mut body = String::from("<h1>Payments</h1>");
    let mut any = false;
    for (merchant, name) in &console.merchants {
        let query =
            ListQuery { merchant: *merchant, merchant_reference: None, status: None, after: None, limit: SHOWN };
        let page = console.gateway.list_payments(&query).await?;
        if page.payments.is_empty() {
            continue;
        }
        any = true;
        _ = write!(body, "<h2>{}</h2>", escape(name));
        body += "<table><thead><tr><th>Payment</th><th>Status</th><th class=n>Amount</th><th class=n>Captured</th>\
            <th>Provider</th><th>Reference</th><th>Created</th></tr></thead><tbody>";
        for payment in &page.payments {
            payment_row(&mut body, payment);
        }
        body += "</tbody></table>";
        if page.next.is_some() {
            _ = write!(body, "<p>The newest {SHOWN} are shown.</p>");
        }
    }
    if !any {
        body += "<p>There are no payments yet. Take one:</p>";
        body += &example(&console.url, &console.api_key);
    }
    Ok(page("Payments", &body))
}

async fn payment(State(console): State<Console>, Path(id): Path<String>) -> Result<Html<String>, Problem> {
    let missing = || Problem::new(ProblemCode::NotFound, "There is no such payment.");
    let id: PaymentId = id.parse().map_err(|_| missing())?;
    for (merchant, name) in &console.merchants {
        let Ok(payment) = console.gateway.get_payment(*merchant, id).await else { continue };
        let rows = console.gateway.timeline(*merchant, id).await?;
        return Ok(page("Payment", &payment_page(name, &payment, &rows)));
    }
    Err(missing())
}

fn payment_row(out: &mut String, payment: &Payment) {
    let status = payment.status.as_str();
    let reference = payment.details.merchant_reference.as_deref().unwrap_or("");
    _ = write!(
        out,
        "<tr><td><a href=\"/console/payments/{id}\"><code>{id}</code></a></td><td><span class=\"s {status}\">{status}</span>\
         </td><td class=n>{}</td><td class=n>{}</td><td>{}</td><td>{}</td><td>{:.0}</td></tr>",
        payment.amount,
        payment.captured,
        payment.provider,
        escape(reference),
        payment.created_at,
        id = payment.id,
    );
}

fn payment_page(merchant: &str, payment: &Payment, rows: &[TimelineRow]) -> String {
    let status = payment.status.as_str();
    let mut body = format!(
        "<p><a href=\"/console\">All payments</a></p><h1>{} <span class=\"s {status}\">{status}</span></h1><dl>",
        payment.amount
    );
    let text = |value: &Option<String>| escape(value.as_deref().unwrap_or("–"));
    let failure = payment.failure.as_ref().map(|failure| format!("{}: {}", failure.code, failure.message));
    let pending = payment.open.as_ref().map(|open| match &open.payer {
        Some(_) => "waiting for the payer".to_owned(),
        None => format!("{}, outcome not known yet", open.kind.as_str()),
    });
    for (name, value) in [
        ("Payment", payment.id.to_string()),
        ("Merchant", escape(merchant)),
        ("Reference", text(&payment.details.merchant_reference)),
        ("Captured", payment.captured.to_string()),
        ("Provider", payment.provider.to_string()),
        ("Transaction there", text(&payment.provider_transaction_id)),
        ("Our request there", payment.provider_request_id.to_string()),
        ("Failure", text(&failure)),
        ("Open", text(&pending)),
    ] {
        _ = write!(body, "<dt>{name}</dt><dd>{value}</dd>");
    }
    if let Some(turn) = payment.open.as_ref().and_then(|open| open.payer.as_ref()) {
        let url = escape(&turn.url);
        _ = write!(body, "<dt>Payer's page</dt><dd><a href=\"{url}\">{url}</a></dd>");
    }
    body += "</dl><h2>Timeline</h2><table><thead><tr><th>At</th><th>What</th><th>Detail</th><th>Cause</th></tr></thead><tbody>";
    for row in rows {
        timeline_row(&mut body, row);
    }
    body + "</tbody></table>"
}

fn timeline_row(out: &mut String, row: &TimelineRow) {
    let (at, what, detail, cause) = match row {
        TimelineRow::Change(history) => {
            let moves: Vec<_> = history
                .transitions
                .iter()
                .map(|transition| format!("→ {}", transition.to.as_str()))
                .chain(history.detail.clone())
                .collect();
            (history.at, format!("<b>{}</b>", history.what.as_str()), moves.join(" "), cause_text(&history.cause))
        }
        TimelineRow::Call(call) => {
            let status = call.http_status.map(|status| format!(", HTTP {status}")).unwrap_or_default();
            let detail = format!("{}{status}, {} ms", call.outcome, call.duration.as_millis());
            (call.at, format!("{} → {}", call.call, call.provider), detail, String::new())
        }
        TimelineRow::Event(event) => {
            let detail =
                if event.effect { event.event_id.clone() } else { format!("{} (nothing new)", event.event_id) };
            (event.at, format!("{} ← {}", event.event_type, event.provider), detail, String::new())
        }
    };
    // Event types come from outside; the bold of a change is ours.
    let what = if matches!(row, TimelineRow::Change(_)) { what } else { escape(&what) };
    _ = write!(out, "<tr><td>{at:.3}</td><td>{what}</td><td>{}</td><td>{}</td></tr>", escape(&detail), escape(&cause));
}

fn cause_text(cause: &Cause) -> String {
    match cause.subject() {
        Some(subject) => format!("{} {subject}", cause.as_str()),
        None => cause.as_str().to_owned(),
    }
}

fn example(url: &str, api_key: &str) -> String {
    let command = format!(
        "curl -X POST {url}/v1/payments \\\n  -H 'X-API-Key: {api_key}' \\\n  \
         -H \"Idempotency-Key: $(uuidgen)\" \\\n  -H 'Content-Type: application/json' \\\n  \
         -d '{{\"amount\":1000,\"currency\":\"JPY\",\"payment_method\":{{\"stripe\":\"pm_card_visa\"}}}}'"
    );
    format!("<pre>{}</pre>", escape(&command))
}

fn page(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title} · Tollgate</title><style>{STYLE}</style></head><body><header><a href=\"/console\">Tollgate</a> \
         <span>sandbox</span></header><main>{body}</main></body></html>"
    ))
}

/// Merchants' and providers' words are shown, never run.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            other => safe.push(other),
        }
    }
    safe
}

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#1a2230;background:#f6f7f9}\
header{background:#14213d;color:#fff;padding:.7rem 1.5rem}header a{color:#fff;font-weight:600;text-decoration:none}\
header span{opacity:.7}main{max-width:75rem;margin:1rem auto;padding:0 1.5rem}h1{font-size:1.4rem}h2{font-size:1.1rem}\
table{border-collapse:collapse;width:100%;background:#fff;font-size:.9rem}\
th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #e3e6eb;vertical-align:top}th{font-weight:600}\
.n,td:first-child{white-space:nowrap}td{overflow-wrap:anywhere}.n{text-align:right;font-variant-numeric:tabular-nums}code,pre{font-size:.85rem}\
pre{background:#fff;padding:1rem;overflow:auto;border:1px solid #e3e6eb}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.5rem;background:#fff;padding:1rem}\
dt{color:#5a6475}dd{margin:0;overflow-wrap:anywhere}\
.s{font-size:.75rem;font-weight:600;padding:.1rem .5rem;border-radius:1rem;background:#e3e6eb;vertical-align:middle}\
.AUTHORIZED{background:#dbeafe;color:#1e40af}.CAPTURED,.SETTLED{background:#d1fae5;color:#065f46}\
.FAILED{background:#fee2e2;color:#991b1b}.PENDING{background:#fef3c7;color:#92400e}";

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn a_merchants_words_are_shown_and_never_run() {
        assert_eq!(
            escape("<script>alert('x')&\"</script>"),
            "&lt;script&gt;alert(&#39;x&#39;)&amp;&quot;&lt;/script&gt;"
        );
    }
}
