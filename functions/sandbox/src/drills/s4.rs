//! Finding S4: the settlement dies in the middle. It goes on where it was, and running it again settles nothing twice.

use anyhow::{Context, ensure};
use serde_json::Value;

use super::{Stage, story::Story, wording::report};
use crate::client::Client;

const DAY: u64 = 24 * 3600;
const PAYMENTS: usize = 3;
const YEN: i64 = 800;
const POINTS: [&str; 3] = ["before_chunk", "after_chunk", "before_finish"];

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let mut stage = Stage::start(story).await?;
    let (mut settled, mut unchanged) = (0, 0);
    for (number, point) in POINTS.into_iter().enumerate() {
        let client = stage.client()?;
        let ids = captured(&client, point).await?;
        story.tell("merchant", format!("day {}: {PAYMENTS} payments of {YEN} yen are captured", number + 1))?;
        // The settlement of the day before is over, so that the next one is the one that dies.
        client.run_job("settlement").await?;
        client.crash_at(point).await?;
        story.tell(
            "drill",
            format!("the settlement at 02:00 in Tokyo is to die at {point}; the clock is moved on by a day"),
        )?;
        ensure!(client.advance(DAY).await.is_err(), "expected that the process dies in the settlement");
        stage.died().await?;
        stage.restart().await?;
        let client = stage.client()?;
        story.tell("database", format!("{} of {PAYMENTS} payments are SETTLED", are_settled(&client, &ids).await?))?;
        let again = client.run_job("settlement").await?;
        story.tell("gateway", format!("the job is run again and goes on: {}", report(&again)))?;
        let settlement = settlement_of(&client, &ids).await?;
        settled += are_settled(&client, &ids).await?;
        check_totals(&settlement)?;
        story.tell("merchant", told(&settlement))?;
        let again = client.run_job("settlement").await?;
        story.tell("gateway", format!("and once more: {}", report(&again)))?;
        let again = settlement_of(&client, &ids).await?;
        ensure!(again == settlement, "expected that running it again changes nothing: {again}");
        unchanged += 1;
        // What is left of the day, so that the next round has a settlement of its own.
        story.later(&client, DAY).await?;
    }
    let days = POINTS.len();
    let asked = "on failure, resume from the last checkpoint: payments settled, each in its day's one settlement";
    story.check_equal(asked, days * PAYMENTS, settled)?;
    story.check_equal(
        "totals match what was captured, and running it again duplicates nothing: settlements",
        days,
        unchanged,
    )?;
    story.books_add_up(&stage.client()?).await
}

/// The day's payments.
async fn captured(client: &Client, point: &str) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for number in 0..PAYMENTS {
        let id = client.create(&format!("drill-s4-{point}-{number}"), YEN, "pm_card_visa").await?;
        let id = id.text("id").to_owned();
        let captured = client.capture(&id, &format!("drill-s4-{point}-capture-{number}"), None).await?;
        ensure!(captured.text("status") == "CAPTURED", "expected that it is captured: {}", captured.body);
        ids.push(id);
    }
    Ok(ids)
}

async fn are_settled(client: &Client, ids: &[String]) -> anyhow::Result<usize> {
    let mut settled = 0;
    for id in ids {
        settled += usize::from(client.payment(id).await?["status"] == "SETTLED");
    }
    Ok(settled)
}

/// A settlement as the merchant sees it.
fn told(settlement: &Value) -> String {
    let (id, status) =
        (settlement["id"].as_str().unwrap_or_default(), settlement["status"].as_str().unwrap_or_default());
    let totals = &settlement["totals"][0];
    format!(
        "sees settlement {id} {status}: gross {}, fees {}, net {} yen",
        totals["gross"], totals["fees"], totals["net"]
    )
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
