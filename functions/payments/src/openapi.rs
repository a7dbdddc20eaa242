//! The description of the merchants' API: from the handlers themselves come calls, parameters and schemas; the modules beside
//! this one add what no signature says. `schemas/openapi.json` is what it renders to, `schemas/webhook-events.json` what is
//! said of the events.
//!
//! Must not know: how a call is carried out.

mod answers;
mod events;
mod examples;
mod fields;
mod problems;

use serde_json::{Map, Value, json};
use utoipa::OpenApi;

/// Tollgate's API.
#[derive(OpenApi)]
#[openapi(
    info(title = "Tollgate"),
    paths(
        crate::payments::create,
        crate::payments::list,
        crate::payments::show,
        crate::payments::capture,
        crate::payments::void,
        crate::payments::timeline,
        crate::refunds::create,
        crate::refunds::show,
        crate::refunds::list,
        crate::webhooks::show_endpoint,
        crate::webhooks::set_endpoint,
        crate::webhooks::rotate_secret,
        crate::webhooks::status,
        crate::webhooks::redeliver,
        crate::webhooks::events,
        crate::settlements::on_date,
        crate::settlements::show,
        crate::payer::returned,
    )
)]
struct Api;

/// What a reader has to know before the first call.
const ABOUT: &str = "A payment gateway: create, capture, void, refund and look at payments, and be told of them.\n\n\
Money is an integer in minor units of its currency: JPY 1000 is one thousand yen. Times are RFC 3339 in UTC. Ids are opaque.\n\n\
Every call of `/v1` needs `X-API-Key`. Calls that move money need an `Idempotency-Key`, best a UUID made once per thing that \
you want to happen: after a time-out or a `5xx`, send the same request with the same key until the answer is final. The same key \
with another request is `422 idempotency_key_reused`. A key is kept for 24 hours at least.\n\n\
`202` means that the outcome is not known yet. An error is `application/problem+json` with a stable `code`; a `4xx` other than \
`provider_refused` wrote nothing and does not use the key up. Fields, codes, event types and enumerated values may be \
added at any time: take what you do not know for something to ignore.";

/// What calls are about, in the order in which they are read.
const TAGS: [(&str, &str); 5] = [
    ("payments", "Take a payment, and follow it."),
    ("refunds", "Give money back, once it is settled."),
    ("webhooks", "Be told: the endpoint, how deliveries stand, and the feed of events."),
    ("settlements", "What the merchant gets, by date and currency."),
    ("payers", "Where payers come back. A merchant never calls this."),
];

/// The description as a whole.
pub fn document() -> Value {
    // Strings, lists and maps: this cannot fail.
    let mut api = serde_json::to_value(Api::openapi()).unwrap_or_default();
    api["info"]["description"] = json!(ABOUT);
    api["tags"] = TAGS.iter().map(|(name, description)| json!({"name": name, "description": description})).collect();
    api["servers"] = json!([{"url": "/", "description": "Where this gateway is"}]);
    api["components"]["securitySchemes"] = json!({"api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key",
        "description": "A merchant's key. Keep it on your server."}});
    fields::refine(&mut api["components"]["schemas"]);
    events::add(&mut api);
    answers::add(&mut api);
    problems::add(&mut api);
    api["components"]["examples"] = examples::all();
    api
}

/// The description, as JSON.
pub fn json() -> String {
    pretty(&document())
}

/// The JSON Schema of the events that merchants are sent, each with its type, and nothing but what it needs.
pub fn webhook_events() -> String {
    pretty(&events::schema(&document()))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Every call with its path and method.
fn operations(api: &mut Value) -> impl Iterator<Item = (&str, &str, &mut Map<String, Value>)> {
    let paths = api["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object_mut().into_iter().flatten();
        methods.filter_map(move |(method, call)| Some((path.as_str(), method.as_str(), call.as_object_mut()?)))
    })
}
