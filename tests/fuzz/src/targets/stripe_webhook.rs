//! `POST /webhooks/providers/stripe`. Input: the `Stripe-Signature` header, with `{sig}` for the right one; then the body.
//!
//! Holds: what is taken was signed with the secret, over exactly this time and body, within five minutes; a body of which
//! one bit was changed is not.

use std::sync::LazyLock;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};
use sha2::Sha256;
use tollgate_gateway::ports::{EventReader, provider::EventRejected};
use tollgate_providers::{Secret, StripeEvents};

use crate::{
    fakes::{NOW, at_once, now},
    template::{damaged, lines},
};

const SECRET: &str = "whsec_of_a_fuzz_target";

static EVENTS: LazyLock<StripeEvents> =
    LazyLock::new(|| StripeEvents::new(vec![Secret::new(SECRET)]).expect("the secret is one"));

fn signature(time: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key does");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

fn times(header: &str) -> impl Iterator<Item = &str> {
    header.split(',').filter_map(|part| part.trim().strip_prefix("t="))
}

pub(crate) fn run(input: &[u8]) {
    let ([header], body) = lines::<1>(input);
    let good = times(header).next().map(|time| signature(time, body)).unwrap_or_default();
    let header = header.replace("{sig}", &good);
    let Ok(value) = HeaderValue::from_str(&header) else { return };
    let headers = HeaderMap::from_iter([(http::HeaderName::from_static("stripe-signature"), value)]);
    let read = |body: &[u8]| at_once(EVENTS.read(&headers, &Bytes::copy_from_slice(body), now()));
    let result = read(body);
    if matches!(result, Err(EventRejected::Signature(_))) {
        return;
    }
    let signed = times(&header).any(|time| {
        let is_recent = time.parse::<i64>().is_ok_and(|at| at.abs_diff(NOW) <= 300);
        is_recent && header.to_ascii_lowercase().contains(&signature(time, body))
    });
    assert!(signed, "taken, and not signed: {header}");
    if let Ok(event) = &result {
        let id = &event.event_id;
        assert!(!id.is_empty() && id.len() <= 255 && id.bytes().all(|byte| byte.is_ascii_graphic()), "{id:?}");
    }
    for other in damaged(body) {
        let other = read(&other);
        assert!(matches!(other, Err(EventRejected::Signature(_))), "a damaged body was taken: {other:?}");
    }
}
