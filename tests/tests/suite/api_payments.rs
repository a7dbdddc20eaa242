//! A payment's shape in every state, and what capture and void come to in each.

use serde_json::{Value, json};
use tollgate_simulators::SandboxTime;
use tollgate_tests::simulated::start_providers;

use super::api_support::{Answer, Request, World, exchange, order};

/// The contract's payment, field by field.
fn payment_schema() -> jsonschema::Validator {
    let text = || json!({"type": "string", "minLength": 1});
    let or_null = |kind: &str| json!({"type": [kind, "null"]});
    let time = || json!({"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"});
    let time_or_null = || json!({"anyOf": [time(), {"type": "null"}]});
    let object_or_null = |properties: Value| {
        let required: Vec<_> = properties.as_object().unwrap().keys().cloned().collect();
        json!({"type": ["object", "null"], "properties": properties, "required": required, "additionalProperties": false})
    };
    let minor = || json!({"type": "integer", "minimum": 0});
    let properties = json!({
        "id": {"type": "string", "pattern": "^pay_[0-9a-z]+$", "maxLength": 40},
        "object": {"const": "payment"},
        "status": {"enum": ["PENDING", "AUTHORIZED", "CAPTURED", "SETTLED", "REFUNDED", "FAILED", "VOIDED"]},
        "amount": {"type": "integer", "minimum": 1},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "amount_captured": minor(),
        "amount_refunded": minor(),
        "provider": {"enum": ["stripe", "paypal", "bank"]},
        "provider_transaction_id": or_null("string"),
        "provider_request_id": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
        "capture_method": {"enum": ["manual", "automatic"]},
        "merchant_reference": or_null("string"),
        "description": or_null("string"),
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "next_action": object_or_null(json!({"type": {"const": "redirect"}, "url": text()})),
        "pending_operation": object_or_null(json!({
            "type": {"enum": ["capture", "void", "refund", "reversal"]}, "amount": minor(), "resolve_by": time(),
        })),
        "failure": object_or_null(json!({"code": text(), "message": text(), "provider_code": or_null("string")})),
        "expires_at": time_or_null(),
        "resolve_by": time_or_null(),
        "settlement_id": or_null("string"),
        "created_at": time(),
        "updated_at": time(),
        "version": {"type": "integer", "minimum": 1},
    });
    let required: Vec<_> = properties.as_object().unwrap().keys().cloned().collect();
    let schema =
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    jsonschema::validator_for(&schema).unwrap()
}

/// A payment in each state that one can be in, with its name.
async fn in_every_state(world: &World) -> Vec<(&'static str, Value)> {
    let send = |path: String, body: Value| async move { world.send(world.post(&path, &body)).await.json() };
    let path = |payment: &Value, call: &str| format!("/v1/payments/{}/{call}", payment["id"].as_str().unwrap());
    let authorized = || world.payment("pm_card_visa", "AUTHORIZED");
    let unknown = || async {
        world.fault(&json!({"kind": "timeout", "times": 1, "ms": 10})).await;
        world.payment("pm_card_visa", "PENDING").await
    };
    let mut automatic = order(1000, "pm_card_visa");
    automatic["capture_method"] = json!("automatic");

    let mut states = vec![
        ("authorized", authorized().await),
        ("failed", world.payment("pm_card_visa_chargeDeclined", "FAILED").await),
        ("waiting for the payer", world.payment("pm_card_threeDSecure2Required", "PENDING").await),
        ("unknown", unknown().await),
        ("captured", send(path(&authorized().await, "capture"), json!({})).await),
        ("captured in part", send(path(&authorized().await, "capture"), json!({"amount": 400})).await),
        ("captured at once", send("/v1/payments".to_owned(), automatic).await),
        ("voided", send(path(&authorized().await, "void"), json!({})).await),
        ("unknown, to be voided", send(path(&unknown().await, "void"), json!({})).await),
    ];
    for (name, call) in [("capture unknown", "capture"), ("void unknown", "void")] {
        let payment = authorized().await;
        world.fault(&json!({"kind": "timeout", "times": 1, "ms": 10})).await;
        states.push((name, send(path(&payment, call), json!({})).await));
    }
    states
}

#[tokio::test]
async fn a_payment_has_the_contracts_fields_and_no_others_in_every_state() {
    let world = World::start().await;
    world.fault(&json!({"kind": "drop_webhooks"})).await;
    let schema = payment_schema();
    // Status, captured, whether it is in the provider's books, has a next action, a failure, a deadline of its own.
    let expected = [
        ("authorized", "AUTHORIZED", 0, true, false, false, false),
        ("failed", "FAILED", 0, true, false, true, false),
        ("waiting for the payer", "PENDING", 0, true, true, false, true),
        ("unknown", "PENDING", 0, false, false, false, true),
        ("captured", "CAPTURED", 1000, true, false, false, false),
        ("captured in part", "CAPTURED", 400, true, false, false, false),
        ("captured at once", "CAPTURED", 1000, true, false, false, false),
        ("voided", "VOIDED", 0, true, false, false, false),
        ("unknown, to be voided", "PENDING", 0, false, false, false, true),
        ("capture unknown", "AUTHORIZED", 0, true, false, false, false),
        ("void unknown", "AUTHORIZED", 0, true, false, false, false),
    ];
    let states = in_every_state(&world).await;
    assert_eq!(states.len(), expected.len());
    for ((name, payment), (expected_name, status, captured, known, next, failure, resolve_by)) in
        states.into_iter().zip(expected)
    {
        assert_eq!(name, expected_name);
        let wrong: Vec<_> =
            schema.iter_errors(&payment).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?} in {payment}");
        assert_eq!(payment["status"], status, "{name}: {payment}");
        assert_eq!(payment["amount_captured"], captured, "{name}");
        assert_eq!(payment["provider_transaction_id"].is_string(), known, "{name}: {payment}");
        assert_eq!(payment["next_action"].is_object(), next, "{name}");
        assert_eq!(payment["failure"].is_object(), failure, "{name}");
        assert_eq!(payment["resolve_by"].is_string(), resolve_by, "{name}");
        assert_eq!(payment["expires_at"].is_string(), known && !next && status != "FAILED", "{name}: {payment}");
        let pending = match name {
            "unknown, to be voided" | "void unknown" => json!("void"),
            "capture unknown" => json!("capture"),
            _ => Value::Null,
        };
        assert_eq!(payment["pending_operation"]["type"], pending, "{name}");
        assert!(payment["created_at"].as_str() <= payment["updated_at"].as_str(), "{name}");
        assert_eq!(world.look_at(payment["id"].as_str().unwrap()).await, payment, "{name}: shown as it was answered");
    }
}

#[tokio::test]
async fn capture_and_void_answer_in_every_state_as_it_allows() {
    let world = World::start().await;
    world.fault(&json!({"kind": "drop_webhooks"})).await;
    let conflict = (409, "payment_state_conflict");
    let busy = (409, "operation_in_progress");
    // What a capture comes to, and a void: a status with the payment's own, or a problem's code.
    let expected = [
        ("authorized", (200, "CAPTURED"), (200, "VOIDED")),
        ("failed", conflict, conflict),
        ("waiting for the payer", busy, (202, "PENDING")),
        ("unknown", busy, (202, "PENDING")),
        ("captured", conflict, conflict),
        ("captured in part", conflict, conflict),
        ("captured at once", conflict, conflict),
        ("voided", conflict, conflict),
        ("unknown, to be voided", busy, busy),
        ("capture unknown", busy, busy),
        ("void unknown", busy, busy),
    ];
    for (call, is_void) in [("capture", false), ("void", true)] {
        for ((name, payment), (expected_name, capture, void)) in in_every_state(&world).await.into_iter().zip(expected)
        {
            assert_eq!(name, expected_name);
            let (status, comes_to) = if is_void { void } else { capture };
            let path = format!("/v1/payments/{}/{call}", payment["id"].as_str().unwrap());
            let answer = world.send(world.post_nothing(&path)).await;
            let field = if status == 409 { "code" } else { "status" };
            let found = answer.json();
            assert_eq!((answer.status, found[field].as_str()), (status, Some(comes_to)), "{call} of {name}: {found}");
            if status == 202 {
                assert_eq!(found["pending_operation"]["type"], "void", "{name}");
                let again = world.send(world.post_nothing(&path)).await;
                again.expect_problem(409, "operation_in_progress", "a second void");
            }
        }
    }
}

#[tokio::test]
async fn a_refused_capture_leaves_its_key_for_when_the_payment_is_known() {
    let world = World::start().await;
    world.fault(&json!({"kind": "timeout", "times": 1, "ms": 10})).await;
    let create = world.post("/v1/payments", &order(1000, "pm_card_visa"));
    let payment = world.send(create.clone()).await.expect(202).json();
    let capture = world.post_nothing(&format!("/v1/payments/{}/capture", payment["id"].as_str().unwrap()));
    world.send(capture.clone()).await.expect_problem(409, "operation_in_progress", "the authorization is unknown");
    let known = world.send(create).await.expect(200);
    assert_eq!((known.replayed(), &known.json()["status"]), (true, &json!("AUTHORIZED")));
    let captured = world.send(capture.clone()).await.expect(200);
    assert!(!captured.replayed());
    assert!(world.send(capture).await.expect(200).replayed());
}

#[tokio::test]
async fn a_void_asked_for_while_the_payment_is_unknown_is_carried_out_when_it_is_known() {
    let world = World::start().await;
    world.fault(&json!({"kind": "charge_then_timeout", "times": 1, "ms": 10})).await;
    world.fault(&json!({"kind": "drop_webhooks"})).await;
    let create = world.post("/v1/payments", &order(1000, "pm_card_visa"));
    let payment = world.send(create.clone()).await.expect(202).json();
    let void = world.post_nothing(&format!("/v1/payments/{}/void", payment["id"].as_str().unwrap()));
    world.send(void.clone()).await.expect(202);
    assert!(world.send(void.clone()).await.expect(202).replayed(), "still not known");
    let known = world.send(create).await.expect(200).json();
    assert_eq!(known["status"], "VOIDED", "{known}");
    let voided = world.send(void).await.expect(200);
    assert!(voided.replayed() && voided.json()["status"] == "VOIDED");
    let books = world.transactions().await;
    assert_eq!((books.len(), &books[0]["captured"], &books[0]["status"]), (1, &json!(0), &json!("canceled")));
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_payment_in_its_present_state() {
    let world = World::start().await;
    let create = |body: Value| world.post("/v1/payments", &body).with("idempotency-key", "order-17");
    let body = order(1000, "pm_card_visa");
    let first = world.send(create(body.clone())).await.expect(201);
    assert_eq!(first.header("idempotent-replayed"), None);
    let payment = first.json();
    let again = world.send(create(body.clone())).await.expect(200);
    assert!(again.replayed());
    assert_eq!(again.json(), payment);

    // The same meaning is the same request: other order, other spelling, defaults stated, nulls.
    let id = payment["id"].as_str().unwrap();
    let mut stated = body.clone();
    stated["capture_method"] = json!("manual");
    stated["metadata"] = json!({});
    stated["description"] = Value::Null;
    assert_eq!(world.send(create(stated)).await.expect(200).json()["id"], id);
    let spelt = br#" { "payment_method":{"stripe":"pm_card_\u0076isa"}, "currency":"JPY","amount":1000 } "#;
    let spelt = world.post_bytes("/v1/payments", spelt).with("idempotency-key", "order-17");
    assert_eq!(world.send(spelt).await.expect(200).json()["id"], id);

    let other = [
        ("amount", json!(1001)),
        ("currency", json!("USD")),
        ("payment_method", json!({"stripe": "pm_card_mastercard"})),
        ("payment_method", json!({"stripe": "pm_card_visa", "paypal": "vault-ok"})),
        ("provider", json!("stripe")),
        ("capture_method", json!("automatic")),
        ("merchant_reference", json!("a")),
        ("description", json!("a")),
        ("metadata", json!({"a": "b"})),
        ("return_url", json!("https://shop.example/")),
    ];
    for (field, value) in other {
        let mut changed = body.clone();
        changed[field] = value;
        world.send(create(changed)).await.expect_problem(422, "idempotency_key_reused", field);
    }

    let capture =
        |amount: Value| world.post(&format!("/v1/payments/{id}/capture"), &amount).with("idempotency-key", "take");
    world.send(capture(json!({"amount": 600}))).await.expect(200);
    assert!(world.send(capture(json!({"amount": 600}))).await.expect(200).replayed());
    for changed in [json!({}), json!({"amount": 601})] {
        world.send(capture(changed)).await.expect_problem(422, "idempotency_key_reused", "another amount");
    }
    let elsewhere = world.payment("pm_card_visa", "AUTHORIZED").await;
    let elsewhere = format!("/v1/payments/{}/capture", elsewhere["id"].as_str().unwrap());
    let elsewhere = world.post(&elsewhere, &json!({"amount": 600})).with("idempotency-key", "take");
    world.send(elsewhere).await.expect_problem(422, "idempotency_key_reused", "another payment");

    let now = world.send(create(body)).await.expect(200).json();
    assert_eq!((&now["status"], &now["amount_captured"]), (&json!("CAPTURED"), &json!(600)), "as it now is");
}

#[tokio::test]
async fn a_decline_says_why_in_words_of_ours() {
    let world = World::start().await;
    let cards = [
        ("pm_card_visa_chargeDeclined", "card_declined"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error"),
        ("pm_card_nobody_has", "payment_method_invalid"),
        ("pm_card_visa\n", "payment_method_invalid"),
    ];
    for (card, code) in cards {
        for capture_method in ["manual", "automatic"] {
            let mut body = order(1000, card);
            body["capture_method"] = json!(capture_method);
            let request = world.post("/v1/payments", &body);
            let payment = world.send(request.clone()).await.expect(201).json();
            assert_eq!((&payment["status"], &payment["failure"]["code"]), (&json!("FAILED"), &json!(code)), "{card:?}");
            let again = world.send(request).await.expect(200);
            assert!(again.replayed(), "a decline is a result, and stays it");
            assert_eq!(again.json(), payment);
        }
    }
    assert!(world.transactions().await.iter().all(|transaction| transaction["captured"] == 0));
}

#[tokio::test]
async fn every_currency_is_paid_in_its_own_minor_units() {
    let world = World::start().await;
    let taken = [
        (1000, "JPY"),
        (1999, "USD"),
        (50, "EUR"),
        (1_000, "KWD"),
        (5_120, "BHD"),
        (500, "ISK"),
        (1000, "KRW"),
        (700, "UGX"),
    ];
    for (amount, currency) in taken {
        let mut body = order(amount, "pm_card_visa");
        body["currency"] = json!(currency);
        let payment = world.send(world.post("/v1/payments", &body)).await.expect(201).json();
        assert_eq!((&payment["amount"], &payment["currency"]), (&json!(amount), &json!(currency)));
        let path = format!("/v1/payments/{}/capture", payment["id"].as_str().unwrap());
        let captured = world.send(world.post_nothing(&path)).await.expect(200).json();
        assert_eq!(captured["amount_captured"], amount, "{currency}");
        let books = world.transactions().await;
        let there = books.iter().find(|transaction| transaction["payment_id"] == payment["id"]).unwrap();
        assert_eq!(there["captured"], amount, "{currency}, in the provider's own books");
    }
}

#[tokio::test]
async fn what_the_provider_cannot_take_is_refused_before_anything_is_written() {
    let world = World::start().await;
    let refused = [
        (1001, "KWD", "amount_not_supported"),
        (5_124, "BHD", "amount_not_supported"),
        (550, "ISK", "amount_not_supported"),
        (100_000_000, "USD", "amount_not_supported"),
        (999_999_999_999, "JPY", "amount_not_supported"),
        (1000, "KPW", "currency_not_supported"),
        (1000, "ZZZ", "currency_not_supported"),
        (1000, "XAU", "currency_not_supported"),
        (1000, "XTS", "currency_not_supported"),
        (1000, "DEM", "currency_not_supported"),
    ];
    for (amount, currency, code) in refused {
        let mut body = order(amount, "pm_card_visa");
        body["currency"] = json!(currency);
        let request = world.post("/v1/payments", &body).with("idempotency-key", "the-same");
        world.send(request).await.expect_problem(422, code, &format!("{amount} {currency}"));
    }
    assert_eq!((world.count().await, world.transactions().await.len()), (0, 0));

    let mut dinars = order(2000, "pm_card_visa");
    dinars["currency"] = json!("KWD");
    let request = world.post("/v1/payments", &dinars).with("idempotency-key", "the-same");
    let payment = world.send(request).await.expect(201).json();
    let id = payment["id"].as_str().unwrap();
    let capture = |amount: i64| {
        world.post(&format!("/v1/payments/{id}/capture"), &json!({"amount": amount})).with("idempotency-key", "take")
    };
    world.send(capture(1001)).await.expect_problem(422, "amount_not_supported", "a part with a third decimal");
    assert_eq!(world.look_at(id).await["version"], payment["version"]);
    assert_eq!(world.send(capture(1010)).await.expect(200).json()["amount_captured"], 1010);
}

/// Follows the payer to `url`, which may be anywhere on this machine.
async fn visit(method: &str, url: &str) -> Answer {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    exchange(address, &Request::new(method, &format!("/{path}")).to_bytes()).await.unwrap()
}

#[tokio::test]
async fn a_payer_who_approves_comes_back_to_the_shop_with_the_payment_authorized() {
    let world = World::start().await;
    let shop = "https://shop.example/thanks?order=17#top";
    let outcomes = [
        ("approve", Some(shop), "AUTHORIZED", Value::Null),
        ("fail", Some(shop), "FAILED", json!("authentication_failed")),
        ("approve", None, "AUTHORIZED", Value::Null),
    ];
    for (choice, return_url, status, failure) in outcomes {
        let mut body = order(1000, "pm_card_threeDSecure2Required");
        body["return_url"] = json!(return_url);
        let request = world.post("/v1/payments", &body);
        let waiting = world.send(request.clone()).await.expect(202).json();
        let id = waiting["id"].as_str().unwrap();
        let again = world.send(request.clone()).await.expect(202);
        assert!(again.replayed(), "the payer is still to act");
        let page = waiting["next_action"]["url"].as_str().unwrap();
        assert!(visit("GET", page).await.expect(200).text().contains("Approve"));

        let back = visit("POST", &format!("{page}/{choice}")).await.expect(303);
        let back = back.header("location").unwrap().to_owned();
        assert!(back.starts_with(&format!("http://{}/return/", world.address)), "{back}");
        let returned = visit("GET", &back).await;
        if return_url.is_some() {
            let expected = format!("https://shop.example/thanks?order=17&payment_id={id}#top");
            assert_eq!((returned.status, returned.header("location")), (303, Some(expected.as_str())));
        } else {
            assert!(returned.expect(200).text().contains("go back to the shop"));
        }
        let payment = world.look_at(id).await;
        assert_eq!((&payment["status"], &payment["failure"]["code"]), (&json!(status), &failure), "{payment}");
        assert_eq!(payment["next_action"], Value::Null);
        let again = visit("GET", &back).await;
        assert!([200, 303].contains(&again.status), "who reloads the page is sent on again");
        assert_eq!(world.look_at(id).await["version"], payment["version"]);
        assert!(world.send(request).await.expect(200).replayed());
    }
}

#[tokio::test]
async fn a_return_link_that_nobody_made_leads_nowhere() {
    let world = World::start().await;
    let payment = world.payment("pm_card_threeDSecure2Required", "PENDING").await;
    let random = &payment["id"].as_str().unwrap()["pay_".len()..];
    let zeros = "0".repeat(24);
    for opaque in
        [random, &format!("{random}."), &format!("{random}.{zeros}"), ".", "%00", "%2e%2e%2f", &"x".repeat(4000)]
    {
        let answer = world.send(Request::new("GET", &format!("/return/{opaque}"))).await;
        answer.expect_problem(404, "not_found", opaque);
    }
}

#[tokio::test]
async fn a_capture_that_the_provider_refuses_stays_refused() {
    let providers = start_providers(SandboxTime::real().into()).await.unwrap();
    let world = World::start_on(&providers).await;
    world.fault(&json!({"kind": "drop_webhooks"})).await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    let intent = payment["provider_transaction_id"].as_str().unwrap();
    // Somebody cancels it at the provider, and no event tells us.
    let cancel = Request::new("POST", &format!("/stripe/v1/payment_intents/{intent}/cancel"))
        .with("authorization", "Bearer sk_test_sandbox");
    exchange(providers.strip_prefix("http://").unwrap(), &cancel.to_bytes()).await.unwrap().expect(200);

    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    let capture = world.post_nothing(&format!("{path}/capture"));
    let refused = world.send(capture.clone()).await.expect_problem(422, "provider_refused", "the hold is gone");
    assert_eq!(world.look_at(payment["id"].as_str().unwrap()).await["status"], "VOIDED");
    let again = world.send(capture).await.expect_problem(422, "provider_refused", "its replay");
    let without_id = |answer: &Answer| {
        let mut body = answer.json();
        body["correlation_id"] = Value::Null;
        body
    };
    assert_eq!(without_id(&refused), without_id(&again));
    let other = world.send(world.post_nothing(&format!("{path}/capture"))).await;
    other.expect_problem(409, "payment_state_conflict", "another capture");
}

#[tokio::test]
async fn the_timeline_tells_a_payments_life_in_order_with_causes() {
    let world = World::start().await;
    world.fault(&json!({"kind": "drop_webhooks"})).await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    world.send(world.post(&format!("{path}/capture"), &json!({"amount": 400}))).await.expect(200);
    let timeline = world.send(world.get(&format!("{path}/timeline"))).await.expect(200).json();
    assert_eq!(timeline["payment_id"], payment["id"]);
    assert_eq!(timeline.as_object().unwrap().len(), 2);
    let entries = timeline["data"].as_array().unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            match entry["type"].as_str().unwrap() {
                "change" => {
                    format!("{} {} by {}", entry["version"], text("what"), entry["cause"]["type"].as_str().unwrap())
                }
                _ => format!("{} {} {}", text("type"), text("call"), text("outcome")),
            }
        })
        .collect();
    assert_eq!(
        told,
        [
            "1 payment_opened by merchant_request",
            "provider_call authorize succeeded",
            "2 authorized by provider_answer",
            "3 capture_requested by merchant_request",
            "provider_call capture succeeded",
            "4 captured by provider_answer",
        ]
    );
    assert_eq!(entries[0]["transitions"], json!([{"from": null, "to": "PENDING"}]));
    assert_eq!(entries[5]["transitions"], json!([{"from": "AUTHORIZED", "to": "CAPTURED"}]));
    let keys = |entry: &Value| entry.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut change = ["type", "at", "version", "what", "operation", "transitions", "cause", "detail", "correlation_id"];
    let mut call = [
        "type",
        "at",
        "operation",
        "call",
        "provider",
        "outcome",
        "http_status",
        "provider_code",
        "reference",
        "duration_ms",
        "correlation_id",
    ];
    change.sort_unstable();
    call.sort_unstable();
    assert_eq!(keys(&entries[0]), change);
    assert_eq!(keys(&entries[1]), call);
    assert_eq!((&entries[1]["http_status"], &entries[1]["provider"]), (&json!(200), &json!("stripe")));
}

#[tokio::test]
async fn a_providers_event_is_in_the_timeline_once() {
    let world = World::start().await;
    world.fault(&json!({"kind": "duplicate_webhooks"})).await;
    world.fault(&json!({"kind": "charge_then_timeout", "times": 1, "ms": 2000})).await;
    let payment = world.send(world.post("/v1/payments", &order(1000, "pm_card_visa"))).await.json();
    // The event was faster than the answer that never came.
    assert_eq!(payment["status"], "AUTHORIZED", "{payment}");
    world.advance(1).await;
    let path = format!("/v1/payments/{}/timeline", payment["id"].as_str().unwrap());
    let timeline = world.send(world.get(&path)).await.expect(200).json();
    let entries = timeline["data"].as_array().unwrap();
    let events: Vec<_> = entries.iter().filter(|entry| entry["type"] == "provider_event").collect();
    let mut ids: Vec<_> = events.iter().map(|event| event["event_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert!(!events.is_empty() && ids.len() == events.len(), "{timeline}");
    let authorized = entries.iter().find(|entry| entry["what"] == "authorized").unwrap();
    assert_eq!(authorized["cause"]["type"], "provider_event");
    assert!(ids.contains(&authorized["cause"]["id"].as_str().unwrap()));
}
