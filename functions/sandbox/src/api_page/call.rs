//! One call: what is asked, what is answered, and the command that makes it.

use maud::{Markup, html};
use serde_json::Value;

use super::{
    Reader, curl,
    frame::{inline, list, members, prose, resolved, text},
    schema,
};

/// A call of the document.
pub(super) struct Call<'a> {
    pub(super) method: String,
    pub(super) path: &'a str,
    pub(super) said: &'a Value,
}

/// Every call, in the order of their paths; what makes something comes before what lists it.
pub(super) fn all(api: &Value) -> Vec<Call<'_>> {
    let mut all: Vec<_> = members(&api["paths"])
        .flat_map(|(path, item)| {
            members(item).map(move |(method, call)| Call { method: method.to_uppercase(), path, said: call })
        })
        .collect();
    all.sort_by_key(|call| (call.path, call.method != "POST"));
    all
}

impl Call<'_> {
    pub(super) fn tag(&self) -> &str {
        text(&self.said["tags"][0])
    }

    pub(super) fn id(&self) -> &str {
        text(&self.said["operationId"])
    }

    /// The call with all that belongs to it.
    pub(super) fn show(&self, api: &Value, reader: &Reader) -> Markup {
        let body = &self.said["requestBody"];
        html! {
            article aria-labelledby=(self.id()) {
                h3 id=(self.id()) { span.method.(self.method.to_lowercase()) { (self.method) } " " code { (self.path) } }
                p { b { (inline(text(&self.said["summary"]))) } }
                (prose(text(&self.said["description"])))
                (curl::command(&curl::of(self, api, reader)))
                h4 { "Parameters" }
                (parameters(api, &self.said["parameters"]))
                @if body.is_object() {
                    h4 { "Body" @if body["required"] != true { span.small { " may be left out" } } }
                    @for (media_type, content) in members(&body["content"]) {
                        p.small { code { (media_type) } ", " (schema::kind(&content["schema"])) }
                        (schema::fields(resolved(api, &content["schema"])))
                    }
                    (examples(api, &body["content"]))
                }
                h4 { "Answers" }
                @for (status, response) in members(&self.said["responses"]).filter(|(status, _)| !is_error(status)) { (answer(api, status, response)) }
                @for (status, response) in members(&self.said["responses"]).filter(|(status, _)| is_error(status)) { (answer(api, status, response)) }
            }
        }
    }
}

fn is_error(status: &str) -> bool {
    status.starts_with(['4', '5'])
}

fn answer(api: &Value, status: &str, response: &Value) -> Markup {
    let codes: Vec<_> = if is_error(status) {
        members(&response["content"])
            .flat_map(|(_, content)| members(&content["examples"]))
            .map(|(code, _)| code)
            .collect()
    } else {
        Vec::new()
    };
    html! {
        details.answer {
            summary {
                span.status.error[is_error(status)] { (status) } " "
                @if codes.is_empty() { (inline(text(&response["description"]))) }
                @for code in &codes { code { (code) } " " }
            }
            @if !codes.is_empty() { ul { @for line in text(&response["description"]).lines() { li { (inline(line)) } } } }
            @for (media_type, content) in members(&response["content"]) {
                p.small { code { (media_type) } ", " (schema::kind(&content["schema"])) }
            }
            dl { @for (name, header) in members(&response["headers"]) {
                dt { code { (name) } } dd { (inline(text(&resolved(api, header)["description"]))) }
            } }
            (examples(api, &response["content"]))
        }
    }
}

/// The examples of a body, each to be unfolded.
pub(super) fn examples(api: &Value, content: &Value) -> Markup {
    html! {
        @for (_, content) in members(content) {
            @for example in members(&content["examples"]).map(|(_, example)| resolved(api, example)) {
                details {
                    summary { "Example: " (inline(text(&example["summary"]))) }
                    pre tabindex="0" { code { (shown(&example["value"])) } }
                }
            }
        }
    }
}

/// JSON as one reads it; a text as it is.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

/// Parameters, each with what it may be.
pub(super) fn parameters(api: &Value, parameters: &Value) -> Markup {
    html! {
        dl { @for parameter in list(parameters).map(|parameter| resolved(api, parameter)) {
            dt { code { (text(&parameter["name"])) } span.small { " " (text(&parameter["in"])) @if parameter["required"] == true { ", required" } } }
            dd { (inline(text(&parameter["description"]))) " " span.small { (schema::kind(&parameter["schema"])) } }
        } }
    }
}
