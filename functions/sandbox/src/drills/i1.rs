//! Finding I1: on-call can see what a payment went through, over functions and providers: one trace from the merchant's
//! request to the merchant's webhook.

use anyhow::{Context, ensure};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;

use super::{Stage, story::Story};
use crate::collector::Collector;

/// The merchant's own span, which the first trace goes on from.
const CALLER: &str = "00f067aa0ba902b7";
/// How long Stripe takes, so that it shows.
const SLOW_MS: u64 = 400;
/// Payments without a collector.
const AWAY: usize = 20;
const LOST: &str = "trace_spans_total{outcome=\"lost\"}";

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let mut stage = Stage::start_with(
        story,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
            ("OTEL_TRACES_SAMPLER", "parentbased_always_on"),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ],
    )
    .await?;
    // Stripe's own events would tell us sooner than its slow answer, and be the origin of what is published.
    stage.client()?.fault("stripe", &json!({"kind": "drop_webhooks", "times": 100})).await?;
    one_trace(&stage, &collector).await?;
    over_a_crash(&mut stage, &collector).await?;
    without_collector(&stage, collector).await
}

async fn one_trace(stage: &Stage, collector: &Collector) -> anyhow::Result<()> {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4701";
    let (story, client) = (&stage.story, stage.client()?.in_trace(&format!("00-{TRACE}-{CALLER}-01")));
    stage.client()?.fault("stripe", &json!({"kind": "slow", "times": 1, "ms": SLOW_MS})).await?;
    story.tell("drill", format!("Stripe will take {SLOW_MS} ms for the next request"))?;
    story.tell("merchant", format!("asks for a payment within his own trace {TRACE}, span {CALLER}"))?;
    let made = client.create("drill-i1-1", 1000, "pm_card_visa").await?;
    story.tell("merchant", format!("is answered {} {}", made.status, made.text("status")))?;
    ensure!(made.text("status") == "AUTHORIZED", "expected a payment: {}", made.body);
    let spans = seen(stage, collector, TRACE, &["POST /v1/payments", "payment-events"]).await?;
    let (request, call) = (only(&spans, "POST /v1/payments")?, only(&spans, "stripe authorize")?);
    story.tell(
        "collector",
        format!("has {} spans of this trace, one within another; each began after the request by:", spans.len()),
    )?;
    show(story, &spans, &request.parent_span_id, (0, request.start_time_unix_nano))?;
    let asked = "distributed tracing: the trace goes on from the merchant's own span";
    story.check_equal(asked, CALLER, &hex::encode(&request.parent_span_id))?;
    let asked = "it shows who was slow: Stripe's call";
    story.check(
        asked,
        format!("{SLOW_MS} ms at least"),
        format!("{} ms", milliseconds(call)),
        milliseconds(call) >= SLOW_MS,
    )?;
    let (publish, message) = (only(&spans, "publish")?, only(&spans, "payment-events")?);
    let within = [(call, request), (publish, request), (message, publish), (only(&spans, "webhook")?, message)];
    for (child, parent) in within {
        ensure!(child.parent_span_id == parent.span_id, "expected {} within {}", child.name, parent.name);
    }
    let inside = within.iter().filter(|(child, parent)| child.parent_span_id == parent.span_id).count();
    let asked = "key operations are instrumented: provider call, publishing, message, merchant's webhook, each within its cause";
    story.check_equal(asked, 4, inside)?;
    let text = format!("{spans:?}");
    let secrets = ["pm_card", "drill-i1"].into_iter().filter(|secret| text.contains(secret)).count();
    story.check_equal("and no span holds a card or a key: found", 0, secrets)
}

async fn over_a_crash(stage: &mut Stage, collector: &Collector) -> anyhow::Result<()> {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4702";
    let story = stage.story.clone();
    let client = stage.client()?.in_trace(&format!("00-{TRACE}-{CALLER}-01"));
    story.tell("drill", "the gateway is to die within the next delivery, after the merchant's answer")?;
    client.crash_at("after_webhook").await?;
    _ = client.create("drill-i1-2", 1000, "pm_card_visa").await;
    stage.died().await?;
    let handled = || collector.trace(TRACE).iter().filter(|span| span.name == "payment-events").count();
    let before = handled();
    story.tell("collector", format!("has {before} handlings of the message in trace {TRACE}"))?;
    stage.restart().await?;
    seen(stage, collector, TRACE, &["payment-events"]).await?;
    let after = handled();
    story.tell("collector", format!("has {after} handlings of the message in trace {TRACE}"))?;
    let asked = "the trace goes on over a crash: the message's second handling is in the payment's trace";
    story.check(asked, format!("more than {before}"), after, after > before)
}

async fn without_collector(stage: &Stage, collector: Collector) -> anyhow::Result<()> {
    drop(collector);
    let (story, client) = (&stage.story, stage.client()?);
    story.tell("drill", "the collector is gone")?;
    let mut paid = 0;
    for payment in 0..AWAY {
        let made = client.create(&format!("drill-i1-away-{payment}"), 1000, "pm_card_visa").await?;
        paid += usize::from(made.status == 201);
    }
    story.tell("merchant", format!("{paid} of {AWAY} payments are made"))?;
    story.check_equal("nobody waits for traces: payments made without a collector", AWAY, paid)?;
    let mut lost = 0.0;
    for _ in 0..500 {
        lost = client.metric(LOST).await?;
        if lost > 0.0 {
            break;
        }
        client.pause().await;
    }
    story.tell("on-call", format!("{LOST} is {lost}"))?;
    story.check("and on-call sees that spans are lost", "1 at least", lost, lost > 0.0)
}

/// Waits until spans with these names have come, and gives the trace as it is then. What is within them came before: a span
/// is sent when it ends.
async fn seen(stage: &Stage, collector: &Collector, trace: &str, names: &[&str]) -> anyhow::Result<Vec<Span>> {
    let client = stage.client()?;
    for _ in 0..500 {
        let spans = collector.trace(trace);
        if names.iter().all(|name| spans.iter().any(|span| span.name == *name)) {
            return Ok(spans);
        }
        client.pause().await;
    }
    let came: Vec<_> = collector.trace(trace).into_iter().map(|span| span.name).collect();
    anyhow::bail!("the collector never got all of {names:?}, only {came:?}")
}

fn only<'a>(spans: &'a [Span], name: &str) -> anyhow::Result<&'a Span> {
    let mut found = spans.iter().filter(|span| span.name == name);
    let first = found.next().with_context(|| format!("there is no {name}"))?;
    ensure!(found.next().is_none(), "expected {name} once");
    Ok(first)
}

fn milliseconds(span: &Span) -> u64 {
    span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano) / 1_000_000
}

/// Draws what is below a span, with when after the request each began and how long it took.
fn show(story: &Story, spans: &[Span], parent: &[u8], (depth, began): (usize, u64)) -> anyhow::Result<()> {
    for span in spans.iter().filter(|span| span.parent_span_id == parent) {
        let name = format!("{:indent$}{}", "", span.name, indent = 4 * depth);
        let after = span.start_time_unix_nano.saturating_sub(began) / 1_000_000;
        story.tell("collector", format!("{name:<36} +{after:>4} ms, took {:>4} ms", milliseconds(span)))?;
        show(story, spans, &span.span_id, (depth + 1, began))?;
    }
    Ok(())
}
