//! The payer's side of 3-D Secure: the issuer's page, its two buttons, and the way back to the merchant.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use super::{
    Call, Stripe,
    cards::{Reason, Refusal},
    intent::{Intent, Status},
    page,
};

impl Stripe {
    /// Answers what is not the API: the 3-D Secure pages, or nothing.
    pub(super) fn page(&mut self, call: &mut Call, request: &Request<Bytes>) -> Response<Bytes> {
        let parts: Vec<&str> = Self::path(request).trim_matches('/').split('/').collect();
        let ("3ds", Some(id)) = (parts[0], parts.get(1)) else {
            return page::show(StatusCode::NOT_FOUND, "Nothing here", &page::message("There is no such page."));
        };
        let Some(intent) = self.state.intents.get(id).cloned() else {
            return page::show(StatusCode::NOT_FOUND, "Unknown payment", &page::message("There is no such payment."));
        };
        if intent.status != Status::RequiresAction {
            return page::show(StatusCode::OK, "Nothing to approve", &page::message(why_not(&intent)));
        }
        match (request.method(), parts.get(2).copied()) {
            (&Method::GET, None) => page::show(StatusCode::OK, "Approve this payment", &page::question(&intent)),
            (&Method::POST, Some("approve")) => self.finish(call, intent, true),
            (&Method::POST, Some("fail")) => self.finish(call, intent, false),
            _ => page::show(StatusCode::NOT_FOUND, "Nothing here", &page::message("There is no such page.")),
        }
    }

    fn finish(&mut self, call: &Call, intent: Intent, approved: bool) -> Response<Bytes> {
        let Some(method) = intent.method.clone() else {
            return page::show(StatusCode::CONFLICT, "No card", &page::message("This payment has no card."));
        };
        let intent = if approved {
            self.approve(call, intent, &method)
        } else {
            let refusal = Refusal { reason: Reason::AuthenticationFailed, charge: None };
            self.refuse(call, intent, method, refusal)
        };
        let Some(back) = intent.return_url.as_deref().map(|url| way_back(url, &intent, approved)) else {
            let outcome = if approved { "You approved this payment." } else { "You did not approve this payment." };
            return page::show(StatusCode::OK, "Done", &page::message(outcome));
        };
        let mut response = Response::default();
        *response.status_mut() = StatusCode::SEE_OTHER;
        if let Ok(location) = HeaderValue::from_str(&back) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

fn why_not(intent: &Intent) -> &'static str {
    match intent.status {
        Status::Canceled => "This payment was cancelled. There is nothing left to approve.",
        Status::RequiresCapture | Status::Succeeded => "This payment was approved already.",
        _ => "This payment is not waiting for an approval.",
    }
}

/// The merchant's URL with what Stripe adds to it.
fn way_back(return_url: &str, intent: &Intent, approved: bool) -> String {
    let (url, fragment) = return_url.split_once('#').map_or((return_url, None), |(url, rest)| (url, Some(rest)));
    let joint = if url.contains('?') { '&' } else { '?' };
    let status = if approved { "succeeded" } else { "failed" };
    let Intent { id, client_secret, .. } = intent;
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    format!(
        "{url}{joint}payment_intent={id}&payment_intent_client_secret={client_secret}&redirect_status={status}{fragment}"
    )
}
