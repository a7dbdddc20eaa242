//! Finding C4: a merchant whose server is down is told all the same, over crashes of ours, or can have it sent again.

use anyhow::Context;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    Stage,
    story::Story,
    wording::{short, span},
};
use crate::client::Client;

/// Past the whole schedule: one try and six retries take about 33 hours.
const WHOLE_SCHEDULE_SECONDS: u64 = 40 * 3600;

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let mut stage = Stage::start(story).await?;
    down_then_up(&mut stage).await?;
    crash_after_the_answer(&mut stage).await?;
    down_for_good(&mut stage).await
}

async fn down_then_up(stage: &mut Stage) -> anyhow::Result<()> {
    let (story, client) = (stage.story.clone(), stage.client()?);
    client.inbox_answers(503, None).await?;
    story.tell("drill", "1: the merchant's server answers 503 to every webhook")?;
    let id = client.create("drill-c4-1", 1000, "pm_card_visa").await?.text("id").to_owned();
    tried(&client, &id, 1).await?;
    story.payment(&client, &id).await?;
    stage.kill().await?;
    stage.restart().await?;
    // The restarted merchant answers 200 again.
    story.tell("drill", "the merchant's server is up again")?;
    let client = stage.client()?;
    story.later(&client, 3600).await?;
    story.payment(&client, &id).await?;
    let delivery = only_delivery(&client, &id).await?;
    let attempts = delivery["attempts"].as_array().map_or(0, Vec::len);
    let asked = "retry state is persisted: a retry after the restart delivers";
    story.check(asked, "DELIVERED", format!("{} by try {attempts}", word(&delivery)), word(&delivery) == "DELIVERED")
}

async fn crash_after_the_answer(stage: &mut Stage) -> anyhow::Result<()> {
    let (story, client) = (stage.story.clone(), stage.client()?);
    story.tell("drill", "2: the gateway is to die when the merchant has answered a webhook, before that is written")?;
    client.crash_at("after_webhook").await?;
    // The gateway dies after the merchant has answered, before it knows: the payment's own answer may be lost, too.
    _ = client.create("drill-c4-2", 1000, "pm_card_visa").await;
    stage.died().await?;
    stage.restart().await?;
    let client = stage.client()?;
    let id = client.create("drill-c4-2", 1000, "pm_card_visa").await?.text("id").to_owned();
    story.tell("merchant", format!("{}  asks for the payment again, with its key", short(&id)))?;
    story.payment(&client, &id).await?;
    story.later(&client, 3600).await?;
    story.payment(&client, &id).await?;
    let delivery = only_delivery(&client, &id).await?;
    story.check_equal("no notification is lost by a crash of ours", "DELIVERED", word(&delivery))?;
    let mut ids: Vec<_> =
        received(&client, &id).await?.iter().map(|hook| hook["headers"]["webhook-id"].clone()).collect();
    let copies = ids.len();
    ids.sort_by_key(ToString::to_string);
    ids.dedup();
    story
        .tell("merchant", format!("{}  has {copies} copies in his inbox, with {} webhook-id", short(&id), ids.len()))?;
    story.check_equal("what comes twice can be told: webhook-ids of all copies", 1, ids.len())
}

async fn down_for_good(stage: &mut Stage) -> anyhow::Result<()> {
    let (story, client) = (stage.story.clone(), stage.client()?);
    client.inbox_answers(500, None).await?;
    story.tell("drill", "3: the merchant's server answers 500 for longer than the whole schedule")?;
    let id = client.create("drill-c4-3", 1000, "pm_card_visa").await?.text("id").to_owned();
    tried(&client, &id, 1).await?;
    story.payment(&client, &id).await?;
    story.later(&client, WHOLE_SCHEDULE_SECONDS).await?;
    story.payment(&client, &id).await?;
    let delivery = only_delivery(&client, &id).await?;
    let tries: Vec<_> = delivery["attempts"].as_array().into_iter().flatten().map(at).collect::<anyhow::Result<_>>()?;
    let waits = tries.windows(2).map(|pair| pair[1].duration_since(pair[0]).unsigned_abs()).map(span);
    story.check(
        "exponential backoff (the review: 1 min, 5 min, 30 min, 2 h, 6 h, 24 h; each a little by lot)",
        "6 retries and then the dead letters",
        format!("{} retries after {}, {}", tries.len() - 1, waits.collect::<Vec<_>>().join(", "), word(&delivery)),
        word(&delivery) == "DEAD_LETTERED" && tries.len() == 7,
    )?;
    let dead = client.metric("webhook_deliveries_total{outcome=\"dead_lettered\"}").await?;
    story.tell("on-call", format!("webhook_deliveries_total{{outcome=\"dead_lettered\"}} is {dead}"))?;
    story.check("on-call sees failed deliveries in the metrics", "1 at least", dead, dead >= 1.0)?;
    client.inbox_answers(200, None).await?;
    story.tell("merchant", "his server is up again; he asks how his webhooks stand, and has them sent again")?;
    client.redeliver(&id).await?;
    story.later(&client, 120).await?;
    story.payment(&client, &id).await?;
    let delivery = only_delivery(&client, &id).await?;
    story.check_equal("the status API shows it, and a redelivery by hand delivers", "DELIVERED", word(&delivery))
}

fn word(delivery: &Value) -> &str {
    delivery["status"].as_str().unwrap_or_default()
}

fn at(attempt: &Value) -> anyhow::Result<Timestamp> {
    Ok(attempt["at"].as_str().context("a try has its time")?.parse()?)
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
