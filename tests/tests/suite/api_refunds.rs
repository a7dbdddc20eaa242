//! Refunds over HTTP: what is refused, what is reserved, what comes of them at the provider, early and late.

use futures::future::join_all;
use serde_json::{Value, json};

use super::api_support::{Request, World, order};

const DAY: u64 = 24 * 3600;
const SLOW: &str = "pm_card_pendingRefund";
const FAILS_LATER: &str = "pm_card_refundFail";

const FIELDS: [&str; 10] =
    ["id", "object", "payment_id", "amount", "currency", "reason", "status", "failure", "created_at", "updated_at"];

/// A payment that is settled.
async fn settled(world: &World, amount: i64, card: &str) -> String {
    let mut body = order(amount, card);
    body["capture_method"] = json!("automatic");
    let made = world.send(world.post("/v1/payments", &body)).await.expect(201).json();
    assert_eq!(made["status"], "CAPTURED", "{made}");
    world.advance(DAY).await;
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(world.look_at(&id).await["status"], "SETTLED");
    id
}

fn refund(world: &World, id: &str, body: &Value) -> Request {
    world.post(&format!("/v1/payments/{id}/refund"), body)
}

async fn types_told(world: &World, id: &str) -> Vec<String> {
    let feed = world.send(world.get("/v1/events")).await.expect(200).json();
    let about = |event: &&Value| event["data"]["id"] == id || event["data"]["payment_id"] == id;
    let events: Vec<&Value> = feed["data"].as_array().unwrap().iter().filter(about).collect();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["sequence"], index + 1, "without gaps: {events:?}");
    }
    events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_needs_a_settled_payment() {
    let world = World::start().await;
    let held = world.payment("pm_card_visa", "AUTHORIZED").await;
    let failed = world.payment("pm_card_visa_chargeDeclined", "FAILED").await;
    let voided = world.payment("pm_card_visa", "AUTHORIZED").await;
    world.send(world.post_nothing(&format!("/v1/payments/{}/void", voided["id"].as_str().unwrap()))).await.expect(200);
    let captured = world.payment("pm_card_visa", "AUTHORIZED").await;
    world
        .send(world.post_nothing(&format!("/v1/payments/{}/capture", captured["id"].as_str().unwrap())))
        .await
        .expect(200);
    for payment in [held, failed, voided, captured] {
        let answer = world.send(refund(&world, payment["id"].as_str().unwrap(), &json!({"amount": 1}))).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (409, Some("payment_not_settled")), "{payment}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_refunded_in_parts_until_all_went_back() {
    let world = World::start().await;
    let id = settled(&world, 1000, "pm_card_visa").await;
    let part = world.send(refund(&world, &id, &json!({"amount": 400, "reason": "returned"}))).await.expect(201).json();
    let mut fields: Vec<_> = part.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = FIELDS.to_vec();
    fields.sort_unstable();
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert_eq!(
        (&part["status"], &part["amount"], &part["reason"]),
        (&json!("COMPLETED"), &json!(400), &json!("returned"))
    );
    assert_eq!(world.look_at(&id).await["status"], "SETTLED", "a part went back");
    let shown =
        world.send(world.get(&format!("/v1/refunds/{}", part["id"].as_str().unwrap()))).await.expect(200).json();
    assert_eq!(shown, part);

    let too_much = world.send(refund(&world, &id, &json!({"amount": 601}))).await;
    assert_eq!((too_much.status, too_much.json()["code"].as_str()), (422, Some("refund_exceeds_captured")));
    world.advance(1).await;
    let rest = world.send(refund(&world, &id, &json!({}))).await.expect(201).json();
    let listed = world.send(world.get(&format!("/v1/payments/{id}/refunds"))).await.expect(200).json();
    assert_eq!(listed, json!({"data": [part, rest]}), "oldest first, and not the one that was refused");
    let payment = world.look_at(&id).await;
    assert_eq!((&payment["status"], &payment["amount_refunded"]), (&json!("REFUNDED"), &json!(1000)));
    let more = world.send(refund(&world, &id, &json!({"amount": 1}))).await;
    assert_eq!((more.status, more.json()["code"].as_str()), (409, Some("payment_not_settled")));
    assert_eq!(
        types_told(&world, &id).await,
        [
            "payment.authorized",
            "payment.captured",
            "payment.settled",
            "refund.completed",
            "refund.completed",
            "payment.refunded"
        ]
    );
    assert_eq!(world.transactions().await[0]["refunded"], 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_makes_one_refund_and_another_body_is_another_request() {
    let world = World::start().await;
    let id = settled(&world, 1000, "pm_card_visa").await;
    let request = refund(&world, &id, &json!({"amount": 300}));
    let first = world.send(request.clone()).await.expect(201).json();
    let again = world.send(request.clone()).await.expect(200);
    assert_eq!((again.header("idempotent-replayed"), again.json()), (Some("true"), first));
    let other = world.send(request.body(br#"{"amount":301}"#)).await;
    assert_eq!((other.status, other.json()["code"].as_str()), (422, Some("idempotency_key_reused")));
    assert_eq!(world.look_at(&id).await["amount_refunded"], 300);
    let without = Request::new("POST", &format!("/v1/payments/{id}/refund")).with("x-api-key", &world.api_key);
    assert_eq!(world.send(without).await.expect(400).json()["code"], "idempotency_key_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_refunds_of_sixty_per_cent_at_once_one_happens() {
    let world = World::start().await;
    let id = settled(&world, 1000, "pm_card_visa").await;
    let answers = join_all((0..100).map(|_| world.send(refund(&world, &id, &json!({"amount": 600}))))).await;
    let made = answers.iter().filter(|answer| answer.status == 201 || answer.status == 202).count();
    for answer in answers.iter().filter(|answer| answer.status >= 400) {
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        let expected = [(409, "operation_in_progress"), (422, "refund_exceeds_captured")];
        assert!(expected.contains(&(answer.status, code.as_str())), "{} {code}", answer.status);
    }
    assert_eq!(made, 1);
    assert_eq!(world.look_at(&id).await["amount_refunded"], 600);
    assert_eq!(world.transactions().await[0]["refunded"], 600, "at the provider, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_refund_is_pending_and_reserved_until_the_providers_last_word() {
    let world = World::start().await;
    let id = settled(&world, 1000, SLOW).await;
    let request = refund(&world, &id, &json!({"amount": 700}));
    let pending = world.send(request.clone()).await.expect(202).json();
    assert_eq!(pending["status"], "PENDING");
    let too_much = world.send(refund(&world, &id, &json!({"amount": 301}))).await;
    assert_eq!((too_much.status, too_much.json()["code"].as_str()), (422, Some("refund_exceeds_captured")), "reserved");
    assert_eq!(world.send(request.clone()).await.expect(202).json()["status"], "PENDING", "a replay shows it as it is");
    world.send(refund(&world, &id, &json!({}))).await.expect(202);
    let nothing_left = world.send(refund(&world, &id, &json!({}))).await;
    assert_eq!(
        (nothing_left.status, nothing_left.json()["code"].as_str()),
        (422, Some("refund_exceeds_captured")),
        "all of it is reserved"
    );
    world.advance(3600).await;
    assert_eq!(world.send(request).await.expect(200).json()["status"], "COMPLETED");
    assert_eq!(world.look_at(&id).await["amount_refunded"], 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_refund_whose_webhook_is_lost_is_found_by_the_job() {
    let world = World::start().await;
    let id = settled(&world, 1000, SLOW).await;
    world.fault(&json!({"kind": "drop_webhooks", "times": 10})).await;
    let pending = world.send(refund(&world, &id, &json!({}))).await.expect(202).json();
    world.advance(3600).await;
    let found = world.send(world.get(&format!("/v1/refunds/{}", pending["id"].as_str().unwrap()))).await.expect(200);
    assert_eq!(found.json()["status"], "COMPLETED");
    assert_eq!(world.look_at(&id).await["status"], "REFUNDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_fails_after_it_completed_gives_the_money_back_to_the_merchant() {
    for webhooks_lost in [false, true] {
        let world = World::start().await;
        let id = settled(&world, 1000, FAILS_LATER).await;
        let done = world.send(refund(&world, &id, &json!({}))).await.expect(201).json();
        assert_eq!(world.look_at(&id).await["status"], "REFUNDED");
        if webhooks_lost {
            world.fault(&json!({"kind": "drop_webhooks", "times": 10})).await;
        }
        world.advance(3 * 3600).await;
        let refund =
            world.send(world.get(&format!("/v1/refunds/{}", done["id"].as_str().unwrap()))).await.expect(200).json();
        assert_eq!(refund["status"], "FAILED", "webhooks lost: {webhooks_lost}");
        assert!(refund["failure"]["code"].is_string(), "{refund}");
        let payment = world.look_at(&id).await;
        assert_eq!((&payment["status"], &payment["amount_refunded"]), (&json!("SETTLED"), &json!(0)));
        assert_eq!(types_told(&world, &id).await.last().map(String::as_str), Some("refund.failed"));
        let violations = world.send(world.post_nothing("/sandbox/jobs/invariants")).await.expect(200).json();
        assert_eq!(violations["could_not"], json!({}), "{violations}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_whose_answer_was_lost_is_made_once() {
    let world = World::start().await;
    let id = settled(&world, 1000, "pm_card_visa").await;
    world.fault(&json!({"kind": "drop_webhooks", "times": 4})).await;
    world.fault(&json!({"kind": "charge_then_timeout", "times": 1, "ms": 100})).await;
    let unknown = world.send(refund(&world, &id, &json!({"amount": 250}))).await.expect(202).json();
    assert_eq!(unknown["status"], "PENDING");
    let other = world.send(refund(&world, &id, &json!({"amount": 250}))).await;
    assert_eq!((other.status, other.json()["code"].as_str()), (409, Some("operation_in_progress")));
    world.advance(1800).await;
    let known = world.send(world.get(&format!("/v1/refunds/{}", unknown["id"].as_str().unwrap()))).await.expect(200);
    assert_eq!(known.json()["status"], "COMPLETED", "the job found it or sent it again");
    assert_eq!(world.transactions().await[0]["refunded"], 250, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_not_reached_answers_503_and_the_same_key_resumes() {
    let world = World::start().await;
    let id = settled(&world, 1000, "pm_card_visa").await;
    world.fault(&json!({"kind": "unreachable", "times": 3})).await;
    let request = refund(&world, &id, &json!({"amount": 250}));
    let answer = world.send(request.clone()).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("provider_unavailable")));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(world.send(request).await.expect(200).json()["status"], "COMPLETED");
    assert_eq!(world.transactions().await[0]["refunded"], 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_merchants_refund_is_not_found_and_a_wrong_body_names_its_fields() {
    let world = World::start().await;
    let id = settled(&world, 1000, "pm_card_visa").await;
    let made = world.send(refund(&world, &id, &json!({"amount": 1}))).await.expect(201).json();
    let path = format!("/v1/refunds/{}", made["id"].as_str().unwrap());
    for path in [path.as_str(), "/v1/refunds/ref_00000000000000000000000000", "/v1/refunds/x"] {
        let theirs = Request::new("GET", path).with("x-api-key", &world.other_api_key);
        assert_eq!(world.send(theirs).await.expect(404).json()["code"], "not_found");
    }
    let theirs = refund(&world, &id, &json!({"amount": 1})).with("x-api-key", &world.other_api_key);
    assert_eq!(world.send(theirs).await.expect(404).json()["code"], "not_found");
    for (body, pointer) in [
        (json!({"amount": 0}), "/amount"),
        (json!({"amount": "1"}), "/amount"),
        (json!({"reason": 1}), "/reason"),
        (json!({"other": 1}), "/other"),
    ] {
        let problem = world.send(refund(&world, &id, &body)).await.expect(400).json();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    assert_eq!(world.look_at(&id).await["amount_refunded"], 1);
}

/// The provider did what was asked, and its answer names another refund: what becomes of ours is found out all the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_names_a_wrong_refund_is_put_right() {
    let world = World::start().await;
    for (card, status, given_back) in [(SLOW, "COMPLETED", 300), (FAILS_LATER, "FAILED", 0)] {
        let id = settled(&world, 1000, card).await;
        world.fault(&json!({"kind": "drop_webhooks", "times": 20})).await;
        world.fault(&json!({"kind": "wrong_id", "times": 1})).await;
        world.send(refund(&world, &id, &json!({"amount": 300}))).await;
        world.advance(4 * DAY).await;
        let told = types_told(&world, &id).await;
        let last = told.iter().rfind(|kind| kind.starts_with("refund.")).unwrap().clone();
        assert_eq!(last, format!("refund.{}", status.to_lowercase()), "{card}: {told:?}");
        assert_eq!(world.look_at(&id).await["amount_refunded"], given_back, "{card}");
        let books = world.transactions().await;
        let ours = books.iter().find(|row| row["payment_id"] == id.as_str()).unwrap();
        assert_eq!(ours["refunded"], given_back, "{card}: {ours}");
    }
}
