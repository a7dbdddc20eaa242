//! Finding C5: the process dies between the provider's charge and our record of it.

use anyhow::{Context, ensure};

use super::Stage;
use crate::{client::Client, demo::say};

const POINTS: [&str; 4] = ["before_intent", "after_intent", "after_call", "after_outcome"];

pub(super) async fn play() -> anyhow::Result<()> {
    let mut stage = Stage::start().await?;
    for point in POINTS {
        let key = format!("drill-c5-create-{point}");
        stage.client()?.crash_at(point).await?;
        let cut_off = stage.client()?.create(&key, 900, "pm_card_visa").await;
        ensure!(cut_off.is_err(), "expected that the process dies before it answers");
        stage.died().await?;
        stage.restart().await?;
        let client = stage.client()?;
        let retried = client.create(&key, 900, "pm_card_visa").await?;
        ensure!(
            retried.text("status") == "AUTHORIZED",
            "expected that the retry finds or makes the charge: {}",
            retried.body
        );
        let id = retried.text("id").to_owned();
        let charges = charges(&client, &id).await?;
        ensure!(charges == 1, "expected that one charge at Stripe, not {charges}");

        client.crash_at(point).await?;
        let capture_key = format!("drill-c5-capture-{point}");
        ensure!(
            client.capture(&id, &capture_key, None).await.is_err(),
            "expected that the process dies before it answers"
        );
        stage.died().await?;
        stage.restart().await?;
        let client = stage.client()?;
        let retried = client.capture(&id, &capture_key, None).await?;
        ensure!(
            retried.status == 200 && retried.text("status") == "CAPTURED",
            "expected that the retry captures: {}",
            retried.body
        );
        let taken = transaction(&client, &id).await?["captured"].as_i64();
        ensure!(taken == Some(900), "expected that Stripe took 900, not {taken:?}");
        say(&format!("  killed at {point}, in create and in capture: retried, one charge, taken once"))?;
    }
    Ok(())
}

async fn charges(client: &Client, id: &str) -> anyhow::Result<usize> {
    let transactions = client.transactions("stripe").await?;
    Ok(transactions.iter().filter(|transaction| transaction["payment_id"] == id).count())
}

async fn transaction(client: &Client, id: &str) -> anyhow::Result<serde_json::Value> {
    let transactions = client.transactions("stripe").await?;
    transactions.into_iter().find(|transaction| transaction["payment_id"] == id).context("Stripe knows the payment")
}
