//! Stripe's events: whose word they are, and what they say.

use std::fmt::Write as _;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use sha2::Sha256;
use tollgate_domain::{OperationKind, RefundState, TransactionState};
use tollgate_gateway::ports::{
    EventReader as _,
    provider::{EventRejected, News, ProviderEvent},
};
use tollgate_providers::{Secret, StripeEvents};

use crate::world::{INTENT, NOW_S, World, money, now, with};

const SECRET: &str = "whsec_first";

fn signature(secret: &str, time: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

fn headers(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append("stripe-signature", HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

async fn read_with(headers: &HeaderMap, body: &[u8]) -> Result<ProviderEvent, EventRejected> {
    let events = StripeEvents::new(vec![Secret::new(SECRET), Secret::new("whsec_second")]).unwrap();
    events.read(headers, &Bytes::copy_from_slice(body), now()).await
}

async fn read(body: &[u8]) -> Result<ProviderEvent, EventRejected> {
    let time = NOW_S.to_string();
    read_with(&headers(&[&format!("t={time},v1={}", signature(SECRET, &time, body))]), body).await
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"id": "evt_1", "object": "event", "type": kind, "data": {"object": object}})
}

fn rejected(result: &Result<ProviderEvent, EventRejected>) -> Option<&'static str> {
    match result {
        Err(EventRejected::Signature(reason)) => Some(reason),
        _ => None,
    }
}

#[tokio::test]
async fn a_signature_of_any_secret_holds() {
    let body = event("plan.created", &json!({})).to_string();
    let time = NOW_S.to_string();
    for secret in [SECRET, "whsec_second"] {
        let good = signature(secret, &time, body.as_bytes());
        let bad = "0".repeat(64);
        for header in [
            format!("t={time},v1={good}"),
            format!("v1={good},t={time}"),
            format!("t={time}, v1={good}"),
            format!("t={time},v1={bad},v1={good}"),
            format!("t={time},v0={bad},v1=xyz,v1={good},v2=,unknown"),
            format!("t={time},v1={}", good.to_uppercase()),
        ] {
            let result = read_with(&headers(&[&header]), body.as_bytes()).await;
            assert!(result.is_ok(), "{header}: {result:?}");
        }
    }
}

#[tokio::test]
async fn a_time_within_five_minutes_either_way_is_taken() {
    let body = event("plan.created", &json!({})).to_string();
    for (offset, expected) in [
        (0, None),
        (-300, None),
        (300, None),
        (-301, Some("the signature is too old")),
        (301, Some("the signature is from the future")),
        (10_000_000, Some("the signature is from the future")),
    ] {
        let time = (NOW_S + offset).to_string();
        let header = format!("t={time},v1={}", signature(SECRET, &time, body.as_bytes()));
        let result = read_with(&headers(&[&header]), body.as_bytes()).await;
        assert_eq!(rejected(&result), expected, "{offset}");
    }
    for time in ["", "-", "soon", "99999999999999999999", "9223372036854775807", "-9223372036854775808", "1e9", " 1"] {
        let header = format!("t={time},v1={}", signature(SECRET, time, body.as_bytes()));
        assert!(rejected(&read_with(&headers(&[&header]), body.as_bytes()).await).is_some(), "{time}");
    }
}

#[tokio::test]
async fn what_was_not_signed_is_refused() {
    let body = event("plan.created", &json!({})).to_string();
    let time = NOW_S.to_string();
    let good = signature(SECRET, &time, body.as_bytes());
    let whole = format!("t={time},v1={good}");
    let tampered = body.replace("evt_1", "evt_2");
    assert_eq!(rejected(&read_with(&headers(&[&whole]), tampered.as_bytes()).await), Some("no signature matches"));
    let stranger = signature("whsec_third", &time, body.as_bytes());
    let bare_secret = signature("first", &time, body.as_bytes());
    let without_time = signature(SECRET, "", body.as_bytes());
    let many = (0..10_000).fold(format!("t={time}"), |mut text, _| {
        let _ = write!(text, ",v1={good}");
        text
    });
    let nine = format!("t={time}{}", format!(",v1={good}").repeat(9));
    for header in [
        String::new(),
        time.clone(),
        format!("t={time}"),
        format!("v1={good}"),
        format!("t={time},v0={good}"),
        format!("t={time},v1={stranger}"),
        format!("t={time},v1={bare_secret}"),
        format!("v1={without_time}"),
        format!("t={time},v1={}", &good[..62]),
        format!("t={time},v1={good}00"),
        format!("t={time},t={time},v1={good}"),
        format!("t={},v1={good}", NOW_S - 1),
        many,
        nine,
    ] {
        let result = read_with(&headers(&[&header]), body.as_bytes()).await;
        assert!(rejected(&result).is_some(), "{}: {result:?}", &header[..header.len().min(100)]);
    }
    assert!(rejected(&read_with(&headers(&[]), body.as_bytes()).await).is_some());
    assert!(rejected(&read_with(&headers(&[&whole, &whole]), body.as_bytes()).await).is_some());
    let mut not_text = headers(&[]);
    not_text.append("stripe-signature", HeaderValue::from_bytes(b"t=1,v1=\xff").unwrap());
    assert!(rejected(&read_with(&not_text, body.as_bytes()).await).is_some());
}

#[tokio::test]
async fn what_is_signed_but_no_event_is_malformed() {
    let long = "x".repeat(256);
    let intent = World::new(OperationKind::Authorize, vec![]).intent("succeeded");
    let good = event("payment_intent.succeeded", &intent);
    for body in [
        Vec::new(),
        b"\xff\xfe".to_vec(),
        b"{".to_vec(),
        b"[]".to_vec(),
        b"[".repeat(100_000),
        with(good.clone(), "/object", "charge".into()).to_string().into_bytes(),
        with(good.clone(), "/id", "".into()).to_string().into_bytes(),
        with(good.clone(), "/id", long.clone().into()).to_string().into_bytes(),
        with(good.clone(), "/id", "evt 1\n".into()).to_string().into_bytes(),
        with(good.clone(), "/type", long.into()).to_string().into_bytes(),
        with(good.clone(), "/data", json!({})).to_string().into_bytes(),
        with(good.clone(), "/data/object", json!([])).to_string().into_bytes(),
        with(good.clone(), "/data/object/amount", json!("many")).to_string().into_bytes(),
        with(good.clone(), "/data/object/amount_received", 2000.into()).to_string().into_bytes(),
        with(good, "/data/object/object", "charge".into()).to_string().into_bytes(),
    ] {
        let result = read(&body).await;
        assert!(matches!(result, Err(EventRejected::Malformed(_))), "{result:?}");
    }
}

#[tokio::test]
async fn an_intents_events_show_the_transaction_and_our_payment() {
    let world = World::new(OperationKind::Authorize, vec![]);
    let captured = TransactionState::Captured { amount: money(1000, "USD"), refunded: money(0, "USD") };
    for (kind, status, expected) in [
        (
            "payment_intent.amount_capturable_updated",
            "requires_capture",
            TransactionState::Authorized { expires_at: None },
        ),
        ("payment_intent.succeeded", "succeeded", captured),
        ("payment_intent.canceled", "canceled", TransactionState::Voided),
        ("payment_intent.processing", "processing", TransactionState::Processing),
        ("payment_intent.created", "requires_confirmation", TransactionState::Processing),
    ] {
        let intent = with(world.intent(status), "/latest_charge", "ch_1".into());
        let event = read(event(kind, &intent).to_string().as_bytes()).await.unwrap();
        assert_eq!((event.event_id.as_str(), event.event_type.as_str()), ("evt_1", kind));
        let News::Transaction { payment, view } = event.news else { panic!("{kind}") };
        assert_eq!((payment, view.transaction_id.as_str()), (Some(world.payment.id), INTENT));
        assert_eq!((view.state, view.request_id), (expected, Some(world.operation.request_id)), "{kind}");
    }
}

#[tokio::test]
async fn somebody_elses_intent_is_shown_without_a_payment_or_not_used() {
    let world = World::new(OperationKind::Authorize, vec![]);
    let theirs = with(world.intent("succeeded"), "/metadata", json!({"order": "1"}));
    let news = read(event("payment_intent.succeeded", &theirs).to_string().as_bytes()).await.unwrap().news;
    assert!(matches!(news, News::Transaction { payment: None, .. }), "{news:?}");
    for odd in [with(theirs.clone(), "/currency", "xxx".into()), with(theirs, "/status", "tomorrow".into())] {
        let news = read(event("payment_intent.succeeded", &odd).to_string().as_bytes()).await.unwrap().news;
        assert_eq!(news, News::NotUsed);
    }
}

#[tokio::test]
async fn a_refunds_events_show_the_refund() {
    let world = World::new(OperationKind::Refund, vec![]);
    let id = world.operation.refund.as_ref().unwrap().id;
    let refund = with(world.refund("failed"), "/metadata/tollgate_refund_id", id.to_string().into());
    let mut refund = with(refund, "/failure_reason", "lost_or_stolen_card".into());
    refund["metadata"]["tollgate_refund_id"] = id.to_string().into();
    let news = read(event("refund.failed", &refund).to_string().as_bytes()).await.unwrap().news;
    let News::Refund { payment, refund: found, view } = news else { panic!("{news:?}") };
    assert_eq!((payment, found), (world.payment.id, id));
    assert!(matches!(view.state, RefundState::Failed(_)));
    // A reversal's refund has no row of ours; what it did to the payment has to be asked.
    let mut of_reversal = world.refund("failed");
    of_reversal["metadata"].as_object_mut().unwrap().remove("tollgate_refund_id");
    let news = read(event("refund.failed", &of_reversal).to_string().as_bytes()).await.unwrap().news;
    assert_eq!(news, News::Changed { payment: world.payment.id, transaction_id: INTENT.to_owned() });
    let unmarked = with(world.refund("failed"), "/metadata", json!({}));
    assert_eq!(read(event("refund.failed", &unmarked).to_string().as_bytes()).await.unwrap().news, News::NotUsed);
}

#[tokio::test]
async fn other_events_are_not_used() {
    for kind in ["charge.expired", "charge.refunded", "charge.captured", "charge.dispute.created", "payout.paid", "x"] {
        let news = read(event(kind, &json!({"object": "anything"})).to_string().as_bytes()).await.unwrap().news;
        assert_eq!(news, News::NotUsed, "{kind}");
    }
}
