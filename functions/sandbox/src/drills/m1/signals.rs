//! The four golden signals in drill M1: what `/metrics` and the log say of the load, held against what its senders counted.
//!
//! Must not know: how the load was made.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::load::{Sent, count};
use crate::{
    drills::story::Story,
    exposition::{Histogram, Scrape},
};

/// What is promised: 95 % of payments within this (docs/slo.md).
const PROMISED: f64 = 0.5;
/// What a client may take longer than the function says: the connection, and a busy machine.
const ON_THE_WAY: f64 = 0.5;
/// Requests as the functions count them.
const REQUESTS: &str = "http_requests_total";
const CALLS: &str = "provider_request_duration_seconds_count";
const DURATIONS: &str = "http_request_duration_seconds";
const PAYMENTS: [(&str, &str); 1] = [("function", "payments")];

type Counts = BTreeMap<Vec<String>, u64>;

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// The same in both, and nothing else in either.
fn agrees(story: &Story, (asked, what): (&str, &str), shown: &Counts, own: &Counts) -> anyhow::Result<()> {
    for key in shown.keys().chain(own.keys()) {
        let (said, counted) = (shown.get(key).unwrap_or(&0), own.get(key).unwrap_or(&0));
        ensure!(said == counted, "expected {counted} {what} of {key:?}, which were counted, not {said}");
    }
    ensure!(!own.is_empty(), "expected {what}");
    let kinds = |many: usize| if many == 1 { "1 kind".to_owned() } else { format!("{many} kinds") };
    let all = |counts: &Counts| format!("{} {what} of {}", counts.values().sum::<u64>(), kinds(counts.len()));
    story.check_equal(asked, all(own), all(shown))
}

/// Rows as `a 3, b 4`.
fn listed(counts: &Counts) -> String {
    let rows = counts.iter().map(|(key, count)| {
        let key: Vec<_> = key.iter().filter(|word| !word.is_empty()).map(String::as_str).collect();
        format!("{} {count}", key.join(" "))
    });
    rows.collect::<Vec<_>>().join(", ")
}

/// By endpoint from the metrics, by merchant from the log: what is per merchant is no label.
pub(super) fn traffic(
    story: &Story,
    grown: &Scrape,
    lines: &[Value],
    ids: &BTreeMap<String, &str>,
    sent: &[Sent],
) -> anyhow::Result<()> {
    let routes = |sent: &Sent| words([sent.method.as_str(), sent.route]);
    let by = ["method", "route", "status", "code"];
    let answers = |sent: &Sent| {
        let status = sent.answer.status.to_string();
        words([sent.method.as_str(), sent.route, &status, sent.code()])
    };
    agrees(
        story,
        ("traffic, segmented by endpoint, status and error type (http_requests_total)", "requests"),
        &grown.counts(REQUESTS, &PAYMENTS, &by),
        &count(sent, answers),
    )?;
    let done: Vec<_> = sent.iter().filter(|sent| !sent.endpoint().is_empty() && sent.answer.status != 401).collect();
    let payments = |sent: &&Sent| {
        let (status, body) = (sent.answer.text("status"), &sent.answer);
        match sent.code() {
            "" if sent.endpoint() == "refund" => words(["refund", "", status, ""]),
            "" => words([sent.endpoint(), body.text("provider"), status, ""]),
            code => words([sent.endpoint(), "", "", code]),
        }
    };
    let by = ["endpoint", "provider", "status", "error_type"];
    agrees(
        story,
        ("the RED metric by endpoint, provider, status and error type (payment_requests_total)", "payment requests"),
        &grown.counts("payment_requests_total", &[], &by),
        &count(&done, payments),
    )?;
    story.tell("metrics", "traffic, by endpoint (http_requests_total):")?;
    for (key, count) in count(sent, routes) {
        story.tell("metrics", format!("  {:<5} {:<28} {count:>4}", key[0], key[1]))?;
    }

    let whose = |line: &Value| {
        let id = line["merchant"].as_str().unwrap_or_default();
        let request = &line["httpRequest"];
        let status = request["status"].to_string();
        words([ids.get(id).copied().unwrap_or(id), request["requestUrl"].as_str().unwrap_or_default(), &status])
    };
    let own = |sent: &Sent| words([sent.who, sent.route, &sent.answer.status.to_string()]);
    agrees(
        story,
        ("traffic by merchant, from the log (as a label it would be a series for each merchant)", "log lines"),
        &count(lines, whose),
        &count(sent, own),
    )?;
    let merchants = count(sent, |sent| vec![if sent.who.is_empty() { "nobody's" } else { sent.who }.to_owned()]);
    story.tell("log", format!("traffic, by merchant: {}", listed(&merchants)))?;
    ensure!(
        !grown.all(REQUESTS, &[]).any(|sample| sample.labels.contains_key("merchant")),
        "expected no label for merchants"
    );
    let limited = count(sent.iter().filter(|sent| sent.answer.status == 429), |_| words(["merchant"]));
    agrees(
        story,
        ("rate limit hits are a metric (rate_limited_total)", "refusals"),
        &grown.counts("rate_limited_total", &[("scope", "merchant")], &["scope"]),
        &limited,
    )?;
    story.tell("metrics", format!("traffic, over a merchant's own limit (rate_limited_total): {}", listed(&limited)))
}

/// A provider's trouble, a merchant's mistake and a payer's decline are three things.
pub(super) fn errors(story: &Story, grown: &Scrape, sent: &[Sent]) -> anyhow::Result<()> {
    let mistakes = sent.iter().filter(|sent| (400..500).contains(&sent.answer.status));
    let mistakes: Counts = count(mistakes, |sent| words([sent.code()]));
    let told = |class: char| {
        let mut shown = Counts::new();
        for sample in grown.all(REQUESTS, &PAYMENTS).filter(|sample| sample.label("status").starts_with(class)) {
            let one = grown.counts(
                REQUESTS,
                &[("status", sample.label("status")), ("code", sample.label("code"))],
                &["code"],
            );
            shown.extend(one);
        }
        shown
    };
    agrees(story, ("errors by type: validation errors are told apart", "merchants' mistakes"), &told('4'), &mistakes)?;
    ensure!(mistakes.len() >= 8, "expected many kinds: {mistakes:?}");
    story.tell("metrics", format!("errors, merchants' own: {}", listed(&mistakes)))?;

    let made = || sent.iter().filter(|sent| sent.was_sent_on());
    let declines = made().filter(|sent| sent.answer.text("status") == "FAILED");
    let declines = count(declines, |sent| words([sent.provider]));
    let refused = [("operation", "authorize"), ("outcome", "refused")];
    let refused = grown.counts(CALLS, &refused, &["provider"]);
    agrees(story, ("errors by type: payers' declines", "declines"), &refused, &declines)?;
    story.tell("metrics", format!("errors, payers' (declined): {}", listed(&declines)))?;

    let unknown = made().filter(|sent| sent.answer.text("status") == "PENDING");
    let unknown = count(unknown, |sent| words([sent.provider]));
    let turned_away = sent.iter().filter(|sent| sent.code() == "provider_unavailable");
    let turned_away = count(turned_away, |sent| words([sent.provider]));
    let calls = |outcome| grown.counts("provider_calls_total", &[("outcome", outcome)], &["provider"]);
    agrees(story, ("errors by type: provider failures", "calls that failed"), &calls("failed"), &unknown)?;
    agrees(
        story,
        ("errors by type: calls not made, for the breaker is open", "calls that were not made"),
        &calls("turned_away"),
        &turned_away,
    )?;
    agrees(
        story,
        ("errors by type: calls without an outcome", "calls without an outcome"),
        &grown.counts(CALLS, &[("outcome", "unknown")], &["provider"]),
        &unknown,
    )?;
    let asked = count(made().filter(|sent| sent.provider == "stripe"), |sent| {
        let outcome = match sent.answer.text("status") {
            "FAILED" => "refused",
            "PENDING" => "unknown",
            _ => "succeeded",
        };
        words([if sent.endpoint() == "create" { "authorize" } else { sent.endpoint() }, outcome])
    });
    let mut calls = grown.counts(CALLS, &[("provider", "stripe")], &["operation", "outcome"]);
    // Stripe's events have it asked again how a payment stands.
    calls.retain(|call, _| call[0] != "look_up");
    agrees(story, ("what Stripe was asked for, by operation and outcome", "calls to Stripe"), &calls, &asked)?;
    story.tell(
        "metrics",
        format!(
            "errors, providers': no outcome {}, not sent for the breaker is open {}; of no other provider",
            listed(&unknown),
            listed(&turned_away),
        ),
    )
}

/// The objective's share and the alert's quantile, each as what was measured outside.
pub(super) fn latency(story: &Story, grown: &Scrape, sent: &[Sent]) -> anyhow::Result<()> {
    let promised =
        format!("latency, {PROMISED} s are promised to 95 % (http_request_duration_seconds; measured outside):");
    story.tell("metrics", promised)?;
    let mut routes = 0;
    let by = |sent: &Sent| (sent.method.clone().to_string(), sent.route);
    for ((method, route), requests) in count(sent, by) {
        let labels = [("function", "payments"), ("method", &*method), ("route", route)];
        let histogram = grown.histogram(DURATIONS, &labels);
        ensure!(histogram.count() == requests, "expected {requests} of {method} {route}, not {}", histogram.count());
        let all = sent.iter().filter(|sent| by(sent) == (method.clone(), route));
        let mut own: Vec<_> = all.map(|sent| sent.took.as_secs_f64()).collect();
        own.sort_by(f64::total_cmp);
        let seconds = grown.sum("http_request_duration_seconds_sum", &labels);
        let measured: f64 = own.iter().sum();
        ensure!(
            seconds <= measured,
            "expected no more than the {measured} s of {method} {route} that passed: {seconds}"
        );
        let (within, p95, own_within, own_p95) =
            compare(&histogram, &own).with_context(|| format!("{method} {route}"))?;
        let above = if p95 > PROMISED { "  latency-p95 is due" } else { "" };
        let within = format!("within {within:>3} of {requests:>3} ({own_within:>3})");
        story.tell("metrics", format!("  {method:<5} {route:<28} {within}, p95 {p95:>6.3} s ({own_p95:.3}){above}"))?;
        routes += 1;
    }
    story.check(
        "latency against the 500 ms objective: shares and p95 are what was measured outside",
        "every endpoint",
        format!("{routes} endpoints"),
        routes > 0,
    )
}

fn compare(histogram: &Histogram, own: &[f64]) -> anyhow::Result<(u64, f64, usize, f64)> {
    let within = histogram.within(PROMISED).context("the objective's bound is a bucket's")?;
    // The function measures less than its client: what is late for it is late for him.
    let own_within = own.iter().filter(|took| **took <= PROMISED).count();
    let at_most = own.iter().filter(|took| **took <= PROMISED + ON_THE_WAY).count();
    ensure!(
        (own_within as u64..=at_most as u64).contains(&within),
        "expected {own_within} to {at_most} within {PROMISED} s, not {within}"
    );
    let quantile = histogram.quantile(0.95).context("there is a quantile")?;
    let rank = (own.len() * 95).div_ceil(100).saturating_sub(1);
    let own_p95 = *own.get(rank).context("there is a quantile")?;
    ensure!(
        quantile.above < own_p95 && own_p95 <= quantile.at_most + ON_THE_WAY,
        "expected the 95th percentile near {own_p95} s, not from {} to {}",
        quantile.above,
        quantile.at_most
    );
    Ok((within, quantile.estimate, own_within, own_p95))
}
