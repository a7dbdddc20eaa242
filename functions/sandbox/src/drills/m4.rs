//! Finding M4: the database is lost, and what is restored is older than what the providers and the merchants know.
//!
//! What a backup does not hold was made under idempotency keys that nobody has any more, and sent under request ids that were drawn by
//! lot: a provider cannot tell a retry from another payment. So nobody is let in before what it holds for us has been looked at.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tollgate_gateway::{
    ports::Time,
    recovery::{compare, examine},
};
use tollgate_runtime::SystemClock;
use tollgate_store::FrozenFile;

use super::{Stage, story::Story};
use crate::{client::Client, demo::say};

const YEN: i64 = 900;
/// Stripe's word for money that is held.
const HELD: &str = "requires_capture";
/// The recovery time objective.
const RTO: Duration = Duration::from_secs(30 * 60);

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let mut stage = Stage::start(story).await?;
    let client = stage.client()?;
    let held = client.create("drill-m4-held", YEN, "pm_card_visa").await?.text("id").to_owned();
    let kept = client.create("drill-m4-kept", YEN, "pm_card_visa").await?.text("id").to_owned();
    stage.back_up().await?;

    // What the backup does not know: a capture, an authorization, and money that was taken at once.
    let captured = client.capture(&held, "drill-m4-capture", None).await?;
    ensure!(captured.text("status") == "CAPTURED", "expected that it is captured: {}", captured.body);
    let early = client.create("drill-m4-early", YEN, "pm_card_visa").await?;
    let taken = client.create_as("drill-m4-taken", &at_once()).await?;
    ensure!(early.status == 201 && taken.text("status") == "CAPTURED", "expected both: {} {}", early.body, taken.body);
    let before = live(&client).await?;
    ensure!(before == 4, "expected four payments at Stripe, not {before}");

    let clock = SystemClock::start();
    stage.kill().await?;
    stage.restore().await?;
    stage.restart().await?;
    let client = stage.client()?;
    // New payments go nowhere until this is over.
    client.switch("stripe", "off", "drill", "restored from a backup").await?;
    let lost = lost(&client).await?;
    ensure!(lost.len() == 2, "expected that Stripe holds two payments that we lost: {lost:?}");
    let refused = client.create("drill-m4-taken", YEN, "pm_card_visa").await?;
    ensure!(refused.status == 503, "expected that nobody is let in: {}", refused.body);
    say(&format!(
        "  the database is gone, with two payments and a capture since the backup; restored and checked in {:.1} s; new payments are refused",
        clock.monotonic().as_secs_f64(),
    ))?;

    set_right(&client, &held).await?;

    // What happens where merchants are let in too soon.
    client.switch("stripe", "on", "drill", "too soon").await?;
    let doubled = client.create("drill-m4-early", YEN, "pm_card_visa").await?;
    ensure!(doubled.status == 201 && doubled.text("id") != early.text("id"), "the key was lost: {}", doubled.body);
    ensure!(live(&client).await? == before + 1, "expected that Stripe does not know the retry");
    client.switch("stripe", "off", "drill", "restored from a backup").await?;
    say(
        "  a merchant who is let in too soon, with the key of a payment that was lost, holds the payer's money twice: Stripe sees another request",
    )?;

    let unmatched = "provider_webhooks_total{provider=\"stripe\",outcome=\"unmatched\"}";
    for transaction in &lost {
        stage.give_back(transaction).await?;
    }
    client.advance(60).await?;
    ensure!(client.metric(unmatched).await? >= 2.0, "expected that on-call sees events of payments that we lost");
    client.switch("stripe", "on", "drill", "what was lost is given back").await?;
    let early = client.create("drill-m4-early", YEN, "pm_card_visa").await?;
    ensure!(early.replayed && early.text("id") == doubled.text("id"), "the same key, the same payment: {}", early.body);
    let taken = client.create_as("drill-m4-taken", &at_once()).await?;
    ensure!(taken.text("status") == "CAPTURED", "expected that the retry is taken: {}", taken.body);
    ensure!(live(&client).await? == before, "expected each payer's money once");
    ensure!(client.payment(&kept).await?["status"] == "AUTHORIZED", "expected that the others are as they were");
    client.run_job("provider-truth").await?;
    let books = client.run_job("invariants").await?;
    ensure!(books["could_not"] == json!({}), "expected that the books add up: {books}");
    ensure!(clock.monotonic() < RTO, "expected service within half an hour");
    say(&format!(
        "  what Stripe held and we lost is given back there, then the same keys go on: each payer is charged once; service after {:.1} s",
        clock.monotonic().as_secs_f64(),
    ))
}

/// What the backup holds, and moved after it.
async fn set_right(client: &Client, held: &str) -> anyhow::Result<()> {
    client.run_job("provider-truth").await?;
    let adopted = client.payment(held).await?;
    ensure!(adopted["status"] == "CAPTURED" && adopted["amount_captured"] == YEN, "expected the capture: {adopted}");
    let again = client.capture(held, "drill-m4-capture", None).await?;
    ensure!(again.status == 409, "expected that it is not captured twice: {}", again.body);
    say(
        "  what the backup holds is set right by the provider's truth: the capture is found, and its retry takes nothing",
    )
}

fn at_once() -> Value {
    json!({"amount": YEN, "currency": "JPY", "payment_method": {"stripe": "pm_card_visa"}, "capture_method": "automatic"})
}

/// How many transactions at Stripe hold or have a payer's money.
async fn live(client: &Client) -> anyhow::Result<usize> {
    let all = client.transactions("stripe").await?;
    let holds = |one: &&Value| {
        let (captured, refunded) = (one["captured"].as_i64().unwrap_or(0), one["refunded"].as_i64().unwrap_or(0));
        one["status"] == HELD || captured > refunded
    };
    Ok(all.iter().filter(holds).count())
}

/// What Stripe has under an id of ours that we do not know.
async fn lost(client: &Client) -> anyhow::Result<Vec<Value>> {
    let mut lost = Vec::new();
    for transaction in client.transactions("stripe").await? {
        let id = transaction["payment_id"].as_str().context("it is one of ours")?;
        if client.get(&format!("/v1/payments/{id}")).await?.status == 404 {
            lost.push(transaction);
        }
    }
    Ok(lost)
}

impl Stage {
    /// Copies the store while it is in use, as `tollgate recovery backup` does.
    async fn back_up(&self) -> anyhow::Result<()> {
        let (store, backup) = (self.store(), self.store().with_extension("backup"));
        let clock = SystemClock::start();
        let source = FrozenFile::open(&store, &clock)?;
        source.copy_to(&backup)?;
        let copy = FrozenFile::open(&backup, &clock)?;
        let compared = compare(&examine(&source).await?, &examine(&copy).await?);
        let differs = compared.iter().find(|one| !one.equal);
        ensure!(differs.is_none(), "expected that the backup is what the store was: {differs:?}");
        Ok(())
    }

    /// The store's files are lost, and the backup comes in their place.
    async fn restore(&self) -> anyhow::Result<()> {
        let (store, backup) = (self.store(), self.store().with_extension("backup"));
        for ending in ["", "-wal", "-shm"] {
            let mut file = store.clone().into_os_string();
            file.push(ending);
            // Those beside it are not always there.
            _ = std::fs::remove_file(file);
        }
        ensure!(!store.exists(), "expected that it is lost");
        FrozenFile::open(&backup, &SystemClock::start())?.copy_to(&store)?;
        let restored = FrozenFile::open(&store, &SystemClock::start())?;
        ensure!(restored.damage()?.is_empty(), "expected that it is whole");
        let violations = examine(&restored).await?.violations;
        ensure!(violations.is_empty(), "expected that its books add up: {violations:?}");
        Ok(())
    }

    /// What operators do in Stripe's dashboard with a payment that nobody of ours knows: cancel it, or refund it.
    async fn give_back(&self, transaction: &Value) -> anyhow::Result<()> {
        let id = transaction["provider_transaction_id"].as_str().context("it has an id")?;
        if transaction["status"] == HELD {
            return self.at_stripe(&format!("payment_intents/{id}/cancel"), String::new()).await;
        }
        self.at_stripe("refunds", format!("payment_intent={id}")).await
    }
}
