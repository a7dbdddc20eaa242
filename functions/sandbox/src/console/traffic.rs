//! Throughput, latency, and how breakers, queues and checks stand: what `/metrics` and `/health/deep` say. The page's script asks
//! for it every second and draws it.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{RawQuery, State},
};
use maud::{Markup, html};
use serde_json::{Value, json};
use tollgate_api::Problem;
use tollgate_runtime::metrics;

use super::{
    Console,
    forms::Fields,
    page::{Section, Tone, badge, page, wide},
    story::words,
};
use crate::exposition::Scrape;

/// Whose requests are drawn.
const MERCHANTS_API: [(&str, &str); 1] = [("function", "payments")];

/// Sums that are shown as numbers: a title and a metric.
const SUMS: [(&str, &str); 7] = [
    ("Payments that need review", "payments_need_review"),
    ("Payments that wait too long", "payments_stuck"),
    ("Violations of the books' invariants", "money_invariant_violations"),
    ("Open reconciliation exceptions", "reconciliation_exceptions_open"),
    ("Providers' events that wait for the store", "provider_events_waiting"),
    ("Requests over a merchant's limit", "rate_limited_total"),
    ("Requests refused as too many", "load_shed_total"),
];

/// One thing that is watched.
struct Standing {
    group: &'static str,
    name: String,
    value: String,
    tone: Tone,
}

pub(super) async fn show(State(console): State<Console>, RawQuery(query): RawQuery) -> Result<Markup, Problem> {
    let note = Fields::query(query.as_ref())?.note(&console);
    let standing = standing(&console).await;
    let body = html! {
        section aria-labelledby="requests" data-traffic="/console/traffic/now" {
            h2 id="requests" { "The merchants' API, now" }
            noscript { p { "The plots need the page's script; the numbers below are of the moment when the page was asked for." } }
            div.columns {
                figure { figcaption { "Requests a second, by status" } div.plot data-plot="requests" {} p.values data-values="requests" { "Waiting for the second look." } }
                figure { figcaption { "Time to the answer in ms, of the last 10 s" } div.plot data-plot="latency" {} p.values data-values="latency" { "Waiting for the second look." } }
            }
            p.hidden role="status" aria-live="polite" data-announce {}
        }
        section aria-labelledby="standing" {
            h2 id="standing" { "How things stand" }
            (wide("How things stand, as a table", &table(&standing)))
            p.small { "From " a href="/health/deep" { "/health/deep" } " and " a href="/metrics" { "/metrics" } "." }
        }
    };
    Ok(page(&console, Some(Section::Traffic), "Traffic", note.as_ref(), &body))
}

fn table(standing: &[Standing]) -> Markup {
    html! {
        table {
            caption.hidden { "Checks, breakers, queues and counts" }
            thead { tr { @for name in ["What", "Of", "Stands"] { th scope="col" { (name) } } } }
            tbody {
                @for of in standing {
                    tr { td { (of.group) } td { (of.name) } td data-standing=(format!("{}/{}", of.group, of.name)) { (badge(&of.value, of.tone)) } }
                }
            }
        }
    }
}

/// What the script draws. Counts only grow: it takes the differences.
pub(super) async fn now(State(console): State<Console>) -> Json<Value> {
    let scrape = scrape(&console);
    let mut requests = BTreeMap::from([("2xx", 0), ("4xx", 0), ("5xx", 0)]);
    for (labels, count) in scrape.counts("http_requests_total", &MERCHANTS_API, &["status"]) {
        let class = match labels.first().and_then(|status| status.chars().next()) {
            Some('5') => "5xx",
            Some('4') => "4xx",
            _ => "2xx",
        };
        *requests.entry(class).or_default() += count;
    }
    let latency = scrape.histogram("http_request_duration_seconds", &MERCHANTS_API);
    let standing = standing(&console).await.into_iter().map(|of| {
        json!({"key": format!("{}/{}", of.group, of.name), "value": of.value, "tone": of.tone.class(), "sign": of.tone.sign()})
    });
    Json(json!({
        "requests": requests,
        // (JSON has no infinity: the last bound is null.)
        "latency": latency.buckets(),
        "standing": standing.collect::<Vec<_>>(),
    }))
}

fn scrape(console: &Console) -> Scrape {
    Scrape::parse(&metrics::install().render(&console.system))
}

async fn standing(console: &Console) -> Vec<Standing> {
    let mut all = Vec::new();
    let mut say = |group, name: String, value: String, tone| all.push(Standing { group, name, value, tone });
    let deep = match console.shops.first() {
        Some(shop) => shop.client.get("/health/deep").await.map(|answer| answer.body).unwrap_or_default(),
        None => Value::Null,
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let members = |name: &str| deep[name].as_object().cloned().unwrap_or_default();
    for (name, check) in members("checks") {
        let outcome = text(&check["outcome"]);
        let tone = if outcome == "ok" { Tone::Done } else { Tone::Failed };
        say("Check", name, format!("{}, {} ms", words(&outcome), check["latency_ms"]), tone);
    }
    for (name, state) in members("circuit_breakers") {
        let state = text(&state);
        let tone = match state.as_str() {
            "closed" => Tone::Done,
            "open" => Tone::Failed,
            _ => Tone::Waiting,
        };
        say("Circuit breaker", name, words(&state), tone);
    }
    for (name, state) in members("providers") {
        let tone = if state == "on" { Tone::Done } else { Tone::Waiting };
        say("Provider", name, text(&state), tone);
    }
    for (name, depth) in members("queue_depths") {
        say("Messages in queue", words(&name), text(&depth), Tone::Plain);
    }
    for (name, count) in members("admission") {
        say("Requests", words(&name), text(&count), Tone::Plain);
    }
    say("Oldest due delivery", "age in s".to_owned(), text(&deep["oldest_due_delivery_age_seconds"]), Tone::Plain);
    let scrape = scrape(console);
    for (labels, count) in scrape.counts("webhook_deliveries_total", &[], &["outcome"]) {
        say("Tries of deliveries", words(&labels.concat()), count.to_string(), Tone::Plain);
    }
    for (labels, count) in scrape.counts("provider_calls_total", &[], &["provider", "outcome"]) {
        say("Calls to providers", words(&labels.join(", ")), count.to_string(), Tone::Plain);
    }
    for (title, metric) in SUMS {
        let count = scrape.count(metric, &[]);
        let bad = count > 0 && !metric.ends_with("_total");
        say("Count", title.to_owned(), count.to_string(), if bad { Tone::Waiting } else { Tone::Plain });
    }
    all
}
