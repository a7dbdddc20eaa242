//! The provider did it, or did not, and nobody told us: unknown is answered as unknown, and the same request with the
//! same key finds out, without moving money twice.

use serde_json::json;
use tollgate_sandbox::client::{Answer, Client};
use tollgate_tests::stage::{Stage, eventually};

/// Faults after which the outcome is unknown, and whether it happened at the provider.
const UNKNOWN: [(&str, bool); 6] = [
    ("charge_then_timeout", true),
    ("timeout", false),
    ("html_502", false),
    ("malformed_json", true),
    ("truncated_body", true),
    ("wrong_id", true),
];

/// No event helps, and no restart changes anything: what is found out is found out by asking.
async fn deaf_stage() -> Stage {
    let stage = Stage::start().await;
    stage.lasting_fault("drop_webhooks").await;
    stage
}

async fn authorized(client: &Client, key: &str) -> String {
    let made = client.create(key, 1000, "pm_card_visa").await.unwrap();
    assert_eq!((made.status, made.text("status")), (201, "AUTHORIZED"), "{}", made.body);
    made.text("id").to_owned()
}

fn assert_unavailable(answer: &Answer) {
    assert_eq!((answer.status, answer.text("code")), (503, "provider_unavailable"), "{answer:?}");
    assert!(answer.retry_after.is_some_and(|wait| wait > 0), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_is_lost_is_unknown_and_a_retry_finds_or_makes_the_one_charge() {
    let stage = deaf_stage().await;
    let client = stage.client();
    for (fault, happened) in UNKNOWN {
        stage.fault(fault, 1, 50).await;
        let unknown = client.create(fault, 1000, "pm_card_visa").await.unwrap();
        assert_eq!((unknown.status, unknown.text("status")), (202, "PENDING"), "{fault}: {}", unknown.body);
        let id = unknown.text("id");
        let charges = stage.charges_of(id).await;
        assert_eq!(charges.len(), usize::from(happened), "{fault}");
        let ours = &unknown.body["provider_transaction_id"];
        assert!(ours.is_null(), "{fault}: {ours} was taken from an answer that is none");
        let known = client.create(fault, 1000, "pm_card_visa").await.unwrap();
        assert_eq!((known.status, known.replayed), (200, true), "{fault}: {}", known.body);
        assert_eq!((known.text("id"), known.text("status")), (id, "AUTHORIZED"), "{fault}");
        stage.agreed(id).await;
        assert_eq!(stage.charges_of(id).await.len(), 1, "{fault}: one charge");
    }
    assert_eq!(stage.transactions().await.len(), UNKNOWN.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_or_void_whose_answer_is_lost_is_pending_and_a_retry_completes_it_once() {
    let stage = deaf_stage().await;
    let client = stage.client();
    for (kind, becomes, taken) in [("capture", "CAPTURED", 600), ("void", "VOIDED", 0)] {
        for (fault, happened) in UNKNOWN {
            let key = format!("{kind}-{fault}");
            let id = authorized(&client, &key).await;
            let request = async || match kind {
                "capture" => client.capture(&id, &key, Some(600)).await.unwrap(),
                _ => client.void(&id, &key).await.unwrap(),
            };
            stage.fault(fault, 1, 50).await;
            let unknown = request().await;
            assert_eq!((unknown.status, unknown.text("status")), (202, "AUTHORIZED"), "{key}: {}", unknown.body);
            assert_eq!(unknown.body["pending_operation"]["type"], kind, "{key}");
            let there = stage.charges_of(&id).await[0]["status"] != "requires_capture";
            assert_eq!(there, happened, "{key}");
            let known = request().await;
            assert_eq!((known.status, known.text("status")), (200, becomes), "{key}: {}", known.body);
            assert_eq!(stage.agreed(&id).await["amount_captured"], taken, "{key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_alone_tells_what_a_lost_answer_did_not() {
    let stage = Stage::start().await;
    let client = stage.client();
    stage.fault("charge_then_timeout", 1, 100).await;
    let made = client.create("event", 1000, "pm_card_visa").await.unwrap();
    // The event may be faster than the loss of the answer is noticed.
    assert!([201, 202].contains(&made.status), "{made:?}");
    stage.quiet().await;
    let id = made.text("id");
    assert_eq!(stage.agreed(id).await["status"], "AUTHORIZED");

    stage.fault("charge_then_timeout", 1, 100).await;
    let captured = client.capture(id, "event", None).await.unwrap();
    assert!([200, 202].contains(&captured.status), "{captured:?}");
    stage.quiet().await;
    assert_eq!(stage.agreed(id).await["status"], "CAPTURED");
    assert_eq!(stage.transactions().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_the_provider_keeps_stays_unknown_and_never_charges() {
    let stage = deaf_stage().await;
    let client = stage.client();
    stage.fault("error_500", 1, 0).await;
    let unknown = client.create("kept", 1000, "pm_card_visa").await.unwrap();
    assert_eq!((unknown.status, unknown.text("status")), (202, "PENDING"));
    for _ in 0..3 {
        let still = client.create("kept", 1000, "pm_card_visa").await.unwrap();
        assert_eq!((still.status, still.replayed, still.text("status")), (202, true, "PENDING"), "{}", still.body);
        assert_eq!(still.text("id"), unknown.text("id"));
    }
    assert!(stage.transactions().await.is_empty(), "nothing was charged");

    let id = authorized(&client, "held").await;
    for (kind, key) in [("capture", "kept-capture"), ("void", "kept-void")] {
        let id = if kind == "capture" { id.clone() } else { authorized(&client, "held-too").await };
        stage.fault("error_500", 1, 0).await;
        for _ in 0..3 {
            let unknown = match kind {
                "capture" => client.capture(&id, key, None).await.unwrap(),
                _ => client.void(&id, key).await.unwrap(),
            };
            assert_eq!((unknown.status, unknown.text("status")), (202, "AUTHORIZED"), "{kind}: {}", unknown.body);
            assert_eq!(unknown.body["pending_operation"]["type"], kind);
        }
        assert_eq!(stage.charges_of(&id).await[0]["status"], "requires_capture", "{kind}: nothing happened there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_was_not_reached_is_503_and_the_same_key_resumes() {
    let stage = deaf_stage().await;
    let client = stage.client();
    for fault in ["rate_limit", "unreachable"] {
        // However often it is tried.
        let arm = async || client.fault("stripe", &json!({"kind": fault})).await.unwrap();
        let disarm = async || {
            client.clear_faults("stripe").await.unwrap();
            stage.lasting_fault("drop_webhooks").await;
        };
        let body = json!({"amount": 1000, "currency": "JPY", "payment_method": {"stripe": "pm_card_visa"}, "merchant_reference": fault});
        arm().await;
        assert_unavailable(&client.create_as(fault, &body).await.unwrap());
        let listed = client.get(&format!("/v1/payments?merchant_reference={fault}")).await.unwrap();
        let id = listed.body["data"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(listed.body["data"][0]["status"], "PENDING", "{fault}: it is kept");
        assert!(stage.charges_of(&id).await.is_empty(), "{fault}");
        disarm().await;
        let known = client.create_as(fault, &body).await.unwrap();
        assert_eq!((known.status, known.text("id"), known.text("status")), (200, id.as_str(), "AUTHORIZED"), "{fault}");

        arm().await;
        assert_unavailable(&client.capture(&id, fault, None).await.unwrap());
        disarm().await;
        let captured = client.capture(&id, fault, None).await.unwrap();
        assert_eq!((captured.status, captured.text("status")), (200, "CAPTURED"), "{fault}");
        stage.agreed(&id).await;

        let id = authorized(&client, &format!("to-void-{fault}")).await;
        arm().await;
        assert_unavailable(&client.void(&id, fault).await.unwrap());
        disarm().await;
        assert_eq!(client.void(&id, fault).await.unwrap().text("status"), "VOIDED", "{fault}");
        stage.agreed(&id).await;
    }
    assert_eq!(stage.transactions().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_outlasts_its_deadline_is_unknown_and_a_retry_finds_the_charge() {
    // Beyond the deadline of a call, which the stage sets to 1.5 s.
    let stage = deaf_stage().await;
    let client = stage.client();
    stage.fault("slow", 1, 2200).await;
    let unknown = client.create("slow", 1000, "pm_card_visa").await.unwrap();
    assert_eq!((unknown.status, unknown.text("status")), (202, "PENDING"), "{}", unknown.body);
    // Asked again while the provider still works on it, it is not known; afterwards it is.
    let mut known = client.create("slow", 1000, "pm_card_visa").await.unwrap();
    let mut tries = 0;
    while known.status == 202 && tries < 200 {
        known = client.create("slow", 1000, "pm_card_visa").await.unwrap();
        tries += 1;
    }
    assert_eq!((known.status, known.text("status")), (200, "AUTHORIZED"), "{}", known.body);
    stage.agreed(known.text("id")).await;
    assert_eq!(stage.transactions().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_whose_answer_is_lost_too_finds_out_by_asking() {
    let stage = deaf_stage().await;
    let client = stage.client();
    stage.fault("charge_then_timeout", 2, 50).await;
    assert_eq!(client.create("twice", 1000, "pm_card_visa").await.unwrap().status, 202);
    let known = client.create("twice", 1000, "pm_card_visa").await.unwrap();
    assert_eq!((known.status, known.text("status")), (200, "AUTHORIZED"), "{}", known.body);
    let timeline = client.timeline(known.text("id")).await.unwrap();
    assert!(timeline.iter().any(|entry| entry["call"] == "look_up"), "{timeline:#?}");
    stage.agreed(known.text("id")).await;
    assert_eq!(stage.transactions().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_asked_for_while_the_outcome_is_unknown_follows_when_asking_finds_it() {
    let stage = deaf_stage().await;
    let client = stage.client();
    stage.fault("charge_then_timeout", 2, 50).await;
    let unknown = client.create("unknown", 1000, "pm_card_visa").await.unwrap();
    assert_eq!(unknown.status, 202);
    let id = unknown.text("id");
    let remembered = client.void(id, "void").await.unwrap();
    assert_eq!((remembered.status, remembered.text("status")), (202, "PENDING"));
    // The answer to this is lost again: the charge is found by asking.
    let found = client.create("unknown", 1000, "pm_card_visa").await.unwrap();
    assert_eq!((found.status, found.text("id")), (200, id), "{}", found.body);
    eventually("voided", async || client.payment(id).await.unwrap()["status"] == "VOIDED").await;
    let known = client.void(id, "void").await.unwrap();
    assert_eq!((known.status, known.replayed, known.body), (200, true, stage.agreed(id).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_takes_one_place_of_a_breaker_that_is_half_open_and_closes_it() {
    let stage = Stage::with(&[("BREAKER_WINDOW", "1"), ("BREAKER_TRIALS", "1"), ("BREAKER_OPEN_MS", "1000")]).await;
    stage.lasting_fault("drop_webhooks").await;
    let client = stage.client();
    let held = authorized(&client, "held").await;
    stage.fault("charge_then_timeout", 1, 50).await;
    assert_eq!(client.create("lost", 1000, "pm_card_visa").await.unwrap().status, 202);
    assert_unavailable(&client.create("lost", 1000, "pm_card_visa").await.unwrap());
    client.advance(2).await.unwrap();
    let known = client.create("lost", 1000, "pm_card_visa").await.unwrap();
    assert_eq!((known.status, known.text("status")), (200, "AUTHORIZED"), "{known:?}");
    assert_eq!(stage.charges_of(known.text("id")).await.len(), 1);
    authorized(&client, "new").await;

    stage.fault("charge_then_timeout", 1, 50).await;
    assert_eq!(client.capture(&held, "take", None).await.unwrap().status, 202);
    client.advance(2).await.unwrap();
    let known = client.capture(&held, "take", None).await.unwrap();
    assert_eq!((known.status, known.text("status")), (200, "CAPTURED"), "{known:?}");
}
