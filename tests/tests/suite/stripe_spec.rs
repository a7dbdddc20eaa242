//! Everything that the simulated Stripe says, held against Stripe's published schemas, names and examples.

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tollgate_simulators::{Endpoint, Fault, FaultKind, Simulator, Stripe};
use tollgate_tests::{ports::SystemEntropy, requirements::provider_specs};

/// Stripe's schemas, in a dialect that a JSON Schema validator reads.
struct Spec {
    document: Value,
    names: Value,
    examples: Value,
}

impl Spec {
    fn read(folder: &Path) -> Self {
        let read =
            |file: &str| -> Value { serde_json::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap() };
        let mut document = read("stripe_gateway_subset.openapi.json");
        spell_out_nullable(&mut document);
        Self {
            document,
            names: read("stripe_enums_sdk_16.1.0_api_2026-10-28.json"),
            examples: read("stripe_fixtures_subset.json"),
        }
    }

    fn check(&self, schema: &Value, value: &Value, context: &str) {
        let mut root = schema.clone();
        root["components"] = self.document["components"].clone();
        let validator = jsonschema::validator_for(&root).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{context}: {errors:#?}\n{value:#}");
    }

    /// Holds an answer against the schema that the spec has for it.
    fn check_answer(&self, method: &Method, path: &str, status: u16, body: &Value) {
        let template = template(path);
        let operation = &self.document["paths"][&template][method.as_str().to_lowercase()];
        let response = if status == 200 { "200" } else { "default" };
        let schema = &operation["responses"][response]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "the spec has no {method} {template}");
        self.check(schema, body, &format!("{method} {path} {status}"));
        self.check_names(body);
        if status == 200 {
            self.check_object(body);
        }
    }

    /// Statuses, error codes and event types must be Stripe's words.
    fn check_names(&self, value: &Value) {
        let known = |list: &str, word: &Value| {
            let words = self.names[list].as_array().unwrap();
            assert!(word.is_null() || words.contains(word), "{word} is not a {list}");
        };
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.check_names(item)),
            Value::Object(members) => {
                match value["object"].as_str() {
                    Some(kind @ ("payment_intent" | "refund" | "charge")) => {
                        known(&format!("{kind}.status"), &value["status"]);
                    }
                    Some("event") => known("event.type.payment", &value["type"]),
                    _ => {}
                }
                for name in ["error", "last_payment_error"] {
                    if let Some(error) = members.get(name).filter(|error| error.is_object()) {
                        known("error.type", &error["type"]);
                        known("error.code", &error["code"]);
                    }
                }
                members.values().for_each(|member| self.check_names(member));
            }
            _ => {}
        }
    }

    /// Objects must have every member that Stripe's always have, of the type that Stripe's example has.
    fn check_object(&self, value: &Value) {
        if let Some(items) = value["data"].as_array() {
            return items.iter().for_each(|item| self.check_object(item));
        }
        let Some(kind) = value["object"].as_str() else { return };
        let schema = &self.document["components"]["schemas"][kind];
        for (name, property) in schema["properties"].as_object().unwrap_or(&Map::new()) {
            let required = schema["required"].as_array().is_some_and(|names| names.contains(&json!(name)));
            let always = required || property["x-nullable"] == true;
            assert!(!always || value.get(name).is_some(), "{kind} has no {name}: {value:#}");
        }
        for (name, example) in self.examples[kind].as_object().unwrap_or(&Map::new()) {
            let Some(ours) = value.get(name).filter(|ours| !ours.is_null()) else { continue };
            let same = example.is_null() || std::mem::discriminant(ours) == std::mem::discriminant(example);
            assert!(same, "{kind}.{name} is {ours}, where Stripe's example has {example}");
        }
    }
}

/// `OpenAPI` 3.0 says `nullable`; JSON Schema wants the null among the types.
fn spell_out_nullable(schema: &mut Value) {
    if schema["nullable"] == true && schema.is_object() {
        schema["x-nullable"] = true.into();
        if let Some(kind) = schema.get("type").cloned() {
            schema["type"] = json!([kind, "null"]);
        }
        for list in ["enum", "anyOf"] {
            if let Some(choices) = schema.get_mut(list).and_then(Value::as_array_mut) {
                choices.push(if list == "enum" { Value::Null } else { json!({"type": "null"}) });
            }
        }
    }
    match schema {
        Value::Array(items) => items.iter_mut().for_each(spell_out_nullable),
        Value::Object(members) => members.values_mut().for_each(spell_out_nullable),
        _ => {}
    }
}

/// `/v1/refunds/re_1` is `/v1/refunds/{refund}` in the spec.
fn template(path: &str) -> String {
    let names = [("pi_", "{intent}"), ("re_", "{refund}"), ("ch_", "{charge}"), ("evt_", "{id}"), ("txn_", "{id}")];
    let part = |part: &str| -> String {
        names.iter().find(|(prefix, _)| part.starts_with(prefix)).map_or(part, |(_, name)| name).to_owned()
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// A walk through the API that checks every step.
struct Walk {
    spec: Spec,
    stripe: Simulator,
    now: Timestamp,
    checked: usize,
}

impl Walk {
    fn call(&mut self, method: &Method, path: &str, key: Option<&str>, params: &[(&str, &str)]) -> Value {
        let form = serde_urlencoded::to_string(params).unwrap();
        let posts = method == Method::POST;
        let query = if posts { String::new() } else { format!("?{form}") };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://stripe.test{path}{query}"))
            .header("authorization", "Bearer sk_test_x");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Bytes::from(if posts { form } else { String::new() })).unwrap();
        let response = self.stripe.handle(self.now, &request).response;
        let body = serde_json::from_slice(response.body()).unwrap();
        self.spec.check_answer(method, path, response.status().as_u16(), &body);
        self.checked += 1;
        body
    }

    fn post(&mut self, path: &str, params: &[(&str, &str)]) -> Value {
        self.call(&Method::POST, path, None, params)
    }

    fn get(&mut self, path: &str, params: &[(&str, &str)]) -> Value {
        self.call(&Method::GET, path, None, params)
    }

    fn pay(&mut self, card: &str, more: &[(&str, &str)]) -> String {
        let mut params = vec![
            ("amount", "1000"),
            ("currency", "jpy"),
            ("payment_method", card),
            ("confirm", "true"),
            ("metadata[a]", "b"),
            ("description", "A book"),
        ];
        params.extend(more);
        let body = self.post("/v1/payment_intents", &params);
        let intent = if body["error"].is_object() { &body["error"]["payment_intent"] } else { &body };
        intent["id"].as_str().unwrap().to_owned()
    }

    /// Checks the webhooks that were posted; answers how many.
    fn check_webhooks(&mut self) -> usize {
        let schema = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
        let mut count = 0;
        while let Some(webhook) = self.stripe.take_webhook(self.now) {
            let event: Value = serde_json::from_str(&webhook.body).unwrap();
            self.spec.check(&schema("event"), &event, "webhook");
            let object = &event["data"]["object"];
            self.spec.check(&schema(object["object"].as_str().unwrap()), object, "webhook's object");
            self.spec.check_names(&event);
            self.spec.check_object(&event);
            self.spec.check_object(object);
            self.stripe.webhook_settled(&webhook.event_id, true, self.now);
            count += 1;
        }
        count
    }
}

fn payments(walk: &mut Walk) {
    let manual = [("capture_method", "manual")];
    for (amount, cancel) in [("400", false), ("1000", false), ("1001", false), ("1", true)] {
        let id = walk.pay("pm_card_visa", &manual);
        let path = format!("/v1/payment_intents/{id}");
        if cancel {
            walk.post(&format!("{path}/cancel"), &[("cancellation_reason", "duplicate")]);
        }
        let taken = walk.post(&format!("{path}/capture"), &[("amount_to_capture", amount)]);
        walk.get(&path, &[]);
        walk.post(&format!("{path}/cancel"), &[]);
        if let Some(charge) = taken["latest_charge"].as_str() {
            walk.get(&format!("/v1/charges/{charge}"), &[]);
        }
    }
    walk.pay("pm_card_visa", &manual);
    for card in ["chargeDeclined", "visa_chargeDeclinedInsufficientFunds", "chargeDeclinedExpiredCard"] {
        let id = walk.pay(&format!("pm_card_{card}"), &[]);
        let path = format!("/v1/payment_intents/{id}");
        let charge = walk.get(&path, &[])["latest_charge"].as_str().unwrap().to_owned();
        walk.get(&format!("/v1/charges/{charge}"), &[]);
        walk.post(&format!("{path}/confirm"), &[("payment_method", "pm_card_visa")]);
        walk.post(&format!("{path}/confirm"), &[]);
    }
    walk.pay("pm_card_threeDSecure2Required", &[("off_session", "true")]);
    for button in ["approve", "fail"] {
        let id = walk.pay("pm_card_threeDSecure2Required", &[("return_url", "https://shop.test/")]);
        let page = format!("http://stripe.test/stripe/3ds/{id}/{button}");
        let request = Request::post(page).body(Bytes::new()).unwrap();
        assert_eq!(walk.stripe.handle(walk.now, &request).response.status(), 303);
        walk.get(&format!("/v1/payment_intents/{id}"), &[]);
    }
}

fn refunds(walk: &mut Walk) {
    for card in ["pm_card_visa", "pm_card_pendingRefund", "pm_card_refundFail"] {
        let id = walk.pay(card, &[]);
        let refund = walk.post("/v1/refunds", &[("payment_intent", &id), ("amount", "300"), ("reason", "duplicate")]);
        walk.post("/v1/refunds", &[("payment_intent", &id), ("amount", "701")]);
        walk.post("/v1/refunds", &[("payment_intent", &id)]);
        walk.post("/v1/refunds", &[("payment_intent", &id)]);
        walk.now += SignedDuration::from_hours(1);
        walk.get(&format!("/v1/refunds/{}", refund["id"].as_str().unwrap()), &[]);
        walk.get("/v1/refunds", &[("payment_intent", &id)]);
    }
    walk.get("/v1/refunds", &[]);
    let list = walk.get("/v1/balance_transactions", &[("limit", "50")]);
    let of_kind = |kind: &str| list["data"].as_array().unwrap().iter().filter(|one| one["type"] == kind).count();
    assert!(of_kind("charge") > 0 && of_kind("refund") > 0 && of_kind("refund_failure") > 0, "{list}");
    walk.get(&format!("/v1/balance_transactions/{}", list["data"][0]["id"].as_str().unwrap()), &[]);
}

fn errors(walk: &mut Walk) {
    let create = "/v1/payment_intents";
    for params in [
        &[][..],
        &[("amount", "x"), ("currency", "jpy")],
        &[("amount", "100000000"), ("currency", "jpy")],
        &[("amount", "1005"), ("currency", "kwd")],
        &[("amount", "10"), ("currency", "zzz")],
        &[("amount", "10"), ("currency", "jpy"), ("payment_method", "pm_0")],
        &[("amount", "10"), ("currency", "jpy"), ("colour", "blue")],
        &[("amount", "10"), ("currency", "jpy"), ("expand[]", "everything")],
    ] {
        assert!(walk.post(create, params)["error"].is_object(), "{params:?}");
    }
    for path in [
        "/v1/payment_intents/pi_0",
        "/v1/charges/ch_0",
        "/v1/refunds/re_0",
        "/v1/events/evt_0",
        "/v1/balance_transactions/txn_0",
    ] {
        assert!(walk.get(path, &[])["error"].is_object(), "{path}");
    }
    for amount in ["10", "11"] {
        walk.call(&Method::POST, create, Some("k"), &[("amount", amount), ("currency", "jpy")]);
    }
    for kind in [FaultKind::Error500, FaultKind::RateLimit, FaultKind::Slow] {
        walk.stripe.arm(Fault { kind, times: Some(1), ms: None }).unwrap();
        walk.call(&Method::POST, create, Some("busy"), &[("amount", "10"), ("currency", "jpy")]);
    }
    walk.stripe.arm(Fault { kind: FaultKind::Slow, times: Some(1), ms: None }).unwrap();
    for _ in 0..2 {
        let answer = walk.call(&Method::POST, create, Some("twin"), &[("amount", "10"), ("currency", "jpy")]);
        assert!(answer["object"] == "payment_intent" || answer["error"]["code"] == "idempotency_key_in_use");
    }
}

#[test]
fn every_answer_and_event_is_as_stripe_specifies() {
    let Some(folder) = provider_specs() else { return };
    let mut walk = Walk {
        spec: Spec::read(&folder),
        stripe: Simulator::ephemeral(Stripe::new(Arc::new(SystemEntropy), None)),
        now: "2026-11-20T12:00:00Z".parse().unwrap(),
        checked: 0,
    };
    walk.stripe.set_endpoint(Endpoint { url: "http://merchant.test/".into(), secret: "whsec_x".into() });
    payments(&mut walk);
    refunds(&mut walk);
    errors(&mut walk);
    walk.now += SignedDuration::from_hours(7 * 24);
    walk.stripe.advance(walk.now);
    walk.get("/v1/payment_intents", &[("limit", "100")]);
    let events = walk.get("/v1/events", &[("limit", "100")]);
    for event in events["data"].as_array().unwrap() {
        walk.get(&format!("/v1/events/{}", event["id"].as_str().unwrap()), &[]);
    }
    let webhooks = walk.check_webhooks();
    assert!(walk.checked > 100 && webhooks > 50, "{} answers, {webhooks} webhooks", walk.checked);
}
