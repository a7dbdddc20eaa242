//! What those who run it meet: health and metrics.

use serde_json::json;

use super::api_support::{CARD, Request, World, order};

async fn metrics(world: &World) -> String {
    world.send(Request::new("GET", "/metrics")).await.expect(200).text()
}

#[tokio::test]
async fn a_sandbox_that_serves_is_live_and_ready() {
    let world = World::start().await;
    let live = world.send(Request::new("GET", "/health/live")).await.expect(200);
    assert_eq!(live.json()["status"], "ok");
    let ready = world.send(Request::new("GET", "/health/ready")).await.expect(200);
    assert_eq!(ready.json(), json!({"status": "ok", "checks": {"counters": "ok", "queue": "ok", "store": "ok"}}));
}

#[tokio::test]
async fn a_provider_that_is_away_makes_nobody_unready() {
    let world = World::start().await;
    world.fault(&json!({"kind": "unreachable"})).await;
    world.send(world.post("/v1/payments", &order(1000, "pm_card_visa"))).await.expect(503);
    world.send(Request::new("GET", "/health/ready")).await.expect(200);
}

#[tokio::test]
async fn a_deep_look_shows_people_what_is_due_what_waits_which_providers_are_on_and_versions() {
    let world = World::start().await;
    world.fault(&json!({"kind": "unreachable"})).await;
    let off = json!({"state": "off", "by": "ann", "why": "incident 4711"});
    world.send(world.post("/sandbox/providers/paypal/switch", &off)).await.expect(200);
    let deep = world.send(Request::new("GET", "/health/deep")).await.expect(200).json();
    assert_eq!(deep["status"], "ok", "no provider is asked: {deep}");
    for check in ["store", "queue", "counters"] {
        assert!(deep["checks"][check]["latency_ms"].is_u64(), "{check}: {deep}");
    }
    assert_eq!(deep["circuit_breakers"]["stripe"], "closed", "{deep}");
    assert_eq!(deep["providers"], json!({"stripe": "on", "paypal": "off", "bank": "on"}), "{deep}");
    assert_eq!(deep["queue_depths"], json!({"payment_events": 0, "dead_letter": 0}), "{deep}");
    assert_eq!(deep["oldest_due_delivery_age_seconds"], 0, "{deep}");
    assert_eq!(deep["versions"]["tollgate"], env!("CARGO_PKG_VERSION"), "{deep}");
    assert!(deep["executor_delay_ms"].is_u64(), "{deep}");
}

#[tokio::test]
async fn a_compressed_body_is_refused_on_every_route_before_anything_is_looked_at() {
    let world = World::start().await;
    for path in ["/v1/payments", "/webhooks/providers/stripe", "/pubsub/payment-events", "/jobs/settlement", "/nowhere"]
    {
        let request = Request::new("POST", path).and("Content-Encoding", "gzip").body(b"\x1f\x8b");
        world.send(request).await.expect_problem(415, "unsupported_media_type", path);
    }
}

#[tokio::test]
async fn the_metrics_have_the_contracts_names_and_labels() {
    let world = World::start().await;
    let create = world.post("/v1/payments", &order(1000, "pm_card_visa"));
    world.send(create.clone()).await.expect(201);
    world.send(create).await.expect(200);
    world.payment("pm_card_visa_chargeDeclined", "FAILED").await;
    world.send(world.post("/v1/payments", &json!({}))).await.expect(400);
    world.send(Request::new("POST", "/webhooks/providers/stripe").body(b"{}")).await.expect(401);
    let text = metrics(&world).await;
    let lines = [
        (
            r"http_requests_total{",
            vec![
                r#"function="payments""#,
                r#"route="/v1/payments""#,
                r#"method="POST""#,
                r#"status="201""#,
                "code=\"\"",
            ],
        ),
        (r"http_requests_total{", vec![r#"status="400""#, r#"code="invalid_request""#]),
        (
            r"http_request_duration_seconds_bucket{",
            vec![r#"function="payments""#, r#"route="/v1/payments""#, r#"method="POST""#, "le="],
        ),
        (
            r"payment_requests_total{",
            vec![r#"provider="stripe""#, r#"status="AUTHORIZED""#, "endpoint=", "error_type="],
        ),
        (r"payment_requests_total{", vec![r#"status="FAILED""#]),
        (r"payment_requests_total{", vec![r#"error_type="invalid_request""#]),
        (
            r"provider_request_duration_seconds_bucket{",
            vec![r#"provider="stripe""#, r#"operation="authorize""#, "outcome="],
        ),
        (r"provider_webhooks_total{", vec![r#"provider="stripe""#, r#"outcome="rejected""#]),
        (r"store_operation_duration_seconds_bucket{", vec!["operation="]),
        ("store_conflicts_total", vec![]),
        ("build_info{", vec!["version="]),
        ("process_resident_memory_bytes", vec![]),
        ("process_cpu_seconds_total", vec![]),
        ("process_open_fds", vec![]),
    ];
    for (name, labels) in lines {
        let found = text.lines().any(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
        assert!(found, "{name} {labels:?} in\n{text}");
    }
}

#[tokio::test]
async fn what_callers_make_up_never_becomes_a_label() {
    let world = World::start().await;
    let id = world.payment("pm_card_visa", "AUTHORIZED").await["id"].as_str().unwrap().to_owned();
    let requests = [
        Request::new("GET", "/madeup-path"),
        Request::new("MADEUPMETHOD", "/v1/payments"),
        Request::new("GET", "/v1/payments/madeup-id").with("x-api-key", &world.api_key),
        Request::new("GET", "/return/madeup-link"),
        Request::new("POST", "/webhooks/providers/madeup-provider"),
        Request::new("GET", &format!("/{CARD}")),
        world.get("/v1/payments?merchant_reference=madeup-reference"),
        world.get(&format!("/v1/payments/{id}")),
        world.post("/v1/payments", &order(1000, "madeup-token")).with("x-correlation-id", "madeup-correlation"),
        world.post("/sandbox/providers/madeup-provider/faults", &json!({"kind": "decline"})),
    ];
    for request in requests {
        world.send(request).await;
    }
    let text = metrics(&world).await;
    for private in ["madeup", "MADEUP", CARD, id.as_str(), world.api_key.as_str(), "Sandbox shop", "pm_card_visa"] {
        assert!(!text.contains(private), "{private}");
    }
    assert!(text.contains(r#"route="unmatched""#) && text.contains(r#"route="/v1/payments/{id}""#), "{text}");
    assert!(text.contains(r#"method="OTHER""#), "{text}");
}
