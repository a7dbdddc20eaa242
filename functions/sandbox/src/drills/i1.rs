//! Finding I1: on-call can see what a payment went through, over functions and providers: one trace from the merchant's
//! request to the merchant's webhook.

use anyhow::{Context, ensure};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;

use super::{Stage, story::Story};
use crate::{collector::Collector, demo::say};

/// The merchant's own span, which the first trace goes on from.
const CALLER: &str = "00f067aa0ba902b7";
/// How long Stripe takes, so that it shows.
const SLOW_MS: u64 = 400;

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
    let client = stage.client()?.in_trace(&format!("00-{TRACE}-{CALLER}-01"));
    stage.client()?.fault("stripe", &json!({"kind": "slow", "times": 1, "ms": SLOW_MS})).await?;
    let made = client.create("drill-i1-1", 1000, "pm_card_visa").await?;
    ensure!(made.text("status") == "AUTHORIZED", "expected a payment: {}", made.body);
    let spans = seen(stage, collector, TRACE, &["POST /v1/payments", "payment-events"]).await?;
    let (request, call) = (only(&spans, "POST /v1/payments")?, only(&spans, "stripe authorize")?);
    ensure!(
        hex::encode(&request.parent_span_id) == CALLER,
        "expected that the trace goes on from the merchant's own span"
    );
    ensure!(milliseconds(call) >= SLOW_MS, "expected that it shows who was slow: {} ms", milliseconds(call));
    let (publish, message) = (only(&spans, "publish")?, only(&spans, "payment-events")?);
    for (child, parent) in
        [(call, request), (publish, request), (message, publish), (only(&spans, "webhook")?, message)]
    {
        ensure!(child.parent_span_id == parent.span_id, "expected {} within {}", child.name, parent.name);
    }
    let text = format!("{spans:?}");
    ensure!(!text.contains("pm_card") && !text.contains("drill-i1"), "expected nothing of the card, and no key");
    say("  one trace from the merchant's request to the merchant's webhook; it shows that Stripe was slow:")?;
    show(&spans, &request.parent_span_id, 1)
}

async fn over_a_crash(stage: &mut Stage, collector: &Collector) -> anyhow::Result<()> {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4702";
    let client = stage.client()?.in_trace(&format!("00-{TRACE}-{CALLER}-01"));
    client.crash_at("after_webhook").await?;
    _ = client.create("drill-i1-2", 1000, "pm_card_visa").await;
    stage.died().await?;
    let before = collector.trace(TRACE).iter().filter(|span| span.name == "payment-events").count();
    stage.restart().await?;
    let mut spans = seen(stage, collector, TRACE, &["payment-events"]).await?;
    spans.retain(|span| span.name == "payment-events");
    ensure!(spans.len() > before, "expected that the message's second handling is in the payment's trace");
    say("  killed within the delivery: after the restart it is handled again, in the same trace")
}

async fn without_collector(stage: &Stage, collector: Collector) -> anyhow::Result<()> {
    drop(collector);
    let client = stage.client()?;
    for payment in 0..20 {
        let made = client.create(&format!("drill-i1-away-{payment}"), 1000, "pm_card_visa").await?;
        ensure!(made.status == 201, "expected that payments go on: {}", made.body);
    }
    let mut lost = 0.0;
    for _ in 0..500 {
        lost = client.metric("trace_spans_total{outcome=\"lost\"}").await?;
        if lost > 0.0 {
            break;
        }
        client.pause().await;
    }
    ensure!(lost > 0.0, "expected that on-call sees in the metrics that spans are lost");
    say("  the collector is gone: payments go on, and a metric says that spans are lost")
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

/// Draws what is below a span, with how long each took.
fn show(spans: &[Span], parent: &[u8], depth: usize) -> anyhow::Result<()> {
    for span in spans.iter().filter(|span| span.parent_span_id == parent) {
        let name = format!("{:indent$}{}", "", span.name, indent = 4 * depth);
        say(&format!("  {name:<40} {:>4} ms", milliseconds(span)))?;
        show(spans, &span.span_id, depth + 1)?;
    }
    Ok(())
}
