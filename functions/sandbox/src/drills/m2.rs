//! Finding M2: providers' webhooks that come twice, late, in the wrong order, or for a payment that nobody knows.

use anyhow::ensure;
use serde_json::json;

use super::{Stage, story::Story};
use crate::demo::say;

const PAYMENTS: usize = 5;

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let stage = Stage::start(story).await?;
    let client = stage.client()?;
    for kind in ["duplicate_webhooks", "reorder_webhooks"] {
        client.fault("stripe", &json!({"kind": kind, "times": 2 * PAYMENTS})).await?;
    }
    let mut ids = Vec::new();
    for number in 0..PAYMENTS {
        let made = client.create(&format!("drill-m2-{number}"), 700, "pm_card_visa").await?;
        let id = made.text("id").to_owned();
        let captured = client.capture(&id, &format!("drill-m2-capture-{number}"), None).await?;
        ensure!(captured.text("status") == "CAPTURED", "expected that the capture is answered: {}", captured.body);
        ids.push(id);
    }
    // Whatever was held back comes out now.
    client.advance(4 * 3600).await?;
    for id in &ids {
        let payment = client.payment(id).await?;
        ensure!(payment["amount_captured"] == 700, "expected that events change nothing that is known: {payment}");
        let mut seen = Vec::new();
        for entry in client.timeline(id).await?.iter().filter(|entry| entry["type"] == "provider_event") {
            ensure!(!seen.contains(&entry["event_id"]), "expected that an event is taken once: {entry}");
            seen.push(entry["event_id"].clone());
        }
        ensure!(!seen.is_empty(), "expected that events came");
    }
    let duplicates = client.metric("provider_webhooks_total{provider=\"stripe\",outcome=\"duplicate\"}").await?;
    ensure!(duplicates >= 1.0, "expected that duplicates are counted");
    say(&format!(
        "  {PAYMENTS} payments, webhooks doubled and out of order: {duplicates} duplicates, each effect once"
    ))?;

    let unmatched = "provider_webhooks_total{provider=\"stripe\",outcome=\"unmatched\"}";
    let before = client.metric(unmatched).await?;
    stage.charge_of_somebody_else().await?;
    client.advance(60).await?;
    let after = client.metric(unmatched).await?;
    ensure!(after > before, "expected that an event for a payment that nobody knows is counted for on-call");
    say("  a webhook for a payment that we do not know: answered 404 and counted")
}
