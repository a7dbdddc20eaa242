//! What the fields may hold: words, patterns, bounds. The words are those of the domain, the bounds those that requests are
//! read with.

use serde_json::{Value, json};
use tollgate_api::{events::KINDS, refund, requests::limits};
use tollgate_domain::{
    CaptureMethod, DeliveryStatus, EventKind, Money, OperationKind, PaymentStatus, ProviderName, RefundStatus,
    SettlementStatus, What,
};

/// Answers have all their fields always, null where there is nothing, but for these.
const SOMETIMES: [(&str, &str); 2] = [("ProblemBody", "errors"), ("WebhookEndpointBody", "secret")];

/// An id of a kind: the prefix, and 128 bits in 26 digits.
pub(super) fn id(prefix: &str) -> Value {
    json!({"pattern": format!("^{prefix}[0-7][0-9a-hjkmnp-tv-z]{{25}}$")})
}

fn time() -> Value {
    json!({"format": "date-time"})
}

fn words(words: impl IntoIterator<Item = &'static str>) -> Value {
    json!({"enum": words.into_iter().collect::<Vec<_>>()})
}

fn text(longest: usize) -> Value {
    // The strict reader takes no NUL, and nothing empty.
    json!({"minLength": 1, "maxLength": longest, "pattern": "^[^\\u0000]+$"})
}

pub(super) fn statuses() -> Value {
    words(PaymentStatus::ALL.map(PaymentStatus::as_str))
}

fn providers() -> Value {
    words(ProviderName::ALL.map(ProviderName::as_str))
}

fn capture_methods() -> Value {
    words([CaptureMethod::Manual, CaptureMethod::Automatic].map(CaptureMethod::as_str))
}

fn currency() -> Value {
    json!({"pattern": "^[A-Z]{3}$"})
}

pub(super) fn event_types() -> Value {
    words(KINDS.map(EventKind::as_str))
}

/// Adds to every schema what its fields may hold.
pub(super) fn refine(schemas: &mut Value) {
    for (schema, field, more) in requests().into_iter().chain(resources()).chain(told()) {
        put(&mut schemas[schema]["properties"][field], &more);
    }
    for (name, schema) in schemas.as_object_mut().into_iter().flatten() {
        let Some(fields) = schema["properties"].as_object() else { continue };
        if is_request(name) {
            schema["additionalProperties"] = json!(false);
            continue;
        }
        let always = fields.keys().filter(|field| !SOMETIMES.contains(&(name, field)));
        schema["required"] = always.map(|field| json!(field)).collect();
    }
    one_token_at_least(&mut schemas["CreatePaymentBody"]);
    for field in ["RedeliverBody", "CaptureBody", "CreateRefundBody"] {
        schemas[field]["description"] = json!("May be left out as a whole.");
    }
    schemas["WebhookEndpointBody"]["properties"]["secret"]["type"] = json!("string");
}

fn is_request(schema: &str) -> bool {
    ["CreatePaymentBody", "CaptureBody", "CreateRefundBody", "SetWebhookEndpointBody", "RedeliverBody"]
        .contains(&schema)
}

/// Puts `more` into a field's schema. Where the field may be null, null is one of its words.
fn put(field: &mut Value, more: &Value) {
    let nullable = field["type"].as_array().is_some_and(|types| types.contains(&json!("null")));
    for (name, mut value) in more.as_object().cloned().unwrap_or_default() {
        if let (true, "enum", Some(words)) = (nullable, name.as_str(), value.as_array_mut()) {
            words.push(Value::Null);
        }
        field[name] = value;
    }
}

/// What the strict reader asks of the tokens: known providers, one at least, and one for the provider asked for.
fn one_token_at_least(create: &mut Value) {
    let token = json!({"type": ["string", "null"], "minLength": 1, "maxLength": limits::TOKEN_CHARS, "pattern": "^[^\\u0000]+$"});
    let names = ProviderName::ALL.map(ProviderName::as_str);
    let has = |name: &str| json!({"required": [name], "properties": {name: {"type": "string"}}});
    let methods = &mut create["properties"]["payment_method"];
    methods["properties"] = names.iter().map(|name| ((*name).to_owned(), token.clone())).collect();
    methods["additionalProperties"] = json!(false);
    methods["anyOf"] = names.iter().map(|name| has(name)).collect();
    methods.as_object_mut().map(|methods| methods.remove("propertyNames"));
    let asked_for = |name: &&str| {
        json!({
            "if": {"required": ["provider"], "properties": {"provider": {"const": name}}},
            "then": {"properties": {"payment_method": has(name)}},
        })
    };
    create["allOf"] = names.iter().map(asked_for).collect();
}

type Fields = Vec<(&'static str, &'static str, Value)>;

fn requests() -> Fields {
    let amount = || json!({"minimum": 1, "maximum": Money::MAX_MINOR});
    let key =
        json!({"type": "string", "minLength": 1, "maxLength": limits::METADATA.key_chars, "pattern": "^[^\\u0000]+$"});
    let value = json!({"type": "string", "maxLength": limits::METADATA.value_chars, "pattern": "^[^\\u0000]*$"});
    let url = || json!({"format": "uri", "minLength": 1, "maxLength": limits::URL_CHARS});
    vec![
        ("CreatePaymentBody", "amount", amount()),
        ("CreatePaymentBody", "currency", currency()),
        ("CreatePaymentBody", "provider", providers()),
        ("CreatePaymentBody", "capture_method", capture_methods()),
        ("CreatePaymentBody", "merchant_reference", text(limits::REFERENCE_CHARS)),
        ("CreatePaymentBody", "description", text(limits::DESCRIPTION_CHARS)),
        (
            "CreatePaymentBody",
            "metadata",
            json!({"maxProperties": limits::METADATA.pairs, "propertyNames": key, "additionalProperties": value}),
        ),
        ("CreatePaymentBody", "return_url", url()),
        ("CaptureBody", "amount", amount()),
        ("CreateRefundBody", "amount", amount()),
        ("CreateRefundBody", "reason", text(limits::DESCRIPTION_CHARS)),
        ("SetWebhookEndpointBody", "url", url()),
        ("RedeliverBody", "event_id", id("evt_")),
    ]
}

fn resources() -> Fields {
    let kinds = [OperationKind::Capture, OperationKind::Void, OperationKind::Refund, OperationKind::Reversal];
    vec![
        ("PaymentBody", "id", id("pay_")),
        ("PaymentBody", "object", json!({"const": "payment"})),
        ("PaymentBody", "status", statuses()),
        ("PaymentBody", "amount", json!({"minimum": 1})),
        ("PaymentBody", "amount_captured", json!({"minimum": 0})),
        ("PaymentBody", "amount_refunded", json!({"minimum": 0})),
        ("PaymentBody", "currency", currency()),
        ("PaymentBody", "provider", providers()),
        ("PaymentBody", "provider_request_id", json!({"format": "uuid"})),
        ("PaymentBody", "capture_method", capture_methods()),
        ("PaymentBody", "expires_at", time()),
        ("PaymentBody", "resolve_by", time()),
        ("PaymentBody", "settlement_id", id("stl_")),
        ("PaymentBody", "created_at", time()),
        ("PaymentBody", "updated_at", time()),
        ("PaymentBody", "version", json!({"minimum": 1})),
        ("NextAction", "type", json!({"const": "redirect"})),
        ("NextAction", "url", json!({"format": "uri"})),
        ("PendingOperation", "type", words(kinds.map(OperationKind::as_str))),
        ("PendingOperation", "resolve_by", time()),
        ("RefundBody", "id", id("ref_")),
        ("RefundBody", "object", json!({"const": "refund"})),
        ("RefundBody", "payment_id", id("pay_")),
        ("RefundBody", "amount", json!({"minimum": 1})),
        ("RefundBody", "currency", currency()),
        ("RefundBody", "status", words(refund::STATUSES.map(RefundStatus::as_str))),
        ("RefundBody", "created_at", time()),
        ("RefundBody", "updated_at", time()),
        ("SettlementBody", "id", id("stl_")),
        ("SettlementBody", "object", json!({"const": "settlement"})),
        ("SettlementBody", "date", json!({"format": "date"})),
        ("SettlementBody", "cutoff", time()),
        ("SettlementBody", "status", words(SettlementStatus::ALL.map(SettlementStatus::as_str))),
        ("SettlementBody", "started_at", time()),
        ("SettlementBody", "ended_at", time()),
        ("TotalsBody", "currency", currency()),
    ]
}

fn told() -> Fields {
    let status = || json!({"minimum": 100, "maximum": 599});
    vec![
        ("WebhookEndpointBody", "object", json!({"const": "webhook_endpoint"})),
        ("WebhookEndpointBody", "url", json!({"format": "uri"})),
        ("WebhookEndpointBody", "status", words(["ACTIVE", "PAUSED"])),
        ("WebhookEndpointBody", "secret", json!({"pattern": "^whsec_[A-Za-z0-9+/]+=*$"})),
        ("WebhookEndpointBody", "previous_secret_until", time()),
        ("WebhookEndpointBody", "updated_at", time()),
        ("DeliveriesBody", "payment_id", id("pay_")),
        ("DeliveryBody", "event_id", id("evt_")),
        ("DeliveryBody", "type", event_types()),
        ("DeliveryBody", "status", words(DeliveryStatus::ALL.map(DeliveryStatus::as_str))),
        ("DeliveryBody", "next_attempt_at", time()),
        ("DeliveryAttemptBody", "number", json!({"minimum": 1})),
        ("DeliveryAttemptBody", "at", time()),
        ("DeliveryAttemptBody", "http_status", status()),
        ("TimelineBody", "payment_id", id("pay_")),
        ("ChangeEntry", "at", time()),
        ("ChangeEntry", "what", words(What::ALL.map(What::as_str))),
        ("TransitionEntry", "from", statuses()),
        ("TransitionEntry", "to", statuses()),
        ("CallEntry", "at", time()),
        ("CallEntry", "provider", providers()),
        ("CallEntry", "http_status", status()),
        ("EventEntry", "at", time()),
        ("EventEntry", "provider", providers()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_a_field_that_there_is_not() {
        let api = serde_json::to_value(<super::super::Api as utoipa::OpenApi>::openapi()).unwrap_or_default();
        for (schema, field, _) in requests().into_iter().chain(resources()).chain(told()) {
            assert!(api["components"]["schemas"][schema]["properties"][field].is_object(), "{schema}.{field}");
        }
    }
}
