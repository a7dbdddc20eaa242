//! Signatures: what is sent is what the official verifier takes, and nothing changed passes it.

use standardwebhooks::Webhook as Verifier;
use tollgate_domain::Timestamp;
use tollgate_gateway::ports::{
    WebhookSender as _,
    webhook_sender::{SendError, Webhook},
};
use tollgate_webhooks::AddressPolicy;

use crate::{
    endpoint::Endpoint,
    world::{BODY, ID, OTHER_SECRET, SECRET, TIMEOUT, secrets, send_signed, sender},
};

async fn endpoint() -> Endpoint {
    Endpoint::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await
}

#[tokio::test]
async fn the_official_verifier_takes_what_is_sent_and_nothing_that_was_changed() {
    let endpoint = endpoint().await;
    let sender = sender(AddressPolicy::sandbox());
    assert_eq!(send_signed(&sender, &endpoint.url(), &[SECRET], TIMEOUT).await.answer, Ok(200));
    let received = endpoint.received().remove(0);
    let verifier = Verifier::new(SECRET).unwrap();
    assert!(verifier.verify(received.body.as_bytes(), &received.headers()).is_ok());
    assert!(verifier.verify(received.body.replace("captured", "refunded").as_bytes(), &received.headers()).is_err());
    assert!(Verifier::new(OTHER_SECRET).unwrap().verify(received.body.as_bytes(), &received.headers()).is_err());
    for (name, changed) in [
        ("webhook-id", "evt_other".to_owned()),
        ("webhook-timestamp", (Timestamp::now().as_second() + 1).to_string()),
        ("webhook-signature", received.header("webhook-signature").unwrap().replacen("v1,", "v1,A", 1)),
        ("webhook-signature", received.header("webhook-signature").unwrap().replacen("v1,", "v2,", 1)),
    ] {
        let mut headers = received.headers();
        headers.insert(name, changed.parse().unwrap());
        assert!(verifier.verify(received.body.as_bytes(), &headers).is_err(), "{name}: {changed}");
    }
}

#[tokio::test]
async fn a_request_is_json_from_us_with_the_body_byte_for_byte() {
    let endpoint = endpoint().await;
    let at: Timestamp = "2030-01-02T03:04:05.678Z".parse().unwrap();
    let secrets = secrets(&[SECRET]);
    let url = endpoint.url();
    let webhook = Webhook { url: &url, id: ID, at, body: BODY, secrets: &secrets, timeout: TIMEOUT };
    assert_eq!(sender(AddressPolicy::sandbox()).send(webhook).await.answer, Ok(200));
    let received = endpoint.received().remove(0);
    assert_eq!(received.body, BODY);
    assert_eq!(received.header("content-type"), Some("application/json"));
    assert!(received.header("user-agent").is_some_and(|agent| agent.starts_with("Tollgate/")));
    assert_eq!(received.header("webhook-id"), Some(ID));
    assert_eq!(received.header("webhook-timestamp"), Some("1893553445"));
    assert_eq!(received.header("content-length"), Some(&*BODY.len().to_string()));
}

#[tokio::test]
async fn while_a_secret_is_replaced_either_verifies() {
    let endpoint = endpoint().await;
    let sender = sender(AddressPolicy::sandbox());
    assert_eq!(send_signed(&sender, &endpoint.url(), &[SECRET, OTHER_SECRET], TIMEOUT).await.answer, Ok(200));
    let received = endpoint.received().remove(0);
    assert_eq!(received.header("webhook-signature").unwrap().split(' ').count(), 2);
    for secret in [SECRET, OTHER_SECRET] {
        assert!(Verifier::new(secret).unwrap().verify(received.body.as_bytes(), &received.headers()).is_ok());
    }
    let stranger = Verifier::new("whsec_c3RyYW5nZXJzdHJhbmdlcnN0cmFuZ2Vy").unwrap();
    assert!(stranger.verify(received.body.as_bytes(), &received.headers()).is_err());
}

#[tokio::test]
async fn every_try_has_the_same_id_and_a_signature_of_its_own_time() {
    let endpoint = endpoint().await;
    let sender = sender(AddressPolicy::sandbox());
    let (secrets, url) = (secrets(&[SECRET]), endpoint.url());
    let now = Timestamp::now();
    for at in [now, now + jiff::SignedDuration::from_secs(60)] {
        let webhook = Webhook { url: &url, id: ID, at, body: BODY, secrets: &secrets, timeout: TIMEOUT };
        assert_eq!(sender.send(webhook).await.answer, Ok(200));
    }
    let [first, second] = endpoint.received().try_into().unwrap();
    assert_eq!((first.header("webhook-id"), second.header("webhook-id")), (Some(ID), Some(ID)));
    assert_ne!(first.header("webhook-signature"), second.header("webhook-signature"));
    for received in [first, second] {
        let verified = Verifier::new(SECRET).unwrap().verify(received.body.as_bytes(), &received.headers());
        assert!(verified.is_ok());
    }
}

#[tokio::test]
async fn nothing_is_sent_where_a_secret_does_not_sign() {
    let endpoint = endpoint().await;
    let sender = sender(AddressPolicy::sandbox());
    let unusable: &[&[&str]] = &[
        &[],
        &["whsec_not base64!"],
        &["whsec_"],
        &[""],
        &["whsec_whsec_"],
        &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"],
        &[SECRET, "whsec_%"],
        &["whsec_", SECRET],
    ];
    for secrets in unusable {
        let sent = send_signed(&sender, &endpoint.url(), secrets, TIMEOUT).await;
        assert_eq!(sent.answer, Err(SendError::Secret), "{secrets:?}");
    }
    assert_eq!(endpoint.connections(), 0);
}
