//! The requests, held against Stripe's own description of its API, where a copy of it lies beside the workspace.

use std::{env, fs, path::PathBuf};

use serde_json::{Map, Value, json};
use tollgate_domain::OperationKind;
use tollgate_gateway::ports::{ProviderRecords as _, provider_records::RecordsAsk};

use crate::{
    requests::pairs,
    world::{World, list, ok, with},
};

/// `None`, with the reason printed, where there is no copy and nobody insists on one.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn description() -> Option<Value> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/provider-specs");
    let folder = env::var_os("TOLLGATE_PROVIDER_SPECS").map_or_else(beside, PathBuf::from);
    let path = folder.join("stripe_gateway_subset.openapi.json");
    if let Ok(text) = fs::read(&path) {
        return Some(serde_json::from_slice(&text).unwrap());
    }
    let required = env::var("TOLLGATE_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name.trim() == "provider-specs"),
        "required, and not there: {}",
        path.display()
    );
    println!("skipped: no provider-specs folder beside the workspace");
    None
}

/// `a[b]=1&c[0]=x` as `{"a":{"b":1},"c":["x"]}`, with numbers and truth values where the schema wants them.
fn nest(encoded: &str, schema: &Value) -> Value {
    let mut object = Map::new();
    for (name, value) in pairs(encoded) {
        let (top, member) = match name.split_once('[') {
            Some((top, rest)) => (top.to_owned(), Some(rest.trim_end_matches(']').to_owned())),
            None => (name, None),
        };
        let property = &schema["properties"][&top];
        match member {
            None => drop(object.insert(top, typed(value, property))),
            Some(index) if index.parse::<usize>().is_ok() => {
                object.entry(top).or_insert_with(|| json!([])).as_array_mut().unwrap().push(value.into());
            }
            Some(key) => {
                let inner = property["anyOf"].get(0).unwrap_or(property)["properties"][&key].clone();
                let members = object.entry(top).or_insert_with(|| json!({})).as_object_mut().unwrap();
                members.insert(key, typed(value, &inner));
            }
        }
    }
    Value::Object(object)
}

fn typed(value: String, schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("integer") => value.parse::<i64>().map_or(Value::String(value), Value::from),
        Some("boolean") => value.parse::<bool>().map_or(Value::String(value), Value::from),
        _ => value.into(),
    }
}

fn check(description: &Value, request: &http::Request<bytes::Bytes>) {
    let template = template(request.uri().path());
    let method = request.method().as_str().to_ascii_lowercase();
    let endpoint = &description["paths"][template][&method];
    assert!(endpoint.is_object(), "no {method} {template} in the description");
    let (schema, encoded) = if method == "post" {
        let content = &endpoint["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
        (content.clone(), std::str::from_utf8(request.body()).unwrap())
    } else {
        let parameters = endpoint["parameters"].as_array().unwrap();
        let named = |parameter: &Value| (parameter["name"].as_str().unwrap().to_owned(), parameter["schema"].clone());
        let properties: Map<String, Value> = parameters.iter().map(named).collect();
        let schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
        (schema, request.uri().query().unwrap_or_default())
    };
    let body = nest(encoded, &schema);
    let whole = with(schema, "/components", description["components"].clone());
    let errors: Vec<_> =
        jsonschema::validator_for(&whole).unwrap().iter_errors(&body).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{method} {template}: {body}: {errors:?}");
    assert!(request.headers().get("idempotency-key").is_none_or(|key| key.len() <= 255));
}

fn template(path: &str) -> &'static str {
    let parts: Vec<_> = path.trim_start_matches("/v1/").split('/').collect();
    match parts.as_slice() {
        ["payment_intents"] => "/v1/payment_intents",
        ["payment_intents", _] => "/v1/payment_intents/{intent}",
        ["payment_intents", _, "capture"] => "/v1/payment_intents/{intent}/capture",
        ["payment_intents", _, "cancel"] => "/v1/payment_intents/{intent}/cancel",
        ["refunds"] => "/v1/refunds",
        ["refunds", _] => "/v1/refunds/{refund}",
        ["balance_transactions"] => "/v1/balance_transactions",
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_request_is_one_that_stripe_describes() {
    let Some(description) = description() else { return };
    let mut requests = Vec::new();
    for kind in [OperationKind::Authorize, OperationKind::Capture, OperationKind::Void, OperationKind::Refund] {
        let mut world = World::new(kind, vec![]);
        world.payment.details.description = Some("Two books".to_owned());
        world.payment.details.merchant_reference = Some("order 1".to_owned());
        let answer = world.success();
        let world = world.then(ok(&answer));
        world.send().await;
        requests.extend(world.requests());
    }
    for before in ["requires_capture", "succeeded"] {
        let world = World::new(OperationKind::Reversal, vec![]);
        let (shown, done) = (world.intent(before), world.intent("canceled"));
        let mut world = world.then(ok(&shown)).then(ok(&done));
        if before == "succeeded" {
            world = world.then(ok(&done));
        }
        world.send().await;
        requests.extend(world.requests());
    }
    for kind in [OperationKind::Authorize, OperationKind::Refund] {
        let world = World::new(kind, vec![]);
        let page = list(&[with(world.intent("succeeded"), "/metadata", json!({}))], true);
        let page = if kind == OperationKind::Refund {
            list(&[with(world.refund("succeeded"), "/metadata", json!({}))], true)
        } else {
            page
        };
        let world = world.then(ok(&page)).then(ok(&list(&[], false)));
        world.look_up().await;
        requests.extend(world.requests());
    }
    let mut world = World::new(OperationKind::Refund, vec![]);
    world.operation.refund.as_mut().unwrap().provider_reference = Some("re_1".to_owned());
    let refund = with(world.refund("pending"), "/id", "re_1".into());
    let world = world.then(ok(&refund));
    world.look_up().await;
    requests.extend(world.requests());
    for cursor in [None, Some("txn_1")] {
        let world = World::new(OperationKind::Refund, vec![ok(&list(&[], false))]);
        let from = crate::world::now();
        let until = from + std::time::Duration::from_secs(3600);
        let ask = RecordsAsk { from, until, cursor, timeout: world.timeout };
        world.stripe().records_of(ask).await;
        requests.extend(world.requests());
    }
    assert!(requests.len() >= 15, "{}", requests.len());
    for request in &requests {
        check(&description, request);
    }
}

#[test]
fn a_request_that_stripe_does_not_describe_is_noticed() {
    let Some(description) = description() else { return };
    let request = |form: &str| {
        http::Request::post("https://stripe.test/v1/refunds")
            .body(bytes::Bytes::copy_from_slice(form.as_bytes()))
            .unwrap()
    };
    check(&description, &request("payment_intent=pi_1&amount=100"));
    for wrong in ["amount=ten", "colour=red", "metadata=x"] {
        let noticed = std::panic::catch_unwind(|| check(&description, &request(wrong)));
        assert!(noticed.is_err(), "{wrong}");
    }
}
