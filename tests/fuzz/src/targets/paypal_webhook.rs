//! `POST /webhooks/providers/paypal`. Input: the transmission's id, its time, where the certificate is, and the signature, each a line,
//! with `{sig}` for the right one; then the body.
//!
//! Holds: what is taken was signed with the key of a certificate at PayPal's, within days; a body of which one bit was changed is not.

use std::sync::{Arc, LazyLock};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate_domain::Timestamp;
use tollgate_gateway::ports::{EventReader, provider::EventRejected};
use tollgate_providers::PaypalEvents;

use crate::{
    fakes::{Clock, NOW, Network, at_once, now},
    keys::THEIRS,
    template::{damaged, lines},
};

const WEBHOOK: &str = "WH-FUZZ";
const HOSTS: [&str; 4] = ["api.paypal.com", "api.sandbox.paypal.com", "api-m.paypal.com", "api-m.sandbox.paypal.com"];
const DAYS: u64 = 4 * 24 * 3600;

static EVENTS: LazyLock<PaypalEvents> = LazyLock::new(|| {
    let network = Network::answering(vec![("/certs/CERT-1", THEIRS.certificate())]);
    PaypalEvents::new(WEBHOOK, "https://api-m.paypal.com", Arc::new(network), Arc::new(Clock))
        .expect("it is configured")
});

fn signed_text(id: &str, time: &str, body: &[u8]) -> String {
    format!("{id}|{time}|{WEBHOOK}|{}", crc32fast::hash(body))
}

pub(crate) fn run(input: &[u8]) {
    let ([id, time, certificate, template], body) = lines::<4>(input);
    let is_signed = template.contains("{sig}");
    let right = if is_signed {
        BASE64_STANDARD.encode(THEIRS.rs256(signed_text(id, time, body).as_bytes()))
    } else {
        String::new()
    };
    let signature = template.replace("{sig}", &right);
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("paypal-auth-algo", "SHA256withRSA"),
        ("paypal-transmission-id", id),
        ("paypal-transmission-time", time),
        ("paypal-cert-url", certificate),
        ("paypal-transmission-sig", &signature),
    ] {
        let Ok(value) = HeaderValue::from_str(value) else { return };
        headers.insert(HeaderName::from_static(name), value);
    }
    let read = |body: &[u8]| at_once(EVENTS.read(&headers, &Bytes::copy_from_slice(body), now()));
    if matches!(read(body), Err(EventRejected::Signature(_) | EventRejected::Unverifiable(_))) {
        return;
    }
    let is_theirs = certificate.split_once("://").is_some_and(|(scheme, rest)| {
        scheme.eq_ignore_ascii_case("https") && rest.split('/').next().is_some_and(|host| HOSTS.contains(&host))
    });
    assert!(is_signed && is_theirs, "taken, and not signed: {certificate} {signature}");
    let sent: Timestamp = time.parse().expect("what is no time is not taken");
    assert!(sent.as_second().abs_diff(NOW) <= DAYS, "taken, and old: {time}");
    for other in damaged(body) {
        let other = read(&other);
        assert!(matches!(other, Err(EventRejected::Signature(_))), "a damaged body was taken: {other:?}");
    }
}
