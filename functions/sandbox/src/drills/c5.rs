//! Finding C5: the process dies between the provider's charge and our record of it.

use anyhow::{Context, ensure};
use serde_json::Value;

use super::{
    Stage,
    story::{Story, ids},
    wording::short,
};
use crate::client::{Answer, Client};

/// The review's own first: it is told, the others are counted.
const POINTS: [&str; 4] = ["after_call", "before_intent", "after_intent", "after_outcome"];
const YEN: i64 = 900;

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let mut stage = Stage::start(story).await?;
    let mut ends = Vec::new();
    for (number, point) in POINTS.into_iter().enumerate() {
        story.quiet(number > 0);
        let id = create(&mut stage, point).await?;
        capture(&mut stage, point, &id).await?;
        story.quiet(false);
        let row = transaction(&stage.client()?, &id).await?;
        story.tell(
            "stripe",
            format!("{}  killed at {point} in create and capture; its own books say {}", short(&id), books(&row)),
        )?;
        ends.push((charges(&stage.client()?, &id).await?, row["captured"].as_i64()));
    }
    let once = ends.iter().filter(|(charges, _)| *charges == 1).count();
    let taken = ends.iter().filter(|(_, taken)| *taken == Some(YEN)).count();
    let all = POINTS.len();
    story.check_equal("no double charge when the merchant retries: payments with one charge at Stripe", all, once)?;
    story.check_equal("no orphaned charge: payments whose whole 900 yen were captured once", all, taken)?;
    story.books_add_up(&stage.client()?).await
}

/// Dies in a create, and the merchant retries.
async fn create(stage: &mut Stage, point: &str) -> anyhow::Result<String> {
    let (story, key) = (stage.story.clone(), format!("drill-c5-create-{point}"));
    let known = ids(&stage.client()?, "stripe").await?;
    armed(stage, point).await?;
    story.tell("merchant", format!("asks for a payment of {YEN} yen, Idempotency-Key {key}"))?;
    let cut_off = stage.client()?.create(&key, YEN, "pm_card_visa").await;
    cut_off_is_told(&story, cut_off)?;
    stage.died().await?;
    stage.restart().await?;
    let client = stage.client()?;
    for id in ids(&client, "stripe").await?.difference(&known) {
        let payment = client.payment(id).await?;
        let text = |field: &str| payment[field].as_str().unwrap_or("none");
        let (status, request, there) = (text("status"), text("provider_request_id"), text("provider_transaction_id"));
        let row = format!("{status}, provider_request_id {request}, transaction {there}; its timeline has this:");
        let charge = transaction(&client, id).await.map_or("nothing of it".to_owned(), |row| books(&row));
        story.tell("stripe", format!("{}  its own books say {charge}", short(id)))?;
        story.tell("database", format!("{}  {row}", short(id)))?;
        story.payment(&client, id).await?;
    }
    story.tell("merchant", "sends the same request again, with the same key")?;
    let retried = client.create(&key, YEN, "pm_card_visa").await?;
    let id = retried.text("id").to_owned();
    story.payment(&client, &id).await?;
    story.tell("merchant", format!("{}  is answered {} {}", short(&id), retried.status, retried.text("status")))?;
    ensure!(
        retried.text("status") == "AUTHORIZED",
        "expected that the retry finds or makes the charge: {}",
        retried.body
    );
    let row = transaction(&client, &id).await?;
    let linked = client.payment(&id).await?["provider_transaction_id"] == row["provider_transaction_id"];
    ensure!(linked, "expected that the payment is linked with the charge: {row}");
    ensure!(row["provider_request_id"] == retried.body["provider_request_id"], "expected the same request id: {row}");
    story.tell("stripe", format!("{}  its own books say {}", short(&id), books(&row)))?;
    let charges = charges(&client, &id).await?;
    ensure!(charges == 1, "expected one charge at Stripe, not {charges}");
    if point == "after_call" {
        let asked = "the database links the charge that the crash orphaned (provider_transaction_id)";
        story.check_equal(
            asked,
            text(&row, "provider_transaction_id"),
            text(&retried.body, "provider_transaction_id"),
        )?;
        let asked = "the retry goes out under the first attempt's provider_request_id";
        story.check_equal(asked, text(&row, "provider_request_id"), text(&retried.body, "provider_request_id"))?;
    }
    Ok(id)
}

/// Dies in its capture, and the merchant retries.
async fn capture(stage: &mut Stage, point: &str, id: &str) -> anyhow::Result<()> {
    let (story, key) = (stage.story.clone(), format!("drill-c5-capture-{point}"));
    armed(stage, point).await?;
    story.tell("merchant", format!("{}  asks for the capture", short(id)))?;
    let cut_off = stage.client()?.capture(id, &key, None).await;
    cut_off_is_told(&story, cut_off)?;
    stage.died().await?;
    stage.restart().await?;
    let client = stage.client()?;
    story.payment(&client, id).await?;
    story.tell("merchant", format!("{}  asks for the capture again, with the same key", short(id)))?;
    let retried = client.capture(id, &key, None).await?;
    story.payment(&client, id).await?;
    story.tell("merchant", format!("{}  is answered {} {}", short(id), retried.status, retried.text("status")))?;
    ensure!(
        retried.status == 200 && retried.text("status") == "CAPTURED",
        "expected that the retry captures: {}",
        retried.body
    );
    let taken = transaction(&client, id).await?["captured"].as_i64();
    ensure!(taken == Some(YEN), "expected that Stripe took {YEN}, not {taken:?}");
    Ok(())
}

async fn armed(stage: &Stage, point: &str) -> anyhow::Result<()> {
    stage.story.tell("drill", format!("the gateway is to die at {point}"))?;
    stage.client()?.crash_at(point).await
}

fn cut_off_is_told(story: &Story, answer: anyhow::Result<Answer>) -> anyhow::Result<()> {
    match answer {
        Err(_) => story.tell("merchant", "has no answer: the connection broke"),
        Ok(answer) => anyhow::bail!("expected that the process dies before it answers: {}", answer.body),
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn books(row: &Value) -> String {
    format!("{} {}, {} yen captured", text(row, "provider_transaction_id"), text(row, "status"), row["captured"])
}

async fn charges(client: &Client, id: &str) -> anyhow::Result<usize> {
    let transactions = client.transactions("stripe").await?;
    Ok(transactions.iter().filter(|transaction| transaction["payment_id"] == id).count())
}

async fn transaction(client: &Client, id: &str) -> anyhow::Result<Value> {
    let transactions = client.transactions("stripe").await?;
    transactions.into_iter().find(|transaction| transaction["payment_id"] == id).context("Stripe knows the payment")
}
