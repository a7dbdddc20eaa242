//! The API's description: kept in `schemas/openapi.json`, complete, and true of real answers.

use std::{collections::BTreeSet, env, fs, path::Path, sync::LazyLock};

use serde_json::{Value, json};

use super::api_support::{Answer, World, order};

fn description() -> Value {
    serde_json::from_str(&tollgate_payments::openapi::json()).unwrap()
}

/// Every answer of `/v1` that a test gets is one that the description has: its status, and the code of a problem. What is no call at all
/// (another path, another method) has no description.
#[track_caller]
pub(super) fn is_described(method: &str, path: &str, answer: &Answer) {
    static API: LazyLock<Value> = LazyLock::new(description);
    let path = path.split('?').next().unwrap_or_default();
    let segments: Vec<_> = path.split('/').collect();
    let is = |template: &str| {
        let parts: Vec<_> = template.split('/').collect();
        parts.len() == segments.len()
            && parts
                .iter()
                .zip(&segments)
                .all(|(part, given)| part == given || (part.starts_with('{') && !given.is_empty()))
    };
    let Some((template, item)) = API["paths"].as_object().unwrap().iter().find(|(template, _)| is(template)) else {
        return;
    };
    let call = &item[method.to_lowercase()];
    if !call.is_object() {
        return;
    }
    let response = &call["responses"][answer.status.to_string()];
    assert!(
        response.is_object(),
        "{method} {template} answers {}, which is not described: {}",
        answer.status,
        answer.text()
    );
    if answer.status >= 400 {
        let codes = response.pointer("/content/application~1problem+json/schema/allOf/1/properties/code/enum").unwrap();
        assert!(
            codes.as_array().unwrap().contains(&json!(answer.code())),
            "{method} {template}: {} is not described",
            answer.code()
        );
    }
}

/// A file of `schemas`, which is what the code says.
fn is_kept(name: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas").join(name);
    let made = format!("{}\n", made.trim_end());
    if env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == made, "schemas/{name} is not what the code says; run the tests with UPDATE_SCHEMAS=1");
}

#[test]
fn the_kept_description_is_what_the_code_says() {
    is_kept("openapi.json", &tollgate_payments::openapi::json());
    is_kept("webhook-events.json", &tollgate_payments::openapi::webhook_events());
}

#[test]
fn every_route_of_the_merchants_is_described() {
    let routes = [
        ("/v1/payments", "post", &["200", "201", "202", "400", "401", "409", "413", "415", "422", "429", "503"][..]),
        ("/v1/payments", "get", &["200", "400", "401", "429", "503"]),
        ("/v1/payments/{id}", "get", &["200", "401", "404", "429", "503"]),
        ("/v1/payments/{id}/capture", "post", &["200", "202", "400", "401", "404", "409", "422", "503"]),
        ("/v1/payments/{id}/void", "post", &["200", "202", "400", "401", "404", "409", "422", "503"]),
        ("/v1/payments/{id}/timeline", "get", &["200", "401", "404"]),
        ("/v1/settlements", "get", &["200", "400", "401", "404"]),
        ("/v1/settlements/{id}", "get", &["200", "401", "404"]),
        ("/return/{opaque}", "get", &["200", "303", "404"]),
    ];
    let api = description();
    for (path, method, statuses) in routes {
        let call = &api["paths"][path][method];
        for status in statuses {
            assert!(call["responses"][status].is_object(), "{method} {path} {status}");
        }
        let needs_key = call["security"].as_array().is_some_and(|all| all.iter().any(|one| one["api_key"].is_array()));
        assert_eq!(needs_key, path.starts_with("/v1/"), "{method} {path}");
        let named = |name: &str| {
            call["parameters"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["name"] == name && one["required"] == true))
        };
        assert_eq!(named("Idempotency-Key"), method == "post", "{method} {path}");
    }
    let scheme = &api["components"]["securitySchemes"]["api_key"];
    assert_eq!(
        (&scheme["type"], &scheme["in"], &scheme["name"]),
        (&json!("apiKey"), &json!("header"), &json!("X-API-Key"))
    );
}

/// Checks a body against one of the description's schemas, with fields that it does not know refused.
#[track_caller]
fn is(api: &Value, schema: &str, body: &Value) {
    assert!(api["components"]["schemas"][schema].is_object(), "{schema} is described");
    let mut components = api["components"].clone();
    // What is extended elsewhere has to stay open.
    let text = components.to_string();
    for (name, schema) in components["schemas"].as_object_mut().unwrap() {
        if !text.contains(&format!("\"allOf\":[{{\"$ref\":\"#/components/schemas/{name}\"")) {
            close(schema);
        }
    }
    let root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": format!("#/components/schemas/{schema}"),
        "components": components,
    });
    holds(&root, body, schema);
}

/// Checks a body against a schema, formats too.
#[track_caller]
fn holds(schema: &Value, body: &Value, what: &str) {
    let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    let wrong: Vec<_> =
        validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{what}: {wrong:?} in {body}");
}

fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.contains_key("properties") && !object.contains_key("additionalProperties") {
        object.insert("additionalProperties".to_owned(), json!(false));
    }
}

#[tokio::test]
async fn real_answers_are_as_the_description_says() {
    let world = World::start().await;
    let api = description();
    let mut problems: Vec<Answer> = Vec::new();
    for card in ["pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_threeDSecure2Required"] {
        let mut body = order(1000, card);
        body["metadata"] = json!({"order": "17"});
        let request = world.post("/v1/payments", &body);
        is(&api, "CreatePaymentBody", &body);
        let payment = world.send(request).await.json();
        is(&api, "PaymentBody", &payment);
        let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
        let capture = json!({"amount": 400});
        is(&api, "CaptureBody", &capture);
        let answer = world.send(world.post(&format!("{path}/capture"), &capture)).await;
        if answer.status == 200 {
            is(&api, "PaymentBody", &answer.json());
        } else {
            problems.push(answer);
        }
        let answer = world.send(world.post_nothing(&format!("{path}/void"))).await;
        if answer.status < 300 {
            is(&api, "PaymentBody", &answer.json());
        } else {
            problems.push(answer);
        }
        is(&api, "PaymentBody", &world.send(world.get(&path)).await.expect(200).json());
        is(&api, "RefundList", &world.send(world.get(&format!("{path}/refunds"))).await.expect(200).json());
        is(&api, "TimelineBody", &world.send(world.get(&format!("{path}/timeline"))).await.expect(200).json());
    }
    is(&api, "PaymentList", &world.send(world.get("/v1/payments?limit=2")).await.expect(200).json());
    is(&api, "PaymentList", &world.send(world.get("/v1/payments?status=SETTLED")).await.expect(200).json());
    problems.push(world.send(world.post("/v1/payments", &json!({"amount": 0}))).await);
    problems.push(world.send(world.get("/v1/payments/pay_1")).await);
    problems.push(world.send(world.get("/v1/payments").without("x-api-key")).await);
    assert!(problems.len() >= 6, "{}", problems.len());
    for problem in problems {
        is(&api, "ProblemBody", &problem.json());
    }
}

/// What a reference leads to.
fn resolved<'a>(api: &'a Value, value: &'a Value) -> &'a Value {
    value["$ref"].as_str().map_or(value, |reference| api.pointer(&reference[1..]).expect("a reference leads somewhere"))
}

#[test]
fn every_body_has_examples_and_they_are_as_its_schema_says() {
    let api = description();
    let (mut examples, mut used) = (0, BTreeSet::new());
    for section in ["paths", "webhooks"] {
        for (path, item) in api[section].as_object().unwrap() {
            for (method, call) in item.as_object().unwrap() {
                let responses = call["responses"].as_object().unwrap().values();
                let bodies =
                    responses.chain([&call["requestBody"]]).filter_map(|body| body["content"].as_object()).flatten();
                for (media_type, content) in bodies {
                    let what = format!("{method} {path} {media_type}");
                    let named = content["examples"].as_object().unwrap_or_else(|| panic!("{what} has no examples"));
                    assert!(!named.is_empty(), "{what} has no examples");
                    let mut schema = content["schema"].clone();
                    schema["components"] = api["components"].clone();
                    for (name, example) in named {
                        holds(&schema, &resolved(&api, example)["value"], &format!("{what} {name}"));
                        used.insert(name.clone());
                        examples += 1;
                    }
                }
                for parameter in call["parameters"].as_array().into_iter().flatten() {
                    let parameter = resolved(&api, parameter);
                    assert!(!parameter["example"].is_null(), "{method} {path}: {} has no example", parameter["name"]);
                    holds(
                        &parameter["schema"],
                        &parameter["example"],
                        &format!("{method} {path} {}", parameter["name"]),
                    );
                }
            }
        }
    }
    assert!(examples > 200, "{examples}");
    let kept: BTreeSet<_> = api["components"]["examples"].as_object().unwrap().keys().cloned().collect();
    let unused: Vec<_> = kept.difference(&used).collect();
    assert_eq!(unused, ["forbidden", "method_not_allowed"], "no call of a merchant's answers these two");
}

#[test]
fn every_code_says_what_it_means_and_where_it_comes_up() {
    let api = description();
    let codes = api["x-problem-codes"].as_array().unwrap();
    assert_eq!(codes.len(), tollgate_api::ProblemCode::ALL.len());
    for code in codes {
        assert!(!code["description"].as_str().unwrap().is_empty(), "{code}");
        let calls = code["calls"].as_array().unwrap();
        assert_eq!(calls.is_empty(), !code["elsewhere"].as_str().unwrap().is_empty(), "{code}");
    }
    let all = |name: &str| codes.iter().find(|code| code["code"] == name).unwrap()["calls"].as_array().unwrap().len();
    assert_eq!((all("unauthenticated"), all("idempotency_key_missing"), all("refund_exceeds_captured")), (17, 4, 1));
}

/// The headers that sign a webhook are as the description has them.
fn headers_are_described(api: &Value, event_type: &str, headers: &Value) {
    let webhook = &api["webhooks"][event_type]["post"];
    assert!(webhook.is_object(), "{event_type} is described");
    for parameter in webhook["parameters"].as_array().unwrap() {
        holds(&parameter["schema"], &headers[parameter["name"].as_str().unwrap()], parameter["name"].as_str().unwrap());
    }
}

#[tokio::test]
async fn events_are_delivered_as_the_description_says() {
    let world = World::start().await;
    let change =
        async |id: &str, what: &str| world.send(world.post_nothing(&format!("/v1/payments/{id}/{what}"))).await;
    let pay = async |provider: &str, token: &str| {
        let body = json!({"amount": 1000, "currency": "JPY", "payment_method": {provider: token}});
        let payment = world.send(world.post("/v1/payments", &body)).await.expect(201).json();
        payment["id"].as_str().unwrap().to_owned()
    };
    // A refund that comes back later, a capture that is denied later, and one of which nothing can be learned.
    let (settled, voided) = (pay("stripe", "pm_card_refundFail").await, pay("stripe", "pm_card_visa").await);
    let denied = pay("paypal", "vault-capture-denied").await;
    pay("stripe", "pm_card_visa_chargeDeclined").await;
    change(&settled, "capture").await.expect(200);
    change(&voided, "void").await.expect(200);
    change(&denied, "capture").await.expect(202);
    world.advance(24 * 3600).await;
    change(&settled, "refund").await.expect(201);
    world.advance(3 * 3600).await;
    let lost = pay("stripe", "pm_card_visa").await;
    world.fault(&json!({"kind": "timeout", "times": 1000, "ms": 10})).await;
    change(&lost, "capture").await.expect(202);
    world.advance(3 * 3600).await;

    let api = description();
    let schema: Value = serde_json::from_str(&tollgate_payments::openapi::webhook_events()).unwrap();
    let mut types = BTreeSet::new();
    let inbox = world.send(world.get("/sandbox/inbox")).await.expect(200).json();
    for webhook in inbox.as_array().unwrap() {
        let event: Value = serde_json::from_str(webhook["body"].as_str().unwrap()).unwrap();
        let event_type = event["type"].as_str().unwrap();
        holds(&schema, &event, event_type);
        is(&api, if event_type.starts_with("refund.") { "RefundEvent" } else { "PaymentEvent" }, &event);
        headers_are_described(&api, event_type, &webhook["headers"]);
        types.insert(event_type.to_owned());
    }
    let described: BTreeSet<_> = api["webhooks"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(types, described, "each type was delivered");
    let feed = world.send(world.get("/v1/events")).await.expect(200).json();
    assert!(feed["data"].as_array().unwrap().len() >= types.len());
    is(&api, "EventsBody", &feed);
}
