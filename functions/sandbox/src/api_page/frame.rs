//! The page as a whole: its frame, its contents, and the sections.

use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use super::{
    Reader,
    call::{self, Call},
    curl, schema,
};

/// The whole page.
pub(super) fn page(api: &Value, reader: &Reader) -> Markup {
    let calls = call::all(api);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "API · Tollgate sandbox" }
                link rel="stylesheet" href="/docs/docs.css";
                link rel="icon" href="/docs/icon.svg" type="image/svg+xml";
                script defer src="/docs/docs.js" {}
            }
            body {
                a.skip href="#main" { "To the content" }
                header {
                    p.brand { a href="/console" { "Tollgate" } " sandbox" }
                    nav aria-label="Sandbox" {
                        ul {
                            li { a href="/console" { "Console" } }
                            li { a href="/docs" aria-current="page" { "API" } }
                            li { a href="/docs/openapi.json" { "openapi.json" } }
                            li { a href="/docs/webhook-events.json" { "webhook-events.json" } }
                        }
                    }
                }
                div.columns {
                    details.contents open { summary { "Contents" } (contents(api, &calls)) }
                    main id="main" tabindex="-1" {
                        h1 { "The API" span.small { " version " (text(&api["info"]["version"])) } }
                        (prose(text(&api["info"]["description"])))
                        (start(api, &calls, reader))
                        @for tag in list(&api["tags"]) { (section(api, tag, &calls, reader)) }
                        (webhooks(api))
                        (errors(api))
                        (objects(api))
                    }
                }
                p.hidden role="status" aria-live="polite" id="news" {}
            }
        }
    }
}

fn contents(api: &Value, calls: &[Call]) -> Markup {
    html! {
        nav aria-label="Contents" {
            ul {
                li { a href="#start" { "Start" } }
                @for tag in list(&api["tags"]) {
                    li {
                        a href={ "#" (text(&tag["name"])) } { (capital(text(&tag["name"]))) }
                        ul { @for call in calls.iter().filter(|call| call.tag() == text(&tag["name"])) {
                            li { a href={ "#" (call.id()) } { span.method { (call.method) } " " (shortened(call.path)) } }
                        } }
                    }
                }
                li { a href="#webhook-events" { "Webhook events" } }
                li { a href="#errors" { "Errors" } }
                li { a href="#objects" { "Objects" } }
            }
        }
    }
}

/// What all paths begin with need not be read again.
fn shortened(path: &str) -> &str {
    path.strip_prefix("/v1").unwrap_or(path)
}

fn start(api: &Value, calls: &[Call], reader: &Reader) -> Markup {
    html! {
        section aria-labelledby="start" {
            h2 id="start" { "Start" }
            p { "This sandbox is at " code { (reader.url) } ", and its first merchant's key is in every command below. Commands name the payment that they are about \
                by " code { "PAYMENT" } ": this makes one. (One that was captured cannot be voided: make another before. \
                A refund needs a settlement: that comes at night, or when the console's " a href="/console/switches#clock" { "clock" } " is moved, in a sandbox whose clock is simulated.)" }
            @if let Some(create) = calls.iter().find(|call| call.id() == "create") { (curl::command(&curl::kept(create, api, reader, "PAYMENT"))) }
        }
    }
}

fn section(api: &Value, tag: &Value, calls: &[Call], reader: &Reader) -> Markup {
    let name = text(&tag["name"]);
    html! {
        section aria-labelledby=(name) {
            h2 id=(name) { (capital(name)) }
            (prose(text(&tag["description"])))
            @for call in calls.iter().filter(|call| call.tag() == name) { (call.show(api, reader)) }
        }
    }
}

fn webhooks(api: &Value) -> Markup {
    let first = members(&api["webhooks"]).next().map(|(_, item)| &item["post"]);
    html! {
        section aria-labelledby="webhook-events" {
            h2 id="webhook-events" { "Webhook events" }
            @if let Some(first) = first {
                (prose(text(&first["description"])))
                h3 { "Headers" }
                (call::parameters(api, &first["parameters"]))
                h3 { "Your answer" }
                dl { @for (status, response) in members(&first["responses"]) {
                    dt { code { (status) } } dd { (inline(text(&response["description"]))) }
                } }
            }
            @for (name, item) in members(&api["webhooks"]) {
                article aria-labelledby={ "event-" (name) } {
                    h3 id={ "event-" (name) } { code { (name) } }
                    (prose(text(&item["post"]["summary"])))
                    (call::examples(api, &item["post"]["requestBody"]["content"]))
                }
            }
        }
    }
}

fn errors(api: &Value) -> Markup {
    html! {
        section aria-labelledby="errors" {
            h2 id="errors" { "Errors" }
            p { "Each is " code { "application/problem+json" } ": " (schema::link("ProblemBody")) "." }
            div.wide { table {
                thead { tr { th scope="col" { "Code" } th scope="col" { "Status" } th scope="col" { "Meaning" } th scope="col" { "Where" } } }
                tbody { @for problem in list(&api["x-problem-codes"]) {
                    tr {
                        th scope="row" id={ "error-" (text(&problem["code"])) } { code { (text(&problem["code"])) } }
                        td { (problem["status"]) }
                        td { (inline(text(&problem["description"]))) @if let Some(wait) = problem["retry_after"].as_u64() { " " code { "Retry-After: " (wait) } " where nothing else is known." } }
                        td { (where_from(problem)) }
                    }
                } }
            } }
        }
    }
}

fn where_from(problem: &Value) -> Markup {
    let calls: Vec<_> = list(&problem["calls"]).map(text).collect();
    html! {
        @if calls.is_empty() { (text(&problem["elsewhere"])) }
        @else { details { summary { (calls.len()) @if calls.len() == 1 { " call" } @else { " calls" } } ul { @for call in calls { li { code { (call) } } } } } }
    }
}

fn objects(api: &Value) -> Markup {
    html! {
        section aria-labelledby="objects" {
            h2 id="objects" { "Objects" }
            @for (name, object) in members(&api["components"]["schemas"]) {
                article aria-labelledby={ "object-" (name) } {
                    h3 id={ "object-" (name) } { code { (name) } }
                    (prose(text(&object["description"])))
                    (schema::fields(object))
                }
            }
        }
    }
}

/// Paragraphs, in which backticks stand around code.
pub(super) fn prose(words: &str) -> Markup {
    html! { @for paragraph in words.split("\n\n").filter(|paragraph| !paragraph.is_empty()) { p { (inline(paragraph)) } } }
}

/// The same, within a line.
pub(super) fn inline(words: &str) -> Markup {
    html! { @for (at, part) in words.split('`').enumerate() { @if at % 2 == 1 { code { (part) } } @else { (part) } } }
}

pub(super) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A string of the document.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What stands in a list of the document.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What stands in an object of the document.
pub(super) fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// What a reference of the document leads to; anything else is itself.
pub(super) fn resolved<'a>(api: &'a Value, value: &'a Value) -> &'a Value {
    value["$ref"].as_str().and_then(|reference| api.pointer(reference.trim_start_matches('#'))).unwrap_or(value)
}
