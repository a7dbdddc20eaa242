//! Events: what they say, and how they are signed.

use super::account::{Account, Got};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, Request};
use rsa::{
    PublicKey,
    pkcs1v15::{Signature, VerifyingKey},
    pkcs8::DecodePublicKey,
    sha2::Sha256,
    signature::Verifier,
};
use serde_json::{Value, json, value::RawValue};
use tollgate_simulators::FaultKind;

const VERIFY: &str = "/v1/notifications/verify-webhook-signature";
const WEBHOOK_ID: &str = "8PT597110X687430LKGECATA";

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers[name].to_str().unwrap()
}

/// The public key of the certificate that anybody can fetch at `url`.
fn served_key(account: &mut Account, url: &str) -> VerifyingKey<Sha256> {
    let served: Got = account.call(&Request::get(url).body("".into()).unwrap()).into();
    let (_, pem) = x509_parser::pem::parse_x509_pem(served.is(200).text.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    VerifyingKey::new(PublicKey::from_public_key_der(certificate.public_key().raw).unwrap())
}

#[test]
fn webhooks_are_signed_by_the_key_of_the_certificate_that_is_served() {
    let mut account = Account::with_endpoint();
    account.authorized();
    let webhook = account.simulator.take_webhook(account.now).unwrap();
    let headers = &webhook.headers;
    assert_eq!(header(headers, "paypal-auth-algo"), "SHA256withRSA");
    let key = served_key(&mut account, header(headers, "paypal-cert-url"));
    let checksum = crc32fast::hash(webhook.body.as_bytes());
    let id = header(headers, "paypal-transmission-id");
    let time = header(headers, "paypal-transmission-time");
    assert_eq!(time, "2026-11-20T12:00:00Z");
    let signed = |webhook_id: &str| format!("{id}|{time}|{webhook_id}|{checksum}");
    let signature = BASE64_STANDARD.decode(header(headers, "paypal-transmission-sig")).unwrap();
    let signature = Signature::try_from(&signature[..]).unwrap();
    key.verify(signed(WEBHOOK_ID).as_bytes(), &signature).unwrap();
    assert!(key.verify(signed("another").as_bytes(), &signature).is_err());
}

#[test]
fn paypal_itself_says_whether_a_webhook_is_its_own() {
    let mut account = Account::with_endpoint();
    account.authorized();
    let webhook = account.simulator.take_webhook(account.now).unwrap();
    let mut ask = |id: &str, body: &str| {
        let of = |name: &str| header(&webhook.headers, name);
        let event: &RawValue = serde_json::from_str(body).unwrap();
        let asked = format!(
            "{{\"auth_algo\":\"{}\",\"cert_url\":\"{}\",\"transmission_id\":\"{}\",\"transmission_sig\":\"{}\",\
             \"transmission_time\":\"{}\",\"webhook_id\":\"{id}\",\"webhook_event\":{event}}}",
            of("paypal-auth-algo"),
            of("paypal-cert-url"),
            of("paypal-transmission-id"),
            of("paypal-transmission-sig"),
            of("paypal-transmission-time"),
        );
        let mut request = account.request(&http::Method::POST, VERIFY, super::account::With::default(), &Value::Null);
        *request.body_mut() = asked.into();
        Got::from(account.call(&request)).is(200).json["verification_status"].clone()
    };
    assert_eq!(ask(WEBHOOK_ID, &webhook.body), "SUCCESS");
    assert_eq!(ask("another", &webhook.body), "FAILURE");
    assert_eq!(ask(WEBHOOK_ID, &webhook.body.replace("CREATED", "VOIDED")), "FAILURE");
    assert_eq!(ask(WEBHOOK_ID, &webhook.body.replace(':', ": ")), "FAILURE", "byte by byte");
}

#[test]
fn what_cannot_be_verified_is_refused() {
    let mut account = Account::new();
    account.post(VERIFY, "v", &json!({"auth_algo": "SHA256withRSA"})).refused(400, "MISSING_REQUIRED_PARAMETER");
    let other: Got = account
        .call(&Request::get("http://paypal.test/paypal/v1/notifications/certs/CERT-0").body("".into()).unwrap())
        .into();
    other.is(404);
}

#[test]
fn events_say_what_they_are_about() {
    let mut account = Account::with_endpoint();
    let (order, capture) = account.captured();
    let told = account.delivered();
    let kinds: Vec<&Value> = told.iter().map(|event| &event["event_type"]).collect();
    assert_eq!(kinds, ["PAYMENT.AUTHORIZATION.CREATED", "CHECKOUT.ORDER.COMPLETED", "PAYMENT.CAPTURE.COMPLETED"]);
    let event = &told[2];
    assert!(event["id"].as_str().unwrap().starts_with("WH-"));
    assert_eq!((&event["event_version"], &event["resource_version"]), (&"1.0".into(), &"2.0".into()));
    assert_eq!(
        (&event["create_time"], &event["resource_type"]),
        (&"2026-11-20T12:00:00.000Z".into(), &"capture".into())
    );
    assert_eq!(event["summary"], "Payment completed for 100.00 USD");
    let resource = &event["resource"];
    assert_eq!((&resource["id"], &resource["custom_id"]), (&capture.into(), &"pay_1".into()));
    assert_eq!(resource["supplementary_data"]["related_ids"]["order_id"], order);
    assert_eq!((&told[1]["resource_type"], &told[1]["resource"]["id"]), (&"checkout-order".into(), &order.into()));
    let id = event["id"].as_str().unwrap();
    assert_eq!(account.get(&format!("/v1/notifications/webhooks-events/{id}")).is(200).json, *event);
}

#[test]
fn webhooks_can_be_dropped_doubled_and_swapped() {
    let kinds = |fault: FaultKind| {
        let mut account = Account::with_endpoint();
        account.arm(fault);
        account.authorized();
        let kinds = account.kinds();
        kinds.into_iter().map(|kind| kind.rsplit_once('.').unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(FaultKind::DropWebhooks), ["COMPLETED"]);
    assert_eq!(kinds(FaultKind::ReorderWebhooks), ["COMPLETED", "CREATED"]);
    let mut doubled = kinds(FaultKind::DuplicateWebhooks);
    doubled.sort();
    assert_eq!(doubled, ["COMPLETED", "CREATED", "CREATED"]);
}
