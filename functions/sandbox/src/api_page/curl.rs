//! The command that makes a call, for a shell.

use std::fmt::Write;

use maud::{Markup, html};
use serde_json::Value;

use super::{
    Reader,
    call::Call,
    frame::{list, members, resolved, text},
};

/// A command with a button that copies it.
pub(super) fn command(text: &str) -> Markup {
    html! {
        div.command {
            pre tabindex="0" { code { (text) } }
            button type="button" hidden { "Copy" }
        }
    }
}

/// The call with curl: the id that it wants, its required parameters, and the first example of its body.
pub(super) fn of(call: &Call, api: &Value, reader: &Reader) -> String {
    let before = match variable(call.path) {
        REFUND => newest(reader, "REFUND", "payments/$PAYMENT/refunds", ".data[-1].id"),
        SETTLEMENT => newest(reader, "SETTLEMENT", "settlements?date=$(TZ=Asia/Tokyo date +%F)", ".id"),
        _ => String::new(),
    };
    before + &alone(call, api, reader)
}

/// The call, with the id of what it made kept in a variable.
pub(super) fn kept(call: &Call, api: &Value, reader: &Reader, variable: &str) -> String {
    format!("{variable}=$({} | jq -r .id); echo \"${variable}\"", alone(call, api, reader))
}

/// A line that takes an id out of a list.
fn newest(reader: &Reader, variable: &str, list: &str, which: &str) -> String {
    let Reader { url, api_key } = reader;
    format!("{variable}=$(curl -sS \"{url}/v1/{list}\" -H 'X-API-Key: {api_key}' | jq -r '{which}')\n")
}

fn alone(call: &Call, api: &Value, reader: &Reader) -> String {
    let mut url = format!("{}{}", reader.url, call.path);
    for (placeholder, variable) in [("{id}", variable(call.path)), ("{opaque}", "$OPAQUE")] {
        url = url.replace(placeholder, variable);
    }
    let required = || {
        list(&call.said["parameters"])
            .map(|parameter| resolved(api, parameter))
            .filter(|parameter| parameter["required"] == true)
    };
    for (at, parameter) in required().filter(|parameter| parameter["in"] == "query").enumerate() {
        let before = if at == 0 { '?' } else { '&' };
        _ = write!(url, "{before}{}={}", text(&parameter["name"]), text(&parameter["example"]));
    }
    let method = if call.method == "GET" { String::new() } else { format!("-X {} ", call.method) };
    let mut command = format!("curl -sS {method}\"{url}\"");
    if call.said["security"].is_array() {
        _ = write!(command, " \\\n  -H 'X-API-Key: {}'", reader.api_key);
    }
    if required().any(|parameter| parameter["name"] == "Idempotency-Key") {
        command += " \\\n  -H \"Idempotency-Key: try-$(date +%s)\"";
    }
    if let Some((media_type, body)) = body(call, api) {
        let body = &here(body.clone(), reader);
        _ = write!(
            command,
            " \\\n  -H 'Content-Type: {media_type}' \\\n  -d '{}'",
            body.to_string().replace('\'', "'\\''")
        );
    }
    command
}

/// The examples' endpoint is nobody's: pasted as it stands, it would take the sandbox's webhooks away from its inbox.
fn here(mut body: Value, reader: &Reader) -> Value {
    if body["url"].is_string() {
        body["url"] = format!("{}{}", reader.url, crate::inbox::PATH).into();
    }
    body
}

const REFUND: &str = "$REFUND";
const SETTLEMENT: &str = "$SETTLEMENT";

fn variable(path: &str) -> &'static str {
    match path {
        _ if path.contains("/refunds/") => REFUND,
        _ if path.contains("/settlements/") => SETTLEMENT,
        _ => "$PAYMENT",
    }
}

fn body<'a>(call: &Call<'a>, api: &'a Value) -> Option<(&'a str, &'a Value)> {
    let (media_type, content) = members(&call.said["requestBody"]["content"]).next()?;
    let (_, example) = members(&content["examples"]).next()?;
    Some((media_type, &resolved(api, example)["value"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_has_the_key_the_address_and_what_the_call_needs() {
        let api = json!({"components": {"examples": {"one": {"value": {"reason": "it's late"}}}}});
        let call = json!({
            "security": [{"api_key": []}],
            "parameters": [
                {"name": "id", "in": "path", "required": true},
                {"name": "Idempotency-Key", "in": "header", "required": true},
                {"name": "date", "in": "query", "required": true, "example": "2027-01-16"},
                {"name": "limit", "in": "query", "required": false, "example": 20},
            ],
            "requestBody": {"content": {"application/json": {"examples": {"one": {"$ref": "#/components/examples/one"}}}}},
        });
        let reader = Reader { url: "http://127.0.0.1:1".to_owned(), api_key: "sk".to_owned() };
        let call = Call { method: "POST".to_owned(), path: "/v1/payments/{id}/refund", said: &call };
        let expected = "curl -sS -X POST \"http://127.0.0.1:1/v1/payments/$PAYMENT/refund?date=2027-01-16\" \\\n  -H 'X-API-Key: sk' \\\n  \
            -H \"Idempotency-Key: try-$(date +%s)\" \\\n  -H 'Content-Type: application/json' \\\n  -d '{\"reason\":\"it'\\''s late\"}'";
        assert_eq!(of(&call, &api, &reader), expected);
    }
}
