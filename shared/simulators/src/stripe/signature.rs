//! `Stripe-Signature`: the scheme of Stripe's webhooks.

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use sha2::Sha256;

/// The headers of a webhook with this body. The key is the whole secret, its `whsec_` included.
pub(super) fn headers(secret: &str, now: Timestamp, body: &str) -> HeaderMap {
    let time = now.as_second();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("Stripe/1.0 (+https://stripe.com/docs/webhooks)"));
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        mac.update(format!("{time}.{body}").as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        if let Ok(value) = HeaderValue::from_str(&format!("t={time},v1={signature}")) {
            headers.insert("stripe-signature", value);
        }
    }
    headers
}
