//! What belongs to one merchant does not exist for another.

use serde_json::{Value, json};

use super::api_support::{World, identity, order};

#[tokio::test]
async fn a_sandbox_names_three_merchants_and_where_it_serves() {
    let world = World::start().await;
    let known = identity(world.data.path());
    let names = ["url", "api_key", "webhook_secret", "console", "other_api_key", "limited_api_key"];
    for name in names {
        assert!(known[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
    assert_eq!(known["url"], format!("http://{}", world.address));
    assert!(known["console"].as_str().unwrap().starts_with(known["url"].as_str().unwrap()));
    assert!(known["webhook_secret"].as_str().unwrap().starts_with("whsec_"));
    let mut keys = vec![&world.api_key, &world.other_api_key, &world.limited_api_key];
    for key in &keys {
        let request = world.post("/v1/payments", &order(1000, "pm_card_visa")).with("x-api-key", key);
        world.send(request).await.expect(201);
    }
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}

#[tokio::test]
async fn another_merchants_payment_is_the_same_as_none() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    let id = payment["id"].as_str().unwrap();
    let nobodys = format!("pay_{}", "0".repeat(26));
    let calls = |id: &str| {
        let path = format!("/v1/payments/{id}");
        [
            world.get(&path),
            world.get(&format!("{path}/timeline")),
            world.get(&format!("{path}/refunds")),
            world.post_nothing(&format!("{path}/capture")),
            world.post(&format!("{path}/capture"), &json!({"amount": 5000})),
            world.post_nothing(&format!("{path}/void")),
        ]
    };
    for key in [&world.other_api_key, &world.limited_api_key] {
        for (theirs, none) in calls(id).into_iter().zip(calls(&nobodys)) {
            let correlated =
                |request: super::api_support::Request| request.with("x-api-key", key).with("x-correlation-id", "same");
            let theirs = world.send(correlated(theirs)).await.expect_problem(404, "not_found", id);
            let none = world.send(correlated(none)).await.expect_problem(404, "not_found", &nobodys);
            assert_eq!(theirs.text(), none.text(), "nothing tells the one from the other");
        }
    }
    assert_eq!(world.look_at(id).await["version"], payment["version"]);
}

#[tokio::test]
async fn a_list_never_shows_another_merchants_payments() {
    let world = World::start().await;
    let keys = [&world.api_key, &world.other_api_key, &world.limited_api_key];
    for (index, key) in keys.iter().enumerate() {
        for _ in 0..=index {
            world.advance(1).await;
            let mut body = order(1000, "pm_card_visa");
            body["merchant_reference"] = json!("the same");
            world.send(world.post("/v1/payments", &body).with("x-api-key", key)).await.expect(201);
        }
    }
    let list = |query: &str, key: &str| {
        let request = world.get(&format!("/v1/payments?{query}")).with("x-api-key", key);
        async { world.send(request).await.expect(200).json() }
    };
    let all = list("limit=1", keys[2]).await;
    let cursor = all["next_cursor"].as_str().unwrap();
    for (index, key) in keys.iter().enumerate() {
        for query in ["", "merchant_reference=the+same", "status=AUTHORIZED", "limit=100"] {
            assert_eq!(list(query, key).await["data"].as_array().unwrap().len(), index + 1, "{query}");
        }
    }
    // A cursor is a place in time, and opens no door.
    let others = list(&format!("cursor={cursor}"), keys[0]).await;
    let own = list("", keys[0]).await;
    assert_eq!(others["data"], own["data"]);
}

#[tokio::test]
async fn an_idempotency_key_is_scoped_to_merchant_and_route() {
    let world = World::start().await;
    let create = |key: &str| {
        let request = world.post("/v1/payments", &order(1000, "pm_card_visa"));
        request.with("idempotency-key", "the-same").with("x-api-key", key)
    };
    let ours = world.send(create(&world.api_key)).await.expect(201).json();
    let theirs = world.send(create(&world.other_api_key)).await.expect(201).json();
    assert_ne!(ours["id"], theirs["id"], "another merchant's key is another key");
    let path = format!("/v1/payments/{}", ours["id"].as_str().unwrap());
    let capture = world.post_nothing(&format!("{path}/capture")).with("idempotency-key", "the-same");
    let captured = world.send(capture).await.expect(200);
    assert!(!captured.replayed(), "another route's key is another key");
    let requests: Vec<&Value> = vec![&ours["provider_request_id"], &theirs["provider_request_id"]];
    assert_ne!(requests[0], requests[1]);
}
