//! What a release's description promised, the present one still holds: a change that would break a merchant's program is found,
//! an addition is not. Releases are recorded in `schemas/recorded/VERSION/openapi.json`.
//!
//! `UPDATE_RECORDED=1` records this version anew, unless it is released.

mod schemas;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use schemas::{Direction, Schemas};

fn present() -> Value {
    tollgate_payments::openapi::document()
}

/// Everything by which a program written for `old` could be broken by `new`.
fn broken(old: &Value, new: &Value) -> Vec<String> {
    let mut changes = Changes { old, new, found: Vec::new() };
    for (path, method, call) in calls(old, "paths") {
        let what = format!("{} {path}", method.to_uppercase());
        match &new["paths"][path][method] {
            Value::Null => changes.found.push(format!("{what} is gone")),
            now => changes.call(&what, call, now, Direction::Sent),
        }
    }
    for (event, method, call) in calls(old, "webhooks") {
        match &new["webhooks"][event][method] {
            Value::Null => changes.found.push(format!("the event {event} is gone")),
            // What we send, merchants read.
            now => changes.call(&format!("the event {event}"), call, now, Direction::Read),
        }
    }
    for code in old["x-problem-codes"].as_array().into_iter().flatten() {
        let mut all = new["x-problem-codes"].as_array().into_iter().flatten();
        match all.find(|now| now["code"] == code["code"]) {
            None => changes.found.push(format!("the code {} is gone", code["code"])),
            Some(now) if now["status"] != code["status"] => {
                changes.found.push(format!(
                    "the code {} came with {}, and comes with {}",
                    code["code"], code["status"], now["status"]
                ));
            }
            Some(_) => {}
        }
    }
    changes.found
}

fn calls<'a>(api: &'a Value, section: &str) -> impl Iterator<Item = (&'a str, &'a str, &'a Value)> {
    let items = api[section].as_object().into_iter().flatten();
    items.flat_map(|(path, item)| {
        item.as_object().into_iter().flatten().map(move |(method, call)| (path.as_str(), method.as_str(), call))
    })
}

struct Changes<'a> {
    old: &'a Value,
    new: &'a Value,
    found: Vec<String>,
}

impl Changes<'_> {
    /// `body` says who reads the body of the request: we (of a call), or the merchant (of a webhook).
    fn call(&mut self, what: &str, old: &Value, new: &Value, body: Direction) {
        let secured = |call: &Value| call["security"].as_array().is_some_and(|all| !all.is_empty());
        if secured(new) && !secured(old) {
            self.found.push(format!("{what} needs credentials that it did not need"));
        }
        self.parameters(what, old, new, body);
        self.body(&format!("{what}, body"), &old["requestBody"], &new["requestBody"], body);
        for (status, response) in old["responses"].as_object().into_iter().flatten() {
            let what = format!("{what}, {status}");
            let now = &new["responses"][status];
            if now.is_null() {
                self.found.push(format!("{what} is gone"));
                continue;
            }
            self.headers(&what, response, now);
            self.content(&what, &response["content"], &now["content"], Direction::Read);
        }
    }

    fn parameters(&mut self, what: &str, old: &Value, new: &Value, direction: Direction) {
        let all = |api: &Value, call: &Value| -> Vec<Value> {
            call["parameters"].as_array().into_iter().flatten().map(|one| resolved(api, one).clone()).collect()
        };
        let (old, new) = (all(self.old, old), all(self.new, new));
        let same = |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
        for parameter in &old {
            let what = format!("{what}, {} {}", parameter["in"], parameter["name"]).replace('"', "");
            match new.iter().find(|now| same(now, parameter)) {
                None => self.found.push(format!("{what} is gone")),
                Some(now) => {
                    let needed = |one: &Value| one["required"] == true;
                    if direction == Direction::Sent && needed(now) && !needed(parameter) {
                        self.found.push(format!("{what} is required, and was not"));
                    }
                    if direction == Direction::Read && needed(parameter) && !needed(now) {
                        self.found.push(format!("{what} may be missing, and could not"));
                    }
                    self.schema(&what, &parameter["schema"], &now["schema"], direction);
                }
            }
        }
        let added = new.iter().filter(|now| now["required"] == true && !old.iter().any(|one| same(one, now)));
        if direction == Direction::Sent {
            self.found.extend(added.map(|now| {
                format!("{what}, {} {} is required, and was not there", now["in"], now["name"]).replace('"', "")
            }));
        }
    }

    fn body(&mut self, what: &str, old: &Value, new: &Value, direction: Direction) {
        if direction == Direction::Sent && new["required"] == true && old["required"] != true {
            self.found.push(format!("{what} is required, and was not"));
        }
        self.content(what, &old["content"], &new["content"], direction);
    }

    fn content(&mut self, what: &str, old: &Value, new: &Value, direction: Direction) {
        for (media_type, content) in old.as_object().into_iter().flatten() {
            match &new[media_type] {
                Value::Null => self.found.push(format!("{what}: {media_type} is gone")),
                now => self.schema(what, &content["schema"], &now["schema"], direction),
            }
        }
    }

    fn headers(&mut self, what: &str, old: &Value, new: &Value) {
        for (name, header) in old["headers"].as_object().into_iter().flatten() {
            let (header, now) = (resolved(self.old, header), resolved(self.new, &new["headers"][name]));
            if now.is_null() {
                self.found.push(format!("{what}, header {name} is gone"));
            } else if header["required"] == true && now["required"] != true {
                self.found.push(format!("{what}, header {name} may be missing, and could not"));
            }
        }
    }

    fn schema(&mut self, what: &str, old: &Value, new: &Value, direction: Direction) {
        let found = Schemas { old: self.old, new: self.new }.broken(what, old, new, direction);
        self.found.extend(found);
    }
}

/// What a reference leads to; anything else is itself.
fn resolved<'a>(api: &'a Value, value: &'a Value) -> &'a Value {
    value["$ref"]
        .as_str()
        .map_or(value, |reference| api.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/recorded")
}

fn is_released(version: &str) -> bool {
    let changelog = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../CHANGELOG.md")).unwrap();
    changelog.lines().any(|line| line.starts_with("## ") && line.contains(&format!("[{version}]")))
}

#[test]
fn what_every_release_promised_to_merchants_still_holds() {
    if std::env::var_os("UPDATE_RECORDED").is_some_and(|value| value == "1") {
        let version = env!("CARGO_PKG_VERSION");
        assert!(
            !is_released(version),
            "{version} is released: what it promised is never recorded anew; raise the version first"
        );
        fs::create_dir_all(folder().join(version)).unwrap();
        let text = format!("{}\n", tollgate_payments::openapi::json());
        fs::write(folder().join(version).join("openapi.json"), text).unwrap();
    }
    let mut recorded = 0;
    for version in fs::read_dir(folder()).unwrap() {
        let version = version.unwrap().path();
        let Ok(text) = fs::read_to_string(version.join("openapi.json")) else { continue };
        recorded += 1;
        let found = broken(&serde_json::from_str(&text).unwrap(), &present());
        let name = version.file_name().unwrap_or_default().to_string_lossy();
        let what_to_do = if is_released(&name) {
            "Add instead of changing; what must go stays until no release that promised it is supported (schemas/README.md)."
        } else {
            "It is not released yet: if this is meant, UPDATE_RECORDED=1 records what it now promises."
        };
        assert!(
            found.is_empty(),
            "programs that merchants wrote for {name} would break:\n- {}\n{what_to_do}",
            found.join("\n- ")
        );
    }
    assert!(recorded > 0, "no release's description is recorded");
}

/// A change of the description: where, and what stands there then; null takes it away.
fn changed(pointer: &str, to: Value) -> Value {
    let mut api = present();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/");
    let parent = api.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {parent}"));
    match parent {
        Value::Array(items) if to.is_null() => _ = items.remove(name.parse().unwrap()),
        Value::Array(items) => items.push(to),
        Value::Object(members) if to.is_null() => assert!(members.remove(&name).is_some(), "there is no {pointer}"),
        other => other[name] = to,
    }
    api
}

#[track_caller]
fn is_found(pointer: &str, to: Value, said: &str) {
    let found = broken(&present(), &changed(pointer, to));
    assert!(found.iter().any(|one| one.contains(said)), "{pointer}: {said:?} is not in {found:#?}");
}

#[test]
fn a_call_that_would_break_a_merchants_program_is_found() {
    let create = "/paths/~1v1~1payments/post";
    let other_error = json!([{"code": "not_found", "status": 410}]);
    for (pointer, to, said) in [
        ("/paths/~1v1~1events", Value::Null, "GET /v1/events is gone"),
        ("/paths/~1v1~1payments/post", Value::Null, "POST /v1/payments is gone"),
        ("/paths/~1v1~1payments/get/parameters/0", Value::Null, "query merchant_reference is gone"),
        (
            &format!("{create}/parameters/+"),
            json!({"name": "X-New", "in": "header", "required": true}),
            "header X-New is required",
        ),
        (&format!("{create}/responses/202"), Value::Null, "POST /v1/payments, 202 is gone"),
        (
            &format!("{create}/responses/200/headers/Idempotent-Replayed"),
            Value::Null,
            "header Idempotent-Replayed is gone",
        ),
        (
            "/paths/~1v1~1payments~1{id}~1capture/post/requestBody/required",
            json!(true),
            "body is required, and was not",
        ),
        ("/paths/~1v1~1settlements/get/responses/200/content/text~1csv", Value::Null, "text/csv is gone"),
        ("/paths/~1return~1{opaque}/get/security", json!([{"api_key": []}]), "needs credentials"),
        (
            "/paths/~1v1~1payments~1{id}~1refund/post/responses/409/content/application~1problem+json/schema/allOf/1/properties/code/enum/0",
            Value::Null,
            "code: the word \"idempotency_key_in_use\" is gone",
        ),
        ("/webhooks/payment.voided", Value::Null, "the event payment.voided is gone"),
        ("/webhooks/payment.voided/post/parameters/0", Value::Null, "header webhook-id is gone"),
        ("/x-problem-codes/0", Value::Null, "the code \"invalid_request\" is gone"),
        ("/x-problem-codes", other_error, "the code \"not_found\" came with 404, and comes with 410"),
    ] {
        is_found(pointer, to, said);
    }
}

#[test]
fn a_field_that_would_break_a_merchants_program_is_found() {
    let schemas = "/components/schemas";
    for (pointer, to, said) in [
        (&format!("{schemas}/PaymentBody/properties/status/enum/0"), Value::Null, "\"PENDING\" is gone"),
        (&format!("{schemas}/PaymentBody/properties/settlement_id"), Value::Null, "settlement_id is gone"),
        (
            &format!("{schemas}/PaymentBody/properties/amount/type"),
            json!("string"),
            "amount is integer, and would be string",
        ),
        (
            &format!("{schemas}/PaymentBody/properties/amount/type"),
            json!(["integer", "null"]),
            "amount is integer, and would be integer or null",
        ),
        (&format!("{schemas}/PaymentBody/required/0"), Value::Null, "may be missing"),
        (&format!("{schemas}/CreatePaymentBody/required/+"), json!("description"), "description is required"),
        (&format!("{schemas}/CreatePaymentBody/properties/amount/maximum"), json!(10), "amount: maximum"),
        (&format!("{schemas}/CreatePaymentBody/properties/amount/minimum"), json!(100), "amount: minimum"),
        (&format!("{schemas}/CreatePaymentBody/properties/description/maxLength"), json!(10), "description: maxLength"),
        (&format!("{schemas}/CreatePaymentBody/properties/capture_method/enum/0"), Value::Null, "\"manual\" is gone"),
        (&format!("{schemas}/CreatePaymentBody/properties/currency/pattern"), json!("^JPY$"), "currency: pattern"),
        (
            &format!("{schemas}/CreatePaymentBody/properties/description/type"),
            json!("string"),
            "description is null or string, and would be string",
        ),
        (
            &format!("{schemas}/CreatePaymentBody/properties/metadata/additionalProperties/maxLength"),
            json!(1),
            "metadata/*: maxLength",
        ),
        (&format!("{schemas}/CreatePaymentBody/allOf/+"), json!({"required": ["return_url"]}), "asks for more"),
        (
            &format!("{schemas}/CreatePaymentBody/properties/payment_method/anyOf/1"),
            Value::Null,
            "one of what it could be is gone",
        ),
        (&format!("{schemas}/TimelineEntry/oneOf/1"), Value::Null, "one of what it could be is gone"),
        (&format!("{schemas}/PaymentEvent/properties/sequence"), Value::Null, "sequence is gone"),
        (&format!("{schemas}/ProblemBody/properties/code/enum/0"), Value::Null, "\"invalid_request\" is gone"),
    ] {
        is_found(pointer, to, said);
    }
}

#[test]
fn an_addition_breaks_nobody() {
    let schemas = "/components/schemas";
    assert_eq!(broken(&present(), &present()), Vec::<String>::new());
    for (pointer, to) in [
        ("/paths/~1v1~1disputes", json!({"get": {"operationId": "disputes", "responses": {}}})),
        (
            "/paths/~1v1~1payments/get/parameters/+",
            json!({"name": "currency", "in": "query", "required": false, "schema": {"type": "string"}}),
        ),
        ("/paths/~1v1~1payments/post/responses/207", json!({"description": "More"})),
        ("/paths/~1v1~1payments/post/responses/200/headers/X-New", json!({"schema": {"type": "string"}})),
        (&format!("{schemas}/PaymentBody/properties/risk"), json!({"type": "string"})),
        (&format!("{schemas}/PaymentBody/properties/status/enum/+"), json!("DISPUTED")),
        (&format!("{schemas}/PaymentBody/properties/amount/minimum"), json!(10)),
        (&format!("{schemas}/CreatePaymentBody/properties/statement_text"), json!({"type": "string", "maxLength": 22})),
        (&format!("{schemas}/CreatePaymentBody/properties/capture_method/enum/+"), json!("delayed")),
        (&format!("{schemas}/CreatePaymentBody/properties/description/maxLength"), json!(1000)),
        (&format!("{schemas}/CreatePaymentBody/required/0"), Value::Null),
        (&format!("{schemas}/TimelineEntry/oneOf/+"), json!({"type": "object"})),
        (&format!("{schemas}/ProblemBody/properties/code/enum/+"), json!("payment_disputed")),
        ("/webhooks/payment.disputed", json!({"post": {"responses": {}}})),
        ("/x-problem-codes/+", json!({"code": "payment_disputed", "status": 409})),
        ("/info/description", json!("Other words")),
    ] {
        assert_eq!(broken(&present(), &changed(pointer, to)), Vec::<String>::new(), "{pointer}");
    }
}
