//! The payer's side: PayPal's page, its two buttons, and the way back to the merchant.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use super::{
    Call, PayPal,
    order::{Order, Status},
    page,
    show::PAYER_ID,
};

impl PayPal {
    /// Answers what is not the API: the payer's pages, or nothing.
    pub(super) fn page(&mut self, call: &Call, request: &Request<Bytes>) -> Response<Bytes> {
        let parts: Vec<&str> = Self::path(request).trim_matches('/').split('/').collect();
        let ("checkoutnow", Some(id)) = (parts[0], parts.get(1)) else {
            return page::show(StatusCode::NOT_FOUND, "Nothing here", &page::message("There is no such page."));
        };
        let Some(order) = self.state.orders.get(id).cloned() else {
            return page::show(StatusCode::NOT_FOUND, "Unknown order", &page::message("There is no such order."));
        };
        if !order.is_open() {
            return page::show(StatusCode::OK, "Nothing to approve", &page::message(why_not(&order)));
        }
        match (request.method(), parts.get(2).copied()) {
            (&Method::GET, None) => page::show(StatusCode::OK, "Approve this payment", &page::question(&order)),
            (&Method::POST, Some("approve")) => {
                let order = self.approve(call, order);
                let query = format!("token={}&PayerID={PAYER_ID}", order.id);
                go_back(order.return_url.as_deref(), &query, "You approved this payment.")
            }
            // PayPal keeps the order: the payer may come again.
            (&Method::POST, Some("cancel")) => {
                let query = format!("token={}", order.id);
                go_back(order.cancel_url.as_deref(), &query, "You did not approve this payment.")
            }
            _ => page::show(StatusCode::NOT_FOUND, "Nothing here", &page::message("There is no such page.")),
        }
    }
}

fn why_not(order: &Order) -> &'static str {
    match order.status {
        Status::Voided => "This order has expired. There is nothing left to approve.",
        Status::Approved | Status::Completed => "This payment was approved already.",
        _ => "This order is not waiting for an approval.",
    }
}

/// The way to the merchant's URL, with what PayPal adds to it; without a URL the page says `outcome`.
fn go_back(url: Option<&str>, query: &str, outcome: &str) -> Response<Bytes> {
    let Some(url) = url else {
        return page::show(StatusCode::OK, "Done", &page::message(outcome));
    };
    let (url, fragment) = url.split_once('#').map_or((url, String::new()), |(url, rest)| (url, format!("#{rest}")));
    let joint = if url.contains('?') { '&' } else { '?' };
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(location) = HeaderValue::from_str(&format!("{url}{joint}{query}{fragment}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
