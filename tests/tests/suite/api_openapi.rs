//! The API's description: kept in `schemas/openapi.json`, complete, and true of real answers.

use std::{env, fs, path::Path};

use serde_json::{Value, json};

use super::api_support::{Answer, World, order};

fn description() -> Value {
    serde_json::from_str(&tollgate_payments::openapi::json()).unwrap()
}

#[test]
fn the_kept_description_is_what_the_code_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/openapi.json");
    let made = format!("{}\n", tollgate_payments::openapi::json().trim_end());
    if env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == made, "schemas/openapi.json is not what the code says; run the tests with UPDATE_SCHEMAS=1");
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
    let validator = jsonschema::validator_for(&root).unwrap();
    let wrong: Vec<_> =
        validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{schema}: {wrong:?} in {body}");
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
