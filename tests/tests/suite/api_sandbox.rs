//! The sandbox's own calls: the clock, faults, and the providers' books.

use serde_json::{Value, json};

use super::api_support::{World, order};

const CLOCK: &str = "/sandbox/clock";
const FAULTS: &str = "/sandbox/providers/stripe/faults";

#[tokio::test]
async fn a_simulated_clock_stands_until_it_is_moved() {
    let world = World::start().await;
    let first = world.payment("pm_card_visa", "AUTHORIZED").await;
    let second = world.payment("pm_card_visa", "AUTHORIZED").await;
    let at = |payment: &Value, name: &str| payment[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(at(&first, "created_at"), at(&second, "created_at"));
    let answer = world.send(world.post(CLOCK, &json!({"advance_seconds": 90}))).await.expect(200).json();
    let third = world.payment("pm_card_visa", "AUTHORIZED").await;
    let moved = at(&third, "created_at").duration_since(at(&first, "created_at"));
    assert_eq!(moved.as_secs(), 90);
    assert_eq!(at(&answer, "now").as_microsecond(), at(&third, "created_at").as_microsecond(), "{answer}");
    world.send(world.post(CLOCK, &json!({"advance_seconds": 0}))).await.expect(200);
}

#[tokio::test]
async fn a_simulated_clock_can_stand_in_the_past() {
    let world = World::start_at("2024-02-29T12:00:00Z".parse().unwrap()).await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    assert_eq!(payment["created_at"], "2024-02-29T12:00:00Z");
}

#[tokio::test]
async fn an_authorization_that_runs_out_can_no_longer_be_captured() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    world.advance(8 * 24 * 3600).await;
    let capture = world.post_nothing(&format!("/v1/payments/{}/capture", payment["id"].as_str().unwrap()));
    world.send(capture).await.expect_problem(409, "payment_state_conflict", "past expires_at");
    assert!(world.transactions().await.iter().all(|transaction| transaction["captured"] == 0));
}

#[tokio::test]
async fn a_clock_takes_whole_seconds_forward_only() {
    let world = World::start().await;
    let wrong = [
        (json!({}), "/advance_seconds"),
        (json!({"advance_seconds": -1}), "/advance_seconds"),
        (json!({"advance_seconds": 1.5}), "/advance_seconds"),
        (json!({"advance_seconds": "60"}), "/advance_seconds"),
        (json!({"advance_seconds": i64::MAX}), "/advance_seconds"),
        (json!({"advance_seconds": null}), "/advance_seconds"),
        (json!({"advance_seconds": 1, "now": "2030-01-01T00:00:00Z"}), "/now"),
        (json!([60]), ""),
    ];
    for (body, pointer) in wrong {
        let answer = world.send(world.post(CLOCK, &body)).await;
        let answer = answer.expect_problem(400, "invalid_request", &body.to_string());
        assert_eq!(answer.pointers(), [pointer], "{body}");
    }
    world.send(world.post_bytes(CLOCK, b"soon")).await.expect_problem(400, "invalid_request", "no JSON");
}

#[tokio::test]
async fn a_clock_that_runs_by_itself_cannot_be_moved() {
    let world = World::start_in_real_time().await;
    let answer = world.send(world.post(CLOCK, &json!({"advance_seconds": 60}))).await;
    answer.expect_problem(400, "invalid_request", "a real clock");
}

#[tokio::test]
async fn every_fault_of_the_contract_can_be_armed_and_cleared() {
    let world = World::start().await;
    let kinds = [
        "decline",
        "error_500",
        "html_502",
        "timeout",
        "charge_then_timeout",
        "slow",
        "rate_limit",
        "drop_webhooks",
        "duplicate_webhooks",
        "reorder_webhooks",
        "unreachable",
    ];
    for kind in kinds {
        for fault in
            [json!({"kind": kind}), json!({"kind": kind, "times": 2}), json!({"kind": kind, "times": 1, "ms": 10})]
        {
            world.fault(&fault).await;
        }
    }
    world.send(world.get(FAULTS).method(&http::Method::DELETE)).await.expect(200);
    world.payment("pm_card_visa", "AUTHORIZED").await;
}

#[tokio::test]
async fn a_fault_that_makes_no_sense_is_refused() {
    let world = World::start().await;
    let wrong = [
        json!({}),
        json!({"kind": "explode"}),
        json!({"kind": 1}),
        json!({"kind": "decline", "times": 0}),
        json!({"kind": "decline", "times": -1}),
        json!({"kind": "decline", "times": "1"}),
        json!({"kind": "slow", "ms": -1}),
        json!({"kind": "decline", "tines": 1}),
        json!({"kind": "unreachable", "times": 0}),
        json!({"kind": "unreachable", "tines": 1}),
        json!([]),
    ];
    for fault in wrong {
        let answer = world.send(world.post(FAULTS, &fault)).await;
        answer.expect_problem(400, "invalid_request", &fault.to_string());
    }
    for provider in ["nobody", "Stripe", "%00"] {
        let path = format!("/sandbox/providers/{provider}/faults");
        world.send(world.post(&path, &json!({"kind": "decline"}))).await.expect_problem(404, "not_found", provider);
    }
    world.payment("pm_card_visa", "AUTHORIZED").await;
}

#[tokio::test]
async fn a_fault_plays_as_often_as_asked_for_and_costs_nobody_twice() {
    // What the request comes to under the fault, and what its retry finds.
    let faults = [
        ("decline", 201, "FAILED", 200, "FAILED"),
        // Stripe keeps its 500 under the key, so a retry gets it again, and a look-up finds nothing yet.
        ("error_500", 202, "PENDING", 202, "PENDING"),
        ("html_502", 202, "PENDING", 200, "AUTHORIZED"),
        ("timeout", 202, "PENDING", 200, "AUTHORIZED"),
        ("charge_then_timeout", 202, "PENDING", 200, "AUTHORIZED"),
        ("rate_limit", 503, "", 200, "AUTHORIZED"),
        ("unreachable", 503, "", 200, "AUTHORIZED"),
        ("slow", 201, "AUTHORIZED", 200, "AUTHORIZED"),
    ];
    for (kind, status, state, again_status, again_state) in faults {
        let world = World::start().await;
        world.fault(&json!({"kind": "drop_webhooks"})).await;
        // What was not reached is tried three times before anybody is told.
        let times = if status == 503 { 3 } else { 1 };
        world.fault(&json!({"kind": kind, "times": times, "ms": 20})).await;
        let request = world.post("/v1/payments", &order(1000, "pm_card_visa"));
        let answer = world.send(request.clone()).await.expect(status);
        if status == 503 {
            assert_eq!(answer.code(), "provider_unavailable", "{kind}");
        } else {
            assert_eq!(answer.json()["status"], state, "{kind}");
        }
        let again = world.send(request).await;
        assert_eq!(
            (again.status, again.json()["status"].as_str()),
            (again_status, Some(again_state)),
            "{kind}: {}",
            again.text()
        );
        assert!(again.replayed(), "{kind}");
        let books = world.transactions().await;
        let held = books.iter().filter(|transaction| transaction["status"] == "requires_capture").count();
        assert_eq!(held, usize::from(again_state == "AUTHORIZED"), "{kind}: {books:?}");
        assert!(books.len() <= 1, "{kind}: {books:?}");
    }
}

/// Stripe keeps an error under the payment's id, and answers with it ever after.
#[tokio::test]
async fn an_error_kept_for_one_payment_concerns_no_other_and_retries_do_not_put_its_end_off() {
    let world = World::start().await;
    world.fault(&json!({"kind": "error_500", "times": 1})).await;
    let stuck = world.post("/v1/payments", &order(1000, "pm_card_visa"));
    world.send(stuck.clone()).await.expect(202);
    for _ in 0..30 {
        world.send(stuck.clone()).await.expect(202);
        world.payment("pm_card_visa", "AUTHORIZED").await;
    }
    // "No such request" counts five minutes after the last call, however often the merchant asks. No job runs before ten.
    for _ in 0..30 {
        world.advance(10).await;
        world.send(stuck.clone()).await;
    }
    world.advance(30).await;
    assert_eq!(world.send(stuck).await.expect(200).json()["status"], "FAILED");
    assert_eq!(world.transactions().await.len(), 30);
}

#[tokio::test]
async fn the_providers_books_show_what_was_moved() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    let path = format!("/v1/payments/{}/capture", payment["id"].as_str().unwrap());
    world.send(world.post(&path, &json!({"amount": 400}))).await.expect(200);
    assert_eq!(
        world.transactions().await,
        [json!({
            "provider_transaction_id": payment["provider_transaction_id"],
            "provider_request_id": payment["provider_request_id"],
            "payment_id": payment["id"],
            "amount": 1000,
            "currency": "JPY",
            "captured": 400,
            "refunded": 0,
            "status": "succeeded",
        })]
    );
    for provider in ["paypal", "bank"] {
        let books =
            world.send(world.get(&format!("/sandbox/providers/{provider}/transactions"))).await.expect(200).json();
        assert_eq!(books, json!([]), "{provider}");
    }
    let answer = world.send(world.get("/sandbox/providers/nobody/transactions")).await;
    answer.expect_problem(404, "not_found", "nobody");
}

#[tokio::test]
async fn the_console_shows_what_merchants_said_as_text() {
    let world = World::start().await;
    let mut body = order(1000, "pm_card_visa");
    body["merchant_reference"] = json!("<script>alert(1)</script>");
    body["description"] = json!("\"><img src=x onerror=alert(1)>");
    let payment = world.send(world.post("/v1/payments", &body)).await.expect(201).json();
    for path in ["/console".to_owned(), format!("/console/payments/{}", payment["id"].as_str().unwrap())] {
        let page = world.send(super::api_support::Request::new("GET", &path)).await.expect(200).text();
        assert!(page.contains(payment["id"].as_str().unwrap()), "{path}");
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{path}");
    }
}
