//! Finding C4: a merchant whose server is down is told all the same, over crashes of ours, or can have it sent again.

use anyhow::{Context, ensure};
use serde_json::Value;

use super::Stage;
use crate::{client::Client, demo::say};

/// Past the whole schedule: one try and six retries take about 33 hours.
const WHOLE_SCHEDULE_SECONDS: u64 = 40 * 3600;

pub(super) async fn play() -> anyhow::Result<()> {
    let mut stage = Stage::start().await?;
    down_then_up(&mut stage).await?;
    crash_after_the_answer(&mut stage).await?;
    down_for_good(&mut stage).await
}

async fn down_then_up(stage: &mut Stage) -> anyhow::Result<()> {
    let client = stage.client()?;
    client.inbox_answers(503, None).await?;
    let id = client.create("drill-c4-1", 1000, "pm_card_visa").await?.text("id").to_owned();
    tried(&client, &id, 1).await?;
    stage.kill().await?;
    stage.restart().await?;
    // The restarted merchant answers 200 again.
    let client = stage.client()?;
    client.advance(3600).await?;
    let delivery = only_delivery(&client, &id).await?;
    let attempts = delivery["attempts"].as_array().map_or(0, Vec::len);
    ensure!(delivery["status"] == "DELIVERED", "expected that a retry after the restart delivers: {delivery}");
    say(&format!("  the merchant was down, the gateway was killed and restarted: delivered by try {attempts}"))
}

async fn crash_after_the_answer(stage: &mut Stage) -> anyhow::Result<()> {
    let client = stage.client()?;
    client.crash_at("after_webhook").await?;
    // The gateway dies after the merchant has answered, before it knows: the payment's own answer may be lost, too.
    _ = client.create("drill-c4-2", 1000, "pm_card_visa").await;
    stage.died().await?;
    stage.restart().await?;
    let client = stage.client()?;
    let id = client.create("drill-c4-2", 1000, "pm_card_visa").await?.text("id").to_owned();
    client.advance(3600).await?;
    ensure!(only_delivery(&client, &id).await?["status"] == "DELIVERED", "expected that it is delivered");
    let mut ids: Vec<_> =
        received(&client, &id).await?.iter().map(|hook| hook["headers"]["webhook-id"].clone()).collect();
    let copies = ids.len();
    ids.dedup();
    ensure!(ids.len() == 1, "expected that every copy carries the same webhook-id: {ids:?}");
    say(&format!("  killed between the merchant's answer and our record: {copies} copies, one webhook-id"))
}

async fn down_for_good(stage: &mut Stage) -> anyhow::Result<()> {
    let client = stage.client()?;
    client.inbox_answers(500, None).await?;
    let id = client.create("drill-c4-3", 1000, "pm_card_visa").await?.text("id").to_owned();
    tried(&client, &id, 1).await?;
    client.advance(WHOLE_SCHEDULE_SECONDS).await?;
    let delivery = only_delivery(&client, &id).await?;
    let attempts = delivery["attempts"].as_array().map_or(0, Vec::len);
    ensure!(delivery["status"] == "DEAD_LETTERED" && attempts == 7, "expected seven tries and an end: {delivery}");
    let dead = client.metric("webhook_deliveries_total{outcome=\"dead_lettered\"}").await?;
    ensure!(dead >= 1.0, "expected that on-call sees it in the metrics");
    client.inbox_answers(200, None).await?;
    client.redeliver(&id).await?;
    client.advance(120).await?;
    let delivery = only_delivery(&client, &id).await?;
    ensure!(delivery["status"] == "DELIVERED", "expected that a redelivery by hand delivers: {delivery}");
    say("  the merchant was down for good: seven tries, dead-lettered, then redelivered by hand")
}

/// Waits until so many tries were made.
async fn tried(client: &Client, id: &str, tries: usize) -> anyhow::Result<()> {
    for _ in 0..500 {
        let made = only_delivery(client, id).await?["attempts"].as_array().map_or(0, Vec::len);
        if made >= tries {
            return Ok(());
        }
        client.pause().await;
    }
    anyhow::bail!("no try was made")
}

async fn only_delivery(client: &Client, id: &str) -> anyhow::Result<Value> {
    client.deliveries(id).await?.into_iter().next().context("an authorized payment has an event")
}

/// What the merchant received of a payment.
async fn received(client: &Client, id: &str) -> anyhow::Result<Vec<Value>> {
    let about = format!("\"id\":\"{id}\"");
    let mut hooks = client.inbox().await?;
    hooks.retain(|hook| hook["body"].as_str().is_some_and(|body| body.contains(&about)));
    Ok(hooks)
}
