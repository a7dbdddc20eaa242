//! Finding C3: payments whose answer, webhook or payer never came. The jobs find out, without the merchant.

use anyhow::ensure;
use serde_json::{Value, json};

use super::Stage;
use crate::{client::Client, demo::say};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

pub(super) async fn play() -> anyhow::Result<()> {
    let stage = Stage::start().await?;
    let client = stage.client()?;
    charged_and_not_told(&client).await?;
    never_arrived(&client).await?;
    unreachable(&client).await?;
    payer_who_never_comes(&client).await?;
    hold_past_its_end(&client).await?;
    late_success(&stage, &client).await
}

async fn charged_and_not_told(client: &Client) -> anyhow::Result<()> {
    client.fault("stripe", &json!({"kind": "drop_webhooks", "times": 3})).await?;
    client.fault("stripe", &json!({"kind": "charge_then_timeout", "times": 1, "ms": 100})).await?;
    let id = pending(client, "drill-c3-1", "pm_card_visa").await?;
    client.advance(20 * MINUTE).await?;
    ends_as(client, &id, "AUTHORIZED").await?;
    say("  charged, and the answer and every webhook were lost: found at Stripe and authorized")
}

async fn never_arrived(client: &Client) -> anyhow::Result<()> {
    client.fault("stripe", &json!({"kind": "timeout", "times": 1, "ms": 100})).await?;
    let id = pending(client, "drill-c3-2", "pm_card_visa").await?;
    client.advance(30 * MINUTE).await?;
    ends_as(client, &id, "FAILED").await?;
    ensure!(charges(client, &id).await?.is_empty(), "expected that nothing was charged");
    say("  the request never arrived: Stripe says so, long after it could have been sent, and the payment failed")
}

async fn unreachable(client: &Client) -> anyhow::Result<()> {
    client.fault("stripe", &json!({"kind": "charge_then_timeout", "times": 1, "ms": 100})).await?;
    client.fault("stripe", &json!({"kind": "drop_webhooks", "times": 3})).await?;
    let id = pending(client, "drill-c3-3", "pm_card_visa").await?;
    client.fault("stripe", &json!({"kind": "unreachable"})).await?;
    client.advance(2 * HOUR).await?;
    ends_as(client, &id, "PENDING").await?;
    let needs_review = client.metric("payments_need_review").await?;
    ensure!(needs_review >= 1.0, "expected that on-call is told after an hour");
    client.clear_faults("stripe").await?;
    client.advance(20 * MINUTE).await?;
    ends_as(client, &id, "AUTHORIZED").await?;
    let needs_review = client.metric("payments_need_review").await?;
    ensure!(needs_review == 0.0, "expected that nothing needs review any more, not {needs_review}");
    say("  Stripe could not be asked: still PENDING, on-call told after an hour, resolved once it answered")
}

async fn payer_who_never_comes(client: &Client) -> anyhow::Result<()> {
    let id = pending(client, "drill-c3-4", "pm_card_threeDSecure2Required").await?;
    client.advance(45 * MINUTE).await?;
    let payment = ends_as(client, &id, "FAILED").await?;
    ensure!(payment["failure"]["code"] == "approval_expired", "expected that it says why: {payment}");
    let charges = charges(client, &id).await?;
    ensure!(
        charges.iter().all(|charge| charge["status"] == "canceled"),
        "expected that the attempt was cancelled at Stripe: {charges:?}"
    );
    say("  the payer never came: cancelled at Stripe, then failed")
}

async fn hold_past_its_end(client: &Client) -> anyhow::Result<()> {
    let id = client.create("drill-c3-5", 1000, "pm_card_visa").await?.text("id").to_owned();
    client.advance(8 * DAY).await?;
    ends_as(client, &id, "VOIDED").await?;
    let charges = charges(client, &id).await?;
    ensure!(
        charges.iter().all(|charge| charge["status"] == "canceled"),
        "expected that the hold was released at Stripe: {charges:?}"
    );
    say("  never captured: voided after seven days, at Stripe too")
}

async fn late_success(stage: &Stage, client: &Client) -> anyhow::Result<()> {
    client.fault("stripe", &json!({"kind": "timeout", "times": 1, "ms": 100})).await?;
    let id = pending(client, "drill-c3-6", "pm_card_visa").await?;
    client.advance(30 * MINUTE).await?;
    let payment = ends_as(client, &id, "FAILED").await?;
    stage.request_arrives_late(&payment).await?;
    client.advance(2 * HOUR).await?;
    let charges = charges(client, &id).await?;
    ensure!(charges.len() == 1, "expected that one charge turned up: {charges:?}");
    ensure!(
        charges.iter().all(|charge| charge["status"] == "canceled" || charge["refunded"] == charge["captured"]),
        "expected that it was undone: {charges:?}"
    );
    ends_as(client, &id, "FAILED").await?;
    say("  a success that turned up after the payment had failed: undone at Stripe")
}

async fn pending(client: &Client, key: &str, card: &str) -> anyhow::Result<String> {
    let made = client.create(key, 1000, card).await?;
    ensure!(made.text("status") == "PENDING", "expected that what is not known is not called failed: {}", made.body);
    Ok(made.text("id").to_owned())
}

async fn ends_as(client: &Client, id: &str, status: &str) -> anyhow::Result<Value> {
    let payment = client.payment(id).await?;
    ensure!(payment["status"] == status, "expected {status}: {payment}");
    Ok(payment)
}

async fn charges(client: &Client, id: &str) -> anyhow::Result<Vec<Value>> {
    let mut charges = client.transactions("stripe").await?;
    charges.retain(|charge| charge["payment_id"] == id);
    Ok(charges)
}
