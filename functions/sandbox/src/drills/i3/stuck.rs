//! A payment has no outcome for more than an hour: docs/runbooks/stuck-payment.md is followed.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::json;

use super::{
    Shop,
    on_call::{Came, OnCall, all_show_something, of, said, shows},
    page::Page,
};
use crate::drills::{Stage, wording::short};

const PAGE: Page = Page::new("stuck-payment", include_str!("../../../../../docs/runbooks/stuck-payment.md"));
const MINUTE: u64 = 60;
const SHOW: &str = "tollgate payment show";

pub(super) async fn play(stage: &Stage, programs: &Path) -> anyhow::Result<()> {
    let mut on_call = OnCall::with(stage, programs, PAGE).await?;
    let client = on_call.client.clone();
    let mut shop = Shop::of(stage.client_by("other_api_key")?);
    client.fault("stripe", &json!({"kind": "drop_webhooks", "times": 10})).await?;
    client.fault("stripe", &json!({"kind": "charge_then_timeout", "times": 1, "ms": 50})).await?;
    stage.story.tell("drill", "Stripe will charge, its answer and webhooks will be lost; then it cannot be asked")?;
    let made = shop.stripe_only().await?;
    let id = made.text("id");
    stage.story.tell("merchant", format!("{}  is answered {} {}", short(id), made.status, made.text("status")))?;
    ensure!(made.text("status") == "PENDING", "expected that what is not known is not called failed: {}", made.body);
    client.fault("stripe", &json!({"kind": "unreachable"})).await?;
    stage.story.later(&client, 120 * MINUTE).await?;
    stage.story.payment(&shop.client, id).await?;
    let look = on_call.follow("Look", 0).await?;
    all_show_something(&look)?;
    let (stuck, review) = (
        shows(&look, "prom 'max by (status) (payments_stuck)", "PENDING")?,
        shows(&look, "prom 'max(payments_need", "")?,
    );
    let asked = "the runbook has the queries for a stuck transaction: stuck, and in need of review";
    stage.story.check(asked, "1, 1", format!("{stuck}, {review}"), (stuck, review) == (1.0, 1.0))?;
    let Came::Found(rows) = of(&look, "sql 'SELECT payment_id, merchant_id")? else {
        anyhow::bail!("expected a table")
    };
    let found: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
    let asked = "its query finds the payment, and no other";
    stage.story.check(asked, id, found.join(", "), found == [id])?;
    let look = on_call.follow("Look", 1).await?;
    all_show_something(&look)?;
    on_call.page().says("Look", &["`needs review unresolved`"])?;
    let dossier = said(&look, SHOW)?;
    ensure!(dossier.contains("needs review unresolved") && is_open(&dossier), "expected that it says so: {dossier}");

    on_call.follow("Act", 0).await?;
    let payment = shop.client.payment(id).await?;
    ensure!(payment["status"] == "PENDING", "expected that nobody guesses while Stripe is away: {payment}");
    client.clear_faults("stripe").await?;
    stage.story.tell("drill", "that could do nothing yet; Stripe can be asked again")?;
    stage.story.later(&client, MINUTE).await?;
    let act = on_call.follow("Act", 0).await?;
    let Came::Ran(report) = of(&act, "job stuck-payments")? else { anyhow::bail!("expected a report") };
    ensure!(report["could_not"] == json!({}), "expected that nothing is left: {report}");

    // The page: he may send the same request again, with the same key.
    let again = shop.again().await?;
    ensure!(again.replayed && again.text("id") == id, "expected the same payment: {}", again.body);
    stage.story.payment(&shop.client, id).await?;
    over(stage, &on_call, &shop, id).await?;
    shop.nobody_paid_twice(&stage.story).await
}

/// Whether the operator's command shows an operation that waits.
fn is_open(dossier: &str) -> bool {
    let operations = dossier.split("\noperations\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    operations.unwrap_or_default().lines().any(|line| line.split(' ').any(|word| word == "open"))
}

/// All that the page calls over.
async fn over(stage: &Stage, on_call: &OnCall<'_>, shop: &Shop, id: &str) -> anyhow::Result<()> {
    on_call.page().says(
        "Over when",
        &[
            "`tollgate payment show` says `needs review -` and no operation is `open`",
            "the merchant has its event",
            "`max(payments_need_review)` and `sum(payments_stuck)` are 0 after the next run (ten minutes)",
        ],
    )?;
    let dossier = on_call.types(&format!("{SHOW} {id}")).await?;
    ensure!(dossier.contains("needs review -") && !is_open(&dossier), "expected that it is over: {dossier}");
    let events = shop.client.get("/v1/events?limit=100").await?.body;
    let events = events["data"].as_array().context("events are a list")?;
    let told = |event: &&serde_json::Value| event["type"] == "payment.authorized" && event["data"]["id"] == *id;
    let told = events.iter().filter(told).count();
    stage.story.check_equal("over: the merchant has its event, once", 1, told)?;
    stage.story.later(&on_call.client, 10 * MINUTE).await?;
    for query in ["max(payments_need_review)", "sum(payments_stuck)"] {
        let value = on_call.asks(query).await?;
        stage.story.tell("on-call", format!("{query} is {value}"))?;
        stage.story.check(&format!("over after the next run: {query}"), 0, value, value == 0.0)?;
    }
    Ok(())
}
