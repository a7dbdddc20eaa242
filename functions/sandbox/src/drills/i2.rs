//! Finding I2: no way to disable a degraded provider, or to route around it, without deploying code.

use anyhow::ensure;
use serde_json::{Value, json};

use super::{Stage, story::Story};
use crate::{
    client::{Answer, Client},
    demo::say,
};

const DAY: u64 = 24 * 3600;
const BY: &str = "ann";
const INCIDENT: &str = "incident 4711: Stripe is slow";
const TRIAL: &str = "trial of PayPal";
/// How many payments are shared out, and how many of them PayPal should get.
const SHARED: usize = 60;
const PAYPALS: std::ops::RangeInclusive<usize> = 8..=30;

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let stage = Stage::start(story).await?;
    let client = stage.client()?;
    let before = either(&client, "before").await?;
    ensure!(before.text("provider") == "stripe", "expected that Stripe is the first: {}", before.body);

    client.switch("stripe", "off", BY, INCIDENT).await?;
    let away = either(&client, "away").await?;
    ensure!(away.text("provider") == "paypal", "expected that PayPal takes it: {}", away.body);
    ensure!(away.text("status") == "AUTHORIZED", "expected that it is authorized: {}", away.body);
    let why = opened(&client, away.text("id")).await?;
    ensure!(why.contains(BY) && why.contains(INCIDENT), "expected by whose word and why: {why}");
    say(&format!("  Stripe is turned off, without a deploy: a payment that may go to either says \"{why}\""))?;

    let only = client.create_as("drill-i2-only", &payment(&json!({"stripe": "pm_card_visa"}))).await?;
    ensure!(only.status == 503 && only.text("code") == "provider_unavailable", "expected a refusal: {}", only.body);
    ensure!(only.retry_after.is_some(), "expected to be told when to come again");
    finished(&client, &before).await?;
    say(
        "  one that can go to Stripe only is refused, and nothing is written; what Stripe held before is captured, settled and refunded",
    )?;

    client.switch("stripe", "on", BY, "Stripe is well again").await?;
    let again = client.create_as("drill-i2-only", &payment(&json!({"stripe": "pm_card_visa"}))).await?;
    ensure!(again.status == 201, "expected that the refused request used no key up: {}", again.body);
    shared_out(&client).await?;
    let changes = client.get("/sandbox/providers/stripe/switch").await?.body;
    let changes: Vec<_> = changes.as_array().into_iter().flatten().map(|change| change["stands"].clone()).collect();
    ensure!(changes == ["on", "off"], "expected that every change is kept: {changes:?}");
    for job in ["provider-truth", "invariants"] {
        let report = client.run_job(job).await?;
        ensure!(report["could_not"] == json!({}), "expected that the books agree: {report}");
    }
    Ok(())
}

/// By weight, 70 to 30; a request that is sent again goes where it went.
async fn shared_out(client: &Client) -> anyhow::Result<()> {
    client.weigh(&json!({"stripe": 70, "paypal": 30}), BY, TRIAL).await?;
    let mut paypals = 0;
    for number in 0..SHARED {
        let key = format!("shared-{number}");
        let made = either(client, &key).await?;
        let again = either(client, &key).await?;
        ensure!(again.replayed && again.body["id"] == made.body["id"], "expected the same payment: {}", again.body);
        paypals += usize::from(made.text("provider") == "paypal");
    }
    ensure!(PAYPALS.contains(&paypals), "expected that PayPal gets about 30 of 100, not {paypals} of {SHARED}");
    let why = opened(client, either(client, "shared-0").await?.text("id")).await?;
    ensure!(why.contains("by weight") && why.contains(TRIAL), "expected that the trial is named: {why}");
    client.weigh(&Value::Null, BY, "the trial is over").await?;
    say(&format!("  shared out 70 to 30: PayPal gets {paypals} of {SHARED}, and a payment stays where it went"))
}

/// A payment from before the switch lives on to its end.
async fn finished(client: &Client, payment: &Answer) -> anyhow::Result<()> {
    let id = payment.text("id");
    let captured = client.capture(id, "drill-i2-capture", None).await?;
    ensure!(captured.text("status") == "CAPTURED", "expected that captures go on: {}", captured.body);
    client.advance(DAY).await?;
    let refund = client.refund(id, "drill-i2-refund", None).await?;
    ensure!(refund.text("status") == "COMPLETED", "expected that refunds go on: {}", refund.body);
    let timeline = client.timeline(id).await?;
    let told = timeline.iter().any(|entry| entry["type"] == "provider_event");
    ensure!(told, "expected that Stripe's webhooks go on");
    Ok(())
}

async fn either(client: &Client, key: &str) -> anyhow::Result<Answer> {
    let body = payment(&json!({"stripe": "pm_card_visa", "paypal": "vault-ok"}));
    client.create_as(&format!("drill-i2-{key}"), &body).await
}

fn payment(method: &Value) -> Value {
    json!({"amount": 1000, "currency": "JPY", "payment_method": method})
}

/// Why the payment went where it went.
async fn opened(client: &Client, id: &str) -> anyhow::Result<String> {
    let timeline = client.timeline(id).await?;
    let opened = timeline.iter().find(|entry| entry["what"] == "payment_opened");
    Ok(opened.and_then(|entry| entry["detail"].as_str()).unwrap_or_default().to_owned())
}
