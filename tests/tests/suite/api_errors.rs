//! The correlation id: on every answer and in the records, taken from the request where it is fit to be.

use serde_json::{Value, json};

use super::api_support::{Request, World, order};

/// One request for every kind of answer, refused ones included.
fn requests(world: &World, payment: &str) -> Vec<(Request, u16)> {
    let bare = |method: &str, path: &str| Request::new(method, path);
    vec![
        (world.post("/v1/payments", &order(1000, "pm_card_visa")), 201),
        (world.post("/v1/payments", &order(1000, "pm_card_visa_chargeDeclined")), 201),
        (world.post("/v1/payments", &order(1000, "pm_card_threeDSecure2Required")), 202),
        (world.post("/v1/payments", &order(0, "pm_card_visa")), 400),
        (world.post("/v1/payments", &json!({})).without("x-api-key"), 401),
        (world.get("/v1/payments/pay_1"), 404),
        (bare("PUT", "/v1/payments"), 405),
        (world.post_bytes("/v1/payments", &b" ".repeat(70_000)), 413),
        (world.post("/v1/payments", &json!({})).with("content-type", "text/plain"), 415),
        (world.post("/v1/payments", &json!({"amount": 1, "currency": "ZZZ", "payment_method": {"stripe": "x"}})), 422),
        (world.get(&format!("/v1/payments/{payment}")), 200),
        (world.get(&format!("/v1/payments/{payment}/timeline")), 200),
        (world.get("/v1/payments"), 200),
        (bare("HEAD", "/v1/payments").with("x-api-key", &world.api_key), 200),
        (bare("GET", "/return/nothing"), 404),
        (bare("POST", "/webhooks/providers/stripe"), 401),
        (bare("POST", "/webhooks/providers/nobody"), 404),
        (bare("GET", "/nowhere"), 404),
        (bare("GET", "/health/live"), 200),
        (bare("GET", "/health/ready"), 200),
        (bare("GET", "/metrics"), 200),
        (bare("GET", "/sandbox/providers/stripe/transactions"), 200),
        (bare("GET", "/console"), 200),
    ]
}

#[tokio::test]
async fn every_answer_carries_the_correlation_id_of_its_request() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    for (index, (request, status)) in requests(&world, payment["id"].as_str().unwrap()).into_iter().enumerate() {
        let made = world.send(request.clone()).await;
        assert_eq!(made.header("x-correlation-id").unwrap().len(), 32, "made for the request");
        let id = format!("order-17/{index}~{}", "x".repeat(100));
        let answer =
            world.send(request.with("idempotency-key", format!("again-{index}")).with("x-correlation-id", &id));
        let answer = answer.await.expect(status);
        assert_eq!(answer.header("x-correlation-id"), Some(id.as_str()));
        // The support has compared the problem's own with the header.
    }
}

#[tokio::test]
async fn two_requests_never_share_a_correlation_id_that_was_made_for_them() {
    let world = World::start().await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..50 {
        let answer = world.send(Request::new("GET", "/health/live")).await;
        assert!(seen.insert(answer.header("x-correlation-id").unwrap().to_owned()));
    }
}

#[tokio::test]
async fn a_hostile_correlation_id_is_replaced() {
    let world = World::start().await;
    let (longest, too_long) = ("x".repeat(128), "x".repeat(129));
    let hostile: [&[u8]; 8] =
        [b"", b"two words", b"a\tb", b"\xff\xfe", "caf\u{e9}".as_bytes(), too_long.as_bytes(), b"\x80", b"a b"];
    for id in hostile {
        for request in [world.get("/v1/payments"), world.get("/nowhere")] {
            let answer = world.send(request.with("x-correlation-id", id)).await;
            let given = answer.header("x-correlation-id").unwrap();
            assert!(given.len() == 32 && given.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id:?}: {given}");
        }
    }
    for id in ["1", "<script>", "a\"b\\c", longest.as_str()] {
        let answer = world.send(world.get("/nowhere").with("x-correlation-id", id)).await.expect(404);
        assert_eq!(answer.header("x-correlation-id"), Some(id));
    }
}

#[tokio::test]
async fn the_timeline_names_the_request_that_caused_each_entry() {
    let world = World::start().await;
    let create = world.post("/v1/payments", &order(1000, "pm_card_visa")).with("x-correlation-id", "the-create");
    let payment = world.send(create).await.expect(201).json();
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    let capture = world.post_nothing(&format!("{path}/capture")).with("x-correlation-id", "the-capture");
    world.send(capture).await.expect(200);
    let timeline = world.send(world.get(&format!("{path}/timeline"))).await.expect(200).json();
    let ids = |number: u64| {
        let entries = timeline["data"].as_array().unwrap().iter();
        let ours = entries.filter(|entry| entry["operation"] == number);
        ours.map(|entry| entry["correlation_id"].as_str().unwrap().to_owned()).collect::<Vec<String>>()
    };
    assert_eq!(ids(1), ["the-create"; 3], "{timeline}");
    assert_eq!(ids(2), ["the-capture"; 3], "{timeline}");
}

#[tokio::test]
async fn a_webhook_that_is_not_signed_changes_nothing_and_says_nothing() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    let path = "/webhooks/providers/stripe";
    let event = json!({
        "id": "evt_1", "object": "event", "type": "payment_intent.succeeded",
        "data": {"object": {"id": payment["provider_transaction_id"], "object": "payment_intent", "amount": 1000,
            "currency": "jpy", "status": "succeeded", "metadata": {"payment_id": payment["id"]}}},
    });
    let signatures = ["", "t=1,v1=00", "v1=", "t=99999999999999999999,v1=ff", "t=1735689600", "garbage"];
    for signature in signatures {
        for body in [event.to_string(), String::new(), "{".to_owned(), Value::Null.to_string()] {
            let request = Request::new("POST", path).with("stripe-signature", signature).body(body.as_bytes());
            let answer = world.send(request).await;
            assert!([400, 401].contains(&answer.status), "{signature}: {}", answer.status);
        }
    }
    let unsigned = Request::new("POST", "/webhooks/providers/paypal").body(b"{}");
    world.send(unsigned).await.expect_problem(401, "unauthenticated", "PayPal without a signature");
    let unsigned = Request::new("POST", "/webhooks/providers/bank").body(b"{}");
    world.send(unsigned).await.expect_problem(401, "unauthenticated", "the bank without a signature");
    for provider in ["Stripe", "%2e%2e", "nobody"] {
        let path = format!("/webhooks/providers/{provider}");
        world.send(Request::new("POST", &path).body(b"{}")).await.expect_problem(404, "not_found", provider);
    }
    let large = Request::new("POST", path).body(&b" ".repeat(256 * 1024 + 1));
    world.send(large).await.expect_problem(413, "body_too_large", "a large event");
    assert_eq!(world.look_at(payment["id"].as_str().unwrap()).await["version"], payment["version"]);
}
