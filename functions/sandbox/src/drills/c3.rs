//! Finding C3: payments whose answer, webhook or payer never came. The jobs find out, without the merchant.

use anyhow::ensure;
use serde_json::{Value, json};

use super::{Stage, story::Story, wording::short};
use crate::client::Client;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let stage = Stage::start(story).await?;
    let client = stage.client()?;
    charged_and_not_told(story, &client).await?;
    never_arrived(story, &client).await?;
    unreachable(story, &client).await?;
    payer_who_never_comes(story, &client).await?;
    hold_past_its_end(story, &client).await?;
    late_success(&stage, &client).await?;
    let stuck = client.metrics().await?.sum("payments_stuck", &[]);
    story.check("the stuck transaction count is a metric, and at the end nothing is stuck", 0, stuck, stuck == 0.0)
}

async fn charged_and_not_told(story: &Story, client: &Client) -> anyhow::Result<()> {
    story.tell("drill", "1: Stripe will charge, and its answer and every webhook will be lost")?;
    client.fault("stripe", &json!({"kind": "drop_webhooks", "times": 3})).await?;
    client.fault("stripe", &json!({"kind": "charge_then_timeout", "times": 1, "ms": 100})).await?;
    let id = pending(story, client, "drill-c3-1", "pm_card_visa").await?;
    later(story, client, 20 * MINUTE, &id).await?;
    let asked = "no webhook: the job queries the provider's API and updates the state, within 20 minutes";
    ends_as(story, client, &id, asked, "AUTHORIZED").await.map(drop)
}

async fn never_arrived(story: &Story, client: &Client) -> anyhow::Result<()> {
    story.tell("drill", "2: the request will be lost on its way to Stripe")?;
    client.fault("stripe", &json!({"kind": "timeout", "times": 1, "ms": 100})).await?;
    let id = pending(story, client, "drill-c3-2", "pm_card_visa").await?;
    later(story, client, 30 * MINUTE, &id).await?;
    ends_as(story, client, &id, "no provider response: PENDING → FAILED by time-out, within 30 minutes", "FAILED")
        .await?;
    let charges = charges(client, &id).await?;
    story.check_equal("and nothing was charged that is called failed: charges at Stripe", 0, charges.len())
}

async fn unreachable(story: &Story, client: &Client) -> anyhow::Result<()> {
    story.tell("drill", "3: as 1, and then Stripe cannot be asked for two hours")?;
    client.fault("stripe", &json!({"kind": "charge_then_timeout", "times": 1, "ms": 100})).await?;
    client.fault("stripe", &json!({"kind": "drop_webhooks", "times": 3})).await?;
    let id = pending(story, client, "drill-c3-3", "pm_card_visa").await?;
    client.fault("stripe", &json!({"kind": "unreachable"})).await?;
    later(story, client, 2 * HOUR, &id).await?;
    ends_as(story, client, &id, "nobody guesses while the provider cannot be asked", "PENDING").await?;
    let needs_review = client.metric("payments_need_review").await?;
    story.tell("on-call", format!("payments_need_review is {needs_review}"))?;
    let asked = "on-call is alerted when a reconciliation fails for an hour: payments_need_review";
    story.check(asked, "1 at least", needs_review, needs_review >= 1.0)?;
    story.tell("drill", "Stripe can be asked again")?;
    client.clear_faults("stripe").await?;
    later(story, client, 20 * MINUTE, &id).await?;
    ends_as(story, client, &id, "it is resolved by itself once the provider answers", "AUTHORIZED").await?;
    let needs_review = client.metric("payments_need_review").await?;
    story.check("and nothing needs review any more: payments_need_review", 0, needs_review, needs_review == 0.0)
}

async fn payer_who_never_comes(story: &Story, client: &Client) -> anyhow::Result<()> {
    story.tell("drill", "4: the payer is asked for 3-D Secure, and never comes")?;
    let id = pending(story, client, "drill-c3-4", "pm_card_threeDSecure2Required").await?;
    later(story, client, 45 * MINUTE, &id).await?;
    let payment =
        ends_as(story, client, &id, "a payer who never approves: PENDING → FAILED by time-out", "FAILED").await?;
    ensure!(payment["failure"]["code"] == "approval_expired", "expected that it says why: {payment}");
    cancelled(story, client, &id, "the attempt is cancelled at Stripe too").await
}

async fn hold_past_its_end(story: &Story, client: &Client) -> anyhow::Result<()> {
    story.tell("drill", "5: the merchant never captures")?;
    let id = client.create("drill-c3-5", 1000, "pm_card_visa").await?.text("id").to_owned();
    story.payment(client, &id).await?;
    later(story, client, 8 * DAY, &id).await?;
    ends_as(story, client, &id, "AUTHORIZED → auto-void after 7 days", "VOIDED").await?;
    cancelled(story, client, &id, "the customer's money is no longer held at Stripe").await
}

async fn late_success(stage: &Stage, client: &Client) -> anyhow::Result<()> {
    let story = &stage.story;
    story.tell("drill", "6: as 2, and the lost request arrives at Stripe when everybody has given it up")?;
    client.fault("stripe", &json!({"kind": "timeout", "times": 1, "ms": 100})).await?;
    let id = pending(story, client, "drill-c3-6", "pm_card_visa").await?;
    later(story, client, 30 * MINUTE, &id).await?;
    let payment = client.payment(&id).await?;
    ensure!(payment["status"] == "FAILED", "expected FAILED: {payment}");
    stage.request_arrives_late(&payment).await?;
    story.tell("drill", "the request arrives at Stripe, which charges")?;
    later(story, client, 2 * HOUR, &id).await?;
    let charges = charges(client, &id).await?;
    ensure!(charges.len() == 1, "expected that one charge turned up: {charges:?}");
    let undone = |charge: &&Value| charge["status"] == "canceled" || charge["refunded"] == charge["captured"];
    let undone = charges.iter().filter(undone).count();
    story.check_equal(
        "a success that turns up after FAILED is undone at Stripe: charges undone",
        charges.len(),
        undone,
    )?;
    ends_as(story, client, &id, "and the payment stays what the merchant was told", "FAILED").await.map(drop)
}

/// The merchant pays, and nobody knows how it ended.
async fn pending(story: &Story, client: &Client, key: &str, card: &str) -> anyhow::Result<String> {
    let made = story.follow(client, "stripe", client.create(key, 1000, card)).await??;
    story
        .tell("merchant", format!("{}  is answered {} {}", short(made.text("id")), made.status, made.text("status")))?;
    story.payment(client, made.text("id")).await?;
    ensure!(made.text("status") == "PENDING", "expected that what is not known is not called failed: {}", made.body);
    Ok(made.text("id").to_owned())
}

async fn later(story: &Story, client: &Client, seconds: u64, id: &str) -> anyhow::Result<()> {
    story.later(client, seconds).await?;
    story.payment(client, id).await
}

/// A check of how the payment stands.
async fn ends_as(story: &Story, client: &Client, id: &str, asked: &str, status: &str) -> anyhow::Result<Value> {
    let payment = client.payment(id).await?;
    story.check_equal(asked, status, payment["status"].as_str().unwrap_or_default())?;
    Ok(payment)
}

async fn cancelled(story: &Story, client: &Client, id: &str, asked: &str) -> anyhow::Result<()> {
    let charges = charges(client, id).await?;
    let statuses: Vec<_> = charges.iter().map(|charge| charge["status"].as_str().unwrap_or_default()).collect();
    story.tell("stripe", format!("{}  its own books say {}", short(id), statuses.join(", ")))?;
    story.check(asked, "canceled", statuses.join(", "), statuses.iter().all(|status| *status == "canceled"))
}

async fn charges(client: &Client, id: &str) -> anyhow::Result<Vec<Value>> {
    let mut charges = client.transactions("stripe").await?;
    charges.retain(|charge| charge["payment_id"] == id);
    Ok(charges)
}
