//! How the page looks on which the payer approves.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::order::Order;

const STYLE: &str = "body{margin:0;min-height:100vh;display:grid;place-items:center;background:#f4f5f7;color:#1d2330;\
    font:16px/1.5 system-ui,sans-serif}main{background:#fff;border-radius:12px;padding:2rem 2.5rem;max-width:24rem;\
    box-shadow:0 1px 3px rgb(0 0 0/12%)}h1{font-size:1.2rem;margin:0 0 1rem}dl{display:grid;\
    grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:0 0 1.5rem}dt{color:#667}dd{margin:0;text-align:right;\
    overflow-wrap:anywhere}form{display:inline}button{font:inherit;padding:.6rem 1.4rem;border-radius:8px;border:1px \
    solid #ccd;background:#fff;cursor:pointer}button.yes{background:#1f6feb;border-color:#1f6feb;color:#fff}\
    small{display:block;margin-top:1.5rem;color:#667}";

/// A whole page around `content`, which is HTML.
pub(super) fn show(status: StatusCode, title: &str, content: &str) -> Response<Bytes> {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><main>\
         <h1>{title}</h1>{content}<small>Simulated PayPal. No money moves here.</small></main></body></html>"
    );
    let mut response = Response::new(Bytes::from(page));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A sentence.
pub(super) fn message(text: &str) -> String {
    format!("<p>{}</p>", escape(text))
}

/// The question to the payer, with a button for each answer.
pub(super) fn question(order: &Order) -> String {
    let amount = escape(&order.amount.in_words());
    let what = order.unit["description"].as_str().map(|text| format!("<dt>For</dt><dd>{}</dd>", escape(text)));
    let id = &order.id;
    format!(
        "<dl><dt>Amount</dt><dd>{amount}</dd>{}<dt>Order</dt><dd>{id}</dd></dl>\
         <form method=\"post\" action=\"{id}/approve\"><button class=\"yes\">Approve</button></form> \
         <form method=\"post\" action=\"{id}/cancel\"><button>Cancel</button></form>",
        what.unwrap_or_default()
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
