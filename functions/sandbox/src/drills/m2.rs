//! Finding M2: providers' webhooks that come twice, late, in the wrong order, or for a payment that nobody knows.

use anyhow::ensure;
use serde_json::json;

use super::{Stage, story::Story};
use crate::client::Client;

const PAYMENTS: usize = 5;
const DUPLICATE: &str = "provider_webhooks_total{provider=\"stripe\",outcome=\"duplicate\"}";
const UNMATCHED: &str = "provider_webhooks_total{provider=\"stripe\",outcome=\"unmatched\"}";

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let stage = Stage::start(story).await?;
    let client = stage.client()?;
    for kind in ["duplicate_webhooks", "reorder_webhooks"] {
        client.fault("stripe", &json!({"kind": kind, "times": 2 * PAYMENTS})).await?;
    }
    story.tell("drill", "from now on Stripe sends each webhook twice, and out of order")?;
    let mut ids = Vec::new();
    for number in 0..PAYMENTS {
        let made = client.create(&format!("drill-m2-{number}"), 700, "pm_card_visa").await?;
        let id = made.text("id").to_owned();
        if number == 0 {
            story.payment(&client, &id).await?;
        }
        let captured = client.capture(&id, &format!("drill-m2-capture-{number}"), None).await?;
        ensure!(captured.text("status") == "CAPTURED", "expected that the capture is answered: {}", captured.body);
        ids.push(id);
    }
    story.tell("merchant", format!("{PAYMENTS} payments of 700 yen, each captured; of the first again:"))?;
    story.payment(&client, &ids[0]).await?;
    // Whatever was held back comes out now.
    story.later(&client, 4 * 3600).await?;
    story.payment(&client, &ids[0]).await?;
    twice_and_out_of_order(story, &client, &ids).await?;

    let before = client.metric(UNMATCHED).await?;
    stage.charge_of_somebody_else().await?;
    story.tell("stripe", "charges a card for somebody else on the same account, and sends its webhooks to us")?;
    story.later(&client, 60).await?;
    let after = client.metric(UNMATCHED).await?;
    story.tell("on-call", format!("{UNMATCHED} was {before} and is {after}"))?;
    story.check(
        "a webhook of an unknown payment is rejected (404) and counted for on-call",
        format!("more than {before}"),
        after,
        after > before,
    )?;
    story.charged_once(&client).await
}

async fn twice_and_out_of_order(story: &Story, client: &Client, ids: &[String]) -> anyhow::Result<()> {
    let (mut right, mut came, mut doubled) = (0, 0, 0);
    for id in ids {
        let payment = client.payment(id).await?;
        right += usize::from(payment["amount_captured"] == 700 && payment["status"] != "FAILED");
        let mut seen = Vec::new();
        for entry in client.timeline(id).await?.iter().filter(|entry| entry["type"] == "provider_event") {
            doubled += usize::from(seen.contains(&entry["event_id"]));
            seen.push(entry["event_id"].clone());
        }
        ensure!(!seen.is_empty(), "expected that events came");
        came += seen.len();
    }
    let duplicates = client.metric(DUPLICATE).await?;
    story.tell("gateway", format!("of all {PAYMENTS}: {came} events taken; {DUPLICATE} is {duplicates}"))?;
    story.check(
        "duplicate webhooks are detected and answered 200: counted",
        "1 at least",
        duplicates,
        duplicates >= 1.0,
    )?;
    story.check_equal("each event id is processed once: taken twice", 0, doubled)?;
    story.check_equal("no wrong state update: payments with their 700 yen captured once", ids.len(), right)
}
