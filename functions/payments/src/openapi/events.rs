//! The webhooks: one for each type of event, with the headers that sign it and what our side makes of the answer.

use serde_json::{Map, Value, json};
use tollgate_api::events::KINDS;
use tollgate_domain::EventKind;

use super::fields;

const REFERENCE: &str = "#/components/schemas/";

/// What each type says.
const fn meaning(kind: EventKind) -> &'static str {
    match kind {
        EventKind::PaymentAuthorized => "The money is held; capture or void it before `expires_at`.",
        EventKind::PaymentCaptured => "The money was taken, or a part of it: `amount_captured`.",
        EventKind::PaymentCaptureFailed => "A capture came to nothing. The payment is as it was before.",
        EventKind::PaymentSettled => "It is part of a settlement, `settlement_id`, and can be refunded from now on.",
        EventKind::PaymentFailed => "It came to nothing: `failure` says why.",
        EventKind::PaymentVoided => "What was held is released.",
        EventKind::PaymentRefunded => "All that was captured went back.",
        EventKind::PaymentNeedsReview => {
            "Its outcome could not be found out in time, and somebody here looks into it. Nothing is to be done."
        }
        EventKind::RefundCompleted => "The payer has the money back.",
        EventKind::RefundFailed => {
            "A refund came to nothing, also one that was `COMPLETED`: the amount can be refunded again."
        }
    }
}

const fn is_refund(kind: EventKind) -> bool {
    matches!(kind, EventKind::RefundCompleted | EventKind::RefundFailed)
}

/// Adds the events' schemas, and the section `webhooks`.
pub(super) fn add(api: &mut Value) {
    for (name, data, about) in [
        ("PaymentEvent", "PaymentBody", "the payment as it then was"),
        ("RefundEvent", "RefundBody", "the refund as it then was"),
    ] {
        api["components"]["schemas"][name] = event(name, data, about);
    }
    let any =
        json!({"oneOf": [{"$ref": format!("{REFERENCE}PaymentEvent")}, {"$ref": format!("{REFERENCE}RefundEvent")}]});
    api["components"]["schemas"]["EventsBody"]["properties"]["data"]["items"] = any;
    api["webhooks"] = KINDS.iter().map(|kind| (kind.as_str().to_owned(), json!({"post": webhook(*kind)}))).collect();
}

fn event(name: &str, data: &str, about: &str) -> Value {
    let types: Vec<_> =
        KINDS.into_iter().filter(|kind| is_refund(*kind) == (name == "RefundEvent")).map(EventKind::as_str).collect();
    let mut id = fields::id("evt_");
    id["type"] = json!("string");
    id["description"] = json!("The same at every try, and in the feed: what was taken once need not be taken again.");
    json!({
        "type": "object",
        "description": "What a webhook carries. Take fields and types that you do not know for something to ignore.",
        "required": ["id", "type", "created_at", "sequence", "data"],
        "properties": {
            "id": id,
            "type": {"type": "string", "enum": types, "description": "What happened."},
            "created_at": {"type": "string", "format": "date-time", "description": "When it happened."},
            "sequence": {"type": "integer", "format": "int32", "minimum": 1,
                "description": "1, 2, 3 … within the payment, without gaps. Deliveries can overtake each other: this is the order."},
            "data": {"$ref": format!("{REFERENCE}{data}"), "description": about},
        },
    })
}

/// The schema of an event of one type.
fn of_type(kind: EventKind) -> Value {
    let schema = if is_refund(kind) { "RefundEvent" } else { "PaymentEvent" };
    json!({"allOf": [{"$ref": format!("{REFERENCE}{schema}")}, {"type": "object", "properties": {"type": {"const": kind.as_str()}}}]})
}

fn webhook(kind: EventKind) -> Value {
    let name = kind.as_str();
    let header = |name: &str, description: &str, schema: Value, example: &str| json!({"name": name, "in": "header", "required": true, "description": description, "schema": schema, "example": example});
    let mut id = fields::id("evt_");
    id["type"] = json!("string");
    json!({
        "tags": ["events"],
        "operationId": name,
        "summary": meaning(kind),
        "description": "Signed as Standard Webhooks: check the signature over the body as it came, before anything reads it, and \
            refuse what is older than five minutes. Answer `2xx` within 10 seconds, and work afterwards.",
        "parameters": [
            header("webhook-id", "The event's id, the same at every try.", id, "evt_01mcbmk9w0hrnd2zshj3m1n0r1"),
            header("webhook-timestamp", "When this try was signed: seconds since 1970.",
                json!({"type": "string", "pattern": "^[0-9]+$"}), "1799982000"),
            header("webhook-signature", "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, with the endpoint's secret. \
                For a day after the secret was rotated there are several, separated by spaces: one that is right is enough.",
                json!({"type": "string", "pattern": "^v1,[A-Za-z0-9+/]+=*( v1,[A-Za-z0-9+/]+=*)*$"}),
                "v1,iBsCi3Y4Se3dJ3q31+hVUlR/EeE5xYKbN8WCzcPXNps="),
        ],
        "requestBody": {
            "required": true,
            "content": {"application/json": {
                "schema": of_type(kind),
                "examples": {name: {"$ref": format!("#/components/examples/{name}")}},
            }},
        },
        "responses": {
            "2XX": {"description": "Taken. It is not sent again"},
            "410": {"description": "The endpoint is paused: deliveries wait until its URL is set again"},
            "default": {"description": "Not taken; a redirect is not followed. It is tried again after 1 min, 5 min, 30 min, 2 h, 6 h and 24 h \
                (`Retry-After` is honoured), then given up, and can be redelivered by hand"},
        },
    })
}

/// A JSON Schema of its own for events, from the description's.
pub(super) fn schema(api: &Value) -> Value {
    let wanted =
        ["PaymentEvent", "RefundEvent", "PaymentBody", "RefundBody", "NextAction", "PendingOperation", "FailureBody"];
    let schemas = &api["components"]["schemas"];
    let definitions: Map<String, Value> =
        wanted.iter().map(|name| ((*name).to_owned(), schemas[*name].clone())).collect();
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tollgate's events",
        "description": "The body of a webhook, and an element of the feed of events.",
        "oneOf": KINDS.map(of_type),
        "$defs": definitions,
    });
    serde_json::from_str(&whole.to_string().replace(REFERENCE, "#/$defs/")).unwrap_or_default()
}
