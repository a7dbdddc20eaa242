//! Our Stripe adapter against localstripe, an imitation of Stripe by others: what we send is understood by somebody who
//! has not read our code, and what he answers and signs is understood by us. `scripts/try-localstripe` runs it.
//!
//! localstripe takes no `description` and no `return_url`, lists nothing by time, and ignores idempotency keys.

use std::{env, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request};
use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tollgate_domain::{Answer, OperationKind, RefundState, TransactionState};
use tollgate_gateway::ports::{
    EventReader as _, HttpClient as _, Time,
    provider::{LookUp, News},
};
use tollgate_providers::{HttpSettings, ReqwestClient, Secret, Stripe, StripeConfig, StripeEvents};
use tollgate_simulators::SandboxTime;
use tollgate_tests::requirements::require;

use crate::stripe_adapter::{Played, money};

const SECRET: &str = "whsec_for_localstripe";

/// The adapter with where it calls; `None` where no localstripe is named.
fn localstripe() -> Option<(String, Stripe)> {
    let url = env::var("LOCALSTRIPE_URL").ok();
    if !require("localstripe", url.is_some(), "run scripts/try-localstripe") {
        return None;
    }
    let url = url?;
    let config = StripeConfig { api_url: url.clone(), secret_key: Secret::new("sk_test_localstripe") };
    let http = Arc::new(ReqwestClient::new(HttpSettings::default()).unwrap());
    let time: Arc<dyn Time> = Arc::new(SandboxTime::real());
    Some((url, Stripe::new(&config, http, time).unwrap()))
}

async fn post(url: &str, path: &str, json: &str) -> Bytes {
    let client = ReqwestClient::new(HttpSettings::default()).unwrap();
    let request = Request::post(format!("{url}{path}"))
        .header("authorization", "Bearer sk_test_localstripe")
        .header("content-type", "application/json")
        .body(Bytes::copy_from_slice(json.as_bytes()))
        .unwrap();
    let answer = client.send(request, Duration::from_secs(5)).await.unwrap();
    assert!(answer.status().is_success(), "{path}: {answer:?}");
    answer.into_body()
}

/// A card, as a token.
async fn card(url: &str, number: &str) -> String {
    let card = format!(r#"{{"number":"{number}","exp_month":12,"exp_year":2034,"cvc":"123"}}"#);
    let method = post(url, "/v1/payment_methods", &format!(r#"{{"type":"card","card":{card}}}"#)).await;
    serde_json::from_slice::<serde_json::Value>(&method).unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_payment_is_held_taken_in_part_and_refunded_at_localstripe() {
    let Some((url, stripe)) = localstripe() else { return };
    let mut payment = Played::new(&card(&url, "4242424242424242").await);
    let answer = payment.send(&stripe).await;
    let Answer::Shows(view) = answer else { panic!("{answer:?}") };
    assert_eq!((view.state, view.amount), (TransactionState::Authorized { expires_at: None }, money(1000)));
    payment.goes_on_with(&view.transaction_id);

    payment.next(OperationKind::Capture, 700);
    let taken = |refunded| TransactionState::Captured { amount: money(700), refunded: money(refunded) };
    let answer = payment.send(&stripe).await;
    assert!(matches!(&answer, Answer::Shows(view) if view.state == taken(0)), "{answer:?}");

    payment.next(OperationKind::Refund, 300);
    assert_eq!(payment.look_up(&stripe).await, LookUp::NotFound);
    let answer = payment.send(&stripe).await;
    let Answer::ShowsRefund(view) = &answer else { panic!("{answer:?}") };
    assert_eq!(view.state, RefundState::Completed);
    assert_eq!(payment.look_up(&stripe).await, LookUp::Found(answer));

    payment.next(OperationKind::Capture, 700);
    let found = payment.look_up(&stripe).await;
    assert!(matches!(&found, LookUp::Found(Answer::Shows(view)) if view.state == taken(300)), "{found:?}");
}

#[tokio::test]
async fn a_payment_is_voided_at_localstripe() {
    let Some((url, stripe)) = localstripe() else { return };
    let mut payment = Played::new(&card(&url, "4242424242424242").await);
    let answer = payment.send(&stripe).await;
    let Answer::Shows(view) = answer else { panic!("{answer:?}") };
    payment.goes_on_with(&view.transaction_id);
    payment.next(OperationKind::Void, 1000);
    let answer = payment.send(&stripe).await;
    assert!(matches!(&answer, Answer::Shows(view) if view.state == TransactionState::Voided), "{answer:?}");
}

#[tokio::test]
async fn a_card_that_is_declined_is_refused_by_localstripe() {
    let Some((url, stripe)) = localstripe() else { return };
    let answer = Played::new(&card(&url, "4000000000000341").await).send(&stripe).await;
    assert!(matches!(&answer, Answer::Refused { failure, .. } if failure.code == "card_declined"), "{answer:?}");
}

#[tokio::test]
async fn what_localstripe_signs_is_verified_and_read() {
    let Some((url, stripe)) = localstripe() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!(
        r#"{{"url":"http://{}/","secret":"{SECRET}","events":["payment_intent.succeeded"]}}"#,
        listener.local_addr().unwrap()
    );
    post(&url, "/_config/webhooks/tollgate", &endpoint).await;
    let mut payment = Played::new(&card(&url, "4242424242424242").await);
    payment.captures_automatically();
    let answer = payment.send(&stripe).await;
    assert!(matches!(&answer, Answer::Shows(_)), "{answer:?}");

    let events = StripeEvents::new(vec![Secret::new("whsec_another"), Secret::new(SECRET)]).unwrap();
    // Tests beside this one make events of the same type: ours is among the first few.
    for _ in 0..5 {
        let (headers, body) = receive(&listener).await;
        let event = events.read(&headers, &body, now()).await.unwrap();
        assert_eq!(event.event_type, "payment_intent.succeeded");
        let News::Transaction { payment: of, view } = event.news else { panic!("{:?}", event.news) };
        assert!(matches!(view.state, TransactionState::Captured { .. }), "{view:?}");
        let later = events.read(&headers, &body, now() + Duration::from_secs(302)).await;
        assert!(later.is_err(), "an old signature was taken");
        if of == Some(payment.id()) {
            return;
        }
    }
    panic!("no event of our payment came");
}

fn now() -> Timestamp {
    SandboxTime::real().now()
}

/// One request, whole.
async fn receive(listener: &TcpListener) -> (HeaderMap, Bytes) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut seen = Vec::new();
    let mut headers = HeaderMap::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the request ended early");
        seen.extend_from_slice(&buffer[..count]);
        let Some(end) = seen.windows(4).position(|part| part == b"\r\n\r\n") else { continue };
        for line in String::from_utf8_lossy(&seen[..end]).lines().skip(1) {
            let (name, value) = line.split_once(':').unwrap();
            headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.trim().parse().unwrap());
        }
        let length: usize = headers["content-length"].to_str().unwrap().parse().unwrap();
        if seen.len() >= end + 4 + length {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            return (headers, Bytes::copy_from_slice(&seen[end + 4..]));
        }
    }
}
