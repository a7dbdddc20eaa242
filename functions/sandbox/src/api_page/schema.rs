//! Schemas in words: what a field is, and what it may hold.

use maud::{Markup, html};
use serde_json::Value;

use super::frame::{inline, list, members, text};

const REFERENCE: &str = "#/components/schemas/";

/// A link to an object.
pub(super) fn link(name: &str) -> Markup {
    html! { a href={ "#object-" (name) } { (name) } }
}

/// The fields of an object; of one that is one of several, those.
pub(super) fn fields(schema: &Value) -> Markup {
    let required: Vec<_> = list(&schema["required"]).map(text).collect();
    let fields: Vec<_> = members(&schema["properties"]).collect();
    html! {
        @if fields.is_empty() { p { (kind(schema)) } }
        @else {
            dl { @for (name, field) in fields {
                dt { code { (name) } @if required.contains(&name) { span.small { " required" } } }
                dd { (inline(text(&field["description"]))) " " span.small { (kind(field)) } }
            } }
        }
    }
}

/// What it is, with its bounds.
pub(super) fn kind(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix(REFERENCE)) {
        return link(name);
    }
    for several in ["oneOf", "allOf"] {
        let parts: Vec<_> =
            list(&schema[several]).filter(|part| part["$ref"].is_string() || several == "oneOf").collect();
        if !parts.is_empty() {
            return html! { @for (at, part) in parts.iter().enumerate() { @if at > 0 { " or " } (kind(part)) } };
        }
    }
    if let Some(items) = schema.get("items") {
        return html! { "list of " (kind(items)) };
    }
    html! { (types(schema)) (words(schema)) (names(schema)) (bounds(schema)) }
}

fn types(schema: &Value) -> String {
    match &schema["type"] {
        Value::String(one) => one.clone(),
        several => list(several).map(text).collect::<Vec<_>>().join(" or "),
    }
}

fn words(schema: &Value) -> Markup {
    let words: Vec<_> = list(&schema["enum"]).chain(schema.get("const")).filter_map(Value::as_str).collect();
    html! { @for (at, word) in words.iter().enumerate() { @if at > 0 { ", " } @else { ": " } code { (word) } } }
}

/// The fields of an object within an object.
fn names(schema: &Value) -> Markup {
    html! { @for (at, (name, _)) in members(&schema["properties"]).enumerate() { @if at > 0 { ", " } @else { " of " } code { (name) } } }
}

fn bounds(schema: &Value) -> String {
    let bound = |name: &str, words: &str| {
        schema.get(name).map(|value| format!(", {words} {}", value.to_string().replace('"', "")))
    };
    [
        bound("format", ""),
        bound("minimum", "at least"),
        bound("maximum", "at most"),
        bound("maxLength", "characters at most:"),
        bound("maxProperties", "entries at most:"),
    ]
    .into_iter()
    .flatten()
    .collect::<String>()
    .replace(",  ", ", ")
}
