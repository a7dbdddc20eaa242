//! Finding S4: the settlement dies in the middle. It goes on where it was, and running it again settles nothing twice.

use anyhow::{Context, ensure};
use serde_json::Value;

use super::Stage;
use crate::{client::Client, demo::say};

const DAY: u64 = 24 * 3600;
const PAYMENTS: usize = 3;
const YEN: i64 = 800;
const POINTS: [&str; 3] = ["before_chunk", "after_chunk", "before_finish"];

pub(super) async fn play() -> anyhow::Result<()> {
    let mut stage = Stage::start().await?;
    for point in POINTS {
        let client = stage.client()?;
        let mut ids = Vec::new();
        for number in 0..PAYMENTS {
            let id = client.create(&format!("drill-s4-{point}-{number}"), YEN, "pm_card_visa").await?;
            let id = id.text("id").to_owned();
            let captured = client.capture(&id, &format!("drill-s4-{point}-capture-{number}"), None).await?;
            ensure!(captured.text("status") == "CAPTURED", "expected that it is captured: {}", captured.body);
            ids.push(id);
        }
        // The settlement of the day before is over, so that the next one is the one that dies.
        client.run_job("settlement").await?;
        client.crash_at(point).await?;
        // The clock moves past 02:00 in Tokyo, the settlement begins, and the process dies.
        ensure!(client.advance(DAY).await.is_err(), "expected that the process dies in the settlement");
        stage.died().await?;
        stage.restart().await?;
        let client = stage.client()?;
        client.run_job("settlement").await?;
        let settlement = settlement_of(&client, &ids).await?;
        check_totals(&settlement)?;
        client.run_job("settlement").await?;
        let again = settlement_of(&client, &ids).await?;
        ensure!(again == settlement, "expected that running it again changes nothing: {again}");
        say(&format!("  killed at {point}: {PAYMENTS} payments settled once, totals right, run again harmlessly"))?;
        // What is left of the day, so that the next round has a settlement of its own.
        client.advance(DAY).await?;
    }
    Ok(())
}

/// The one settlement that all of these are in, as the merchant sees it.
async fn settlement_of(client: &Client, ids: &[String]) -> anyhow::Result<Value> {
    let mut settlements = Vec::new();
    for id in ids {
        let payment = client.payment(id).await?;
        ensure!(payment["status"] == "SETTLED", "expected that it is settled: {payment}");
        settlements
            .push(payment["settlement_id"].as_str().context("a settled payment names its settlement")?.to_owned());
    }
    settlements.dedup();
    ensure!(settlements.len() == 1, "expected one settlement: {settlements:?}");
    let answer = client.get(&format!("/v1/settlements/{}", settlements[0])).await?;
    ensure!(answer.status == 200, "answered {}: {}", answer.status, answer.body);
    Ok(answer.body)
}

fn check_totals(settlement: &Value) -> anyhow::Result<()> {
    ensure!(settlement["status"] == "COMPLETED", "expected that it is completed: {settlement}");
    let totals = &settlement["totals"][0];
    let expected = YEN * i64::try_from(PAYMENTS)?;
    ensure!(totals["gross"] == expected, "expected {expected} in all: {settlement}");
    Ok(())
}
