//! The good answers: their headers and examples; what is asked in parameters; and which call leads to which.

use serde_json::{Map, Value, json};

use super::{examples::cursor, fields, operations};

/// What a merchant's call is answered with: the call's id, the status, the examples.
const ANSWERS: [(&str, &str, &[&str]); 25] = [
    ("create", "201", &["authorized", "declined"]),
    ("create", "200", &["authorized"]),
    ("create", "202", &["waiting_for_the_payer"]),
    ("list", "200", &["payments", "no_payments"]),
    ("show", "200", &["captured"]),
    ("timeline", "200", &["timeline"]),
    ("capture", "200", &["captured"]),
    ("capture", "202", &["capture_not_known_yet"]),
    ("void", "200", &["voided"]),
    ("void", "202", &["void_not_known_yet"]),
    ("create_refund", "201", &["refund"]),
    ("create_refund", "200", &["refund"]),
    ("create_refund", "202", &["refund_on_its_way"]),
    ("show_refund", "200", &["refund"]),
    ("list_refunds", "200", &["refunds"]),
    ("show_endpoint", "200", &["endpoint"]),
    ("set_endpoint", "200", &["endpoint_with_secret", "endpoint"]),
    ("rotate_secret", "200", &["endpoint_with_new_secret"]),
    ("status", "200", &["deliveries"]),
    ("redeliver", "202", &["due_again"]),
    ("events", "200", &["events"]),
    ("on_date", "200", &["settlement"]),
    ("on_date", "200", &["settlement_lines"]),
    ("show_settlement", "200", &["settlement"]),
    ("show_settlement", "200", &["settlement_lines"]),
];

/// What is sent: the call's id, the examples.
const REQUESTS: [(&str, &[&str]); 5] = [
    ("create", &["order", "order_at_a_chosen_provider"]),
    ("capture", &["all_of_it", "a_part"]),
    ("create_refund", &["all_of_it", "a_part_back"]),
    ("set_endpoint", &["hooks"]),
    ("redeliver", &["all_of_it", "one_event"]),
];

/// From which call, with which status, which field leads to which call's id.
const LINKS: [(&str, &str, &str, &[&str]); 3] = [
    (
        "create",
        "201",
        "/id",
        &["show", "capture", "void", "create_refund", "list_refunds", "timeline", "status", "redeliver"],
    ),
    ("create", "202", "/id", &["show", "void", "timeline", "status"]),
    ("create_refund", "201", "/id", &["show_refund"]),
];

/// A header of the answers, by reference.
pub(super) fn header(name: &str) -> (String, Value) {
    let on_the_wire = name.trim_end_matches("-Sometimes");
    (on_the_wire.to_owned(), json!({"$ref": format!("#/components/headers/{name}")}))
}

fn headers() -> Value {
    let header = |description: &str, required: bool, schema: Value, example: Value| json!({"description": description, "required": required, "schema": schema, "example": example});
    let seconds = || json!({"type": "integer", "minimum": 1});
    json!({
        "X-Correlation-Id": header("The request's own, if it came with a usable one, else a new one. It is in our logs.", true,
            json!({"type": "string", "minLength": 1, "maxLength": 128}), json!("14f18fa9266ebea741cfb0796790161d")),
        "RateLimit-Policy": header("How many requests the merchant has in how many seconds (draft-ietf-httpapi-ratelimit-headers).", false,
            json!({"type": "string", "pattern": "^\"requests\";q=[0-9]+;w=[0-9]+$"}), json!("\"requests\";q=100;w=60")),
        "RateLimit": header("How many are left, and in how many seconds they are whole again.", false,
            json!({"type": "string", "pattern": "^\"requests\";r=[0-9]+;t=[0-9]+$"}), json!("\"requests\";r=97;t=2")),
        "Retry-After": header("How many seconds to wait before sending it again.", true, seconds(), json!(5)),
        "Retry-After-Sometimes": header("How many seconds to wait before sending it again, where waiting helps.", false, seconds(), json!(5)),
        "Idempotent-Replayed": header("`true` where the request was made before with this key; else it is not there.", false,
            json!({"type": "string", "enum": ["true"]}), json!("true")),
        "Age": header("Only with `X-Served-From`: for how many whole seconds this may not have been the truth.", false,
            json!({"type": "integer", "minimum": 0}), json!(12)),
        "X-Served-From": header("`cache` where the payment is shown as it was, while the store is away; else it is not there.", false,
            json!({"type": "string", "enum": ["cache"]}), json!("cache")),
        "Location": header("The merchant's `return_url`, with `payment_id` added.", true, json!({"type": "string", "format": "uri"}),
            json!("https://shop.example/done?payment_id=pay_01mcbmk9w0zdhpakegjepn5rqy")),
        "Content-Disposition": header("With the lines only: a file's name.", false, json!({"type": "string"}),
            json!("attachment; filename=\"stl_37mn3bksz84dbrd43tgjxk8qqd.csv\"")),
    })
}

/// Adds what answers have, what parameters may be, and links.
pub(super) fn add(api: &mut Value) {
    api["components"]["headers"] = headers();
    api["components"]["parameters"] = json!({"Correlation-Id": {
        "name": "X-Correlation-Id", "in": "header", "required": false, "schema": {"type": "string"},
        "description": "1 to 128 visible ASCII characters, to find the request by in logs. Any other is replaced, not refused.",
        "example": "order-17-first-try",
    }});
    for (path, _, call) in operations(api) {
        name(path, call);
        let id = call["operationId"].as_str().unwrap_or_default().to_owned();
        parameters(&id, call);
        answers(&id, path.starts_with("/v1/"), call);
    }
}

/// Ids of calls are unique: a refund is shown by another one than a payment.
fn name(path: &str, call: &mut Map<String, Value>) {
    let id = call["operationId"].as_str().unwrap_or_default();
    let unique = match (path, id) {
        ("/v1/payments/{id}/refund", _) => "create_refund",
        ("/v1/refunds/{id}", _) => "show_refund",
        ("/v1/payments/{id}/refunds", _) => "list_refunds",
        ("/v1/settlements/{id}", _) => "show_settlement",
        _ => return,
    };
    call.insert("operationId".to_owned(), json!(unique));
}

fn parameters(id: &str, call: &mut Map<String, Value>) {
    let all = call.entry("parameters").or_insert_with(|| json!([]));
    for parameter in all.as_array_mut().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        let (more, example) = match (id, name.as_str()) {
            (_, "Idempotency-Key") => (
                json!({"minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"}),
                json!("0d9b7d5e-5f1c-4b0e-8a55-2f6f2a6b2c1d"),
            ),
            ("show_refund", "id") => (fields::id("ref_"), json!("ref_01mce700w09repx6h3ydr4tz86")),
            ("show_settlement", "id") => (fields::id("stl_"), json!("stl_37mn3bksz84dbrd43tgjxk8qqd")),
            (_, "id") => (fields::id("pay_"), json!("pay_01mcbmk9w0zdhpakegjepn5rqy")),
            (_, "after") => (fields::id("evt_"), json!("evt_01mcbmk9w0hrnd2zshj3m1n0r1")),
            (_, "limit") => (json!({"minimum": 1, "maximum": 100}), json!(20)),
            (_, "status") => (fields::statuses(), json!("CAPTURED")),
            (_, "date") => (json!({"format": "date"}), json!("2027-01-16")),
            (_, "cursor") => (json!({}), cursor()),
            (_, "merchant_reference") => {
                (json!({"minLength": 1, "maxLength": 255, "pattern": "^[^\\u0000]+$"}), json!("order-17"))
            }
            (_, "opaque") => (json!({"minLength": 1}), json!("r_5Qm2Zx")),
            _ => continue,
        };
        if let (Some(schema), Value::Object(more)) = (parameter["schema"].as_object_mut(), more) {
            schema.extend(more);
        }
        parameter["example"] = example;
    }
    if let Some(all) = all.as_array_mut() {
        all.push(json!({"$ref": "#/components/parameters/Correlation-Id"}));
    }
}

fn examples(names: &[&str]) -> Value {
    names
        .iter()
        .map(|name| ((*name).to_owned(), json!({"$ref": format!("#/components/examples/{name}")})))
        .collect::<Map<_, _>>()
        .into()
}

fn answers(id: &str, of_merchants: bool, call: &mut Map<String, Value>) {
    for (_, names) in REQUESTS.iter().filter(|(of, _)| *of == id) {
        call["requestBody"]["content"]["application/json"]["examples"] = examples(names);
        // A call that takes an empty object takes nothing at all for one.
        call["requestBody"]["required"] = json!(!names.contains(&"all_of_it"));
    }
    let moves_money =
        call["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "Idempotency-Key"));
    for (status, response) in call["responses"].as_object_mut().into_iter().flatten() {
        let mut headers = Map::from_iter([header("X-Correlation-Id")]);
        if of_merchants {
            headers.extend([header("RateLimit"), header("RateLimit-Policy")]);
        }
        match (id, status.as_str()) {
            ("show", "200") => headers.extend([header("Age"), header("X-Served-From")]),
            (_, "303") => headers.extend([header("Location")]),
            ("on_date" | "show_settlement", "200") => headers.extend([header("Content-Disposition")]),
            (_, "200" | "202") if moves_money => headers.extend([header("Idempotent-Replayed")]),
            _ => {}
        }
        response["headers"] = headers.into();
        if response["description"].as_str().is_none_or(str::is_empty) {
            response["description"] = json!("As it is now");
        }
        for (_, _, names) in ANSWERS.iter().filter(|(of, at, _)| *of == id && at == status) {
            let lines = names.contains(&"settlement_lines");
            let media_type = if lines { "text/csv" } else { "application/json" };
            response["content"][media_type]["examples"] = examples(names);
        }
        let links = LINKS.iter().filter(|(of, at, ..)| *of == id && at == status);
        let links: Map<_, _> =
            links.flat_map(|(_, _, pointer, to)| to.iter().map(move |to| link(pointer, to))).collect();
        if !links.is_empty() {
            response["links"] = links.into();
        }
    }
    if id == "returned" {
        let page = json!({"text/html": {"schema": {"type": "string"}, "examples": examples(&["back_to_the_shop"])}});
        call["responses"]["200"]["content"] = page;
    }
}

fn link(pointer: &str, to: &str) -> (String, Value) {
    (to.to_owned(), json!({"operationId": to, "parameters": {"id": format!("$response.body#{pointer}")}}))
}
