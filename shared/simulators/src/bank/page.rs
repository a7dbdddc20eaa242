//! How the page looks on which the payer approves.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::consent::Consent;

const STYLE: &str = "body{margin:0;min-height:100vh;display:grid;place-items:center;background:#eef3f1;color:#1d2330;\
    font:16px/1.5 system-ui,sans-serif}main{background:#fff;border-radius:12px;padding:2rem 2.5rem;max-width:26rem;\
    box-shadow:0 1px 3px rgb(0 0 0/12%)}h1{font-size:1.2rem;margin:0 0 1rem}dl{display:grid;\
    grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:0 0 1.5rem}dt{color:#667}dd{margin:0;text-align:right;\
    overflow-wrap:anywhere}form{display:inline}button{font:inherit;padding:.6rem 1.4rem;border-radius:8px;border:1px \
    solid #ccd;background:#fff;cursor:pointer}button.yes{background:#0b7a4b;border-color:#0b7a4b;color:#fff}\
    small{display:block;margin-top:1.5rem;color:#667}";

/// A whole page around `content`, which is HTML.
pub(super) fn show(status: StatusCode, title: &str, content: &str) -> Response<Bytes> {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><main>\
         <h1>{title}</h1>{content}<small>Simulated bank. No money moves here.</small></main></body></html>"
    );
    let mut response = Response::new(Bytes::from(page));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A page that only says something.
pub(super) fn say(status: StatusCode, title: &str, text: &str) -> Response<Bytes> {
    show(status, title, &format!("<p>{}</p>", escape(text)))
}

/// The question to the payer. The answers are posted to the address that the page came from.
pub(super) fn question(consent: &Consent) -> Response<Bytes> {
    let initiation = consent.initiation();
    let text = |value: &serde_json::Value| escape(value.as_str().unwrap_or_default());
    let account = initiation["DebtorAccount"]["Identification"].as_str().unwrap_or("your account");
    show(
        StatusCode::OK,
        "Approve this payment",
        &format!(
            "<dl><dt>Amount</dt><dd>{} {}</dd><dt>To</dt><dd>{}</dd><dt>From</dt><dd>{}</dd>\
             <dt>Reference</dt><dd>{}</dd></dl>{} {}",
            text(&initiation["InstructedAmount"]["Amount"]),
            text(&initiation["InstructedAmount"]["Currency"]),
            text(&initiation["CreditorAccount"]["Name"]),
            escape(account),
            text(&initiation["EndToEndIdentification"]),
            button("approve", "Approve", true),
            button("refuse", "Refuse", false),
        ),
    )
}

/// For a payer who approved and is still, or again, here.
pub(super) fn approved_already() -> Response<Bytes> {
    let back = button("approve", "Back to the shop", true);
    show(StatusCode::OK, "Approved", &format!("<p>You approved this payment already.</p>{back}"))
}

fn button(decision: &str, label: &str, first: bool) -> String {
    let class = if first { " class=\"yes\"" } else { "" };
    format!("<form method=\"post\"><button name=\"decision\" value=\"{decision}\"{class}>{label}</button></form>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
