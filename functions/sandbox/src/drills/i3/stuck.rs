//! A payment has no outcome for more than an hour: docs/runbooks/stuck-payment.md is followed.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::json;

use super::{
    Shop,
    on_call::{Came, OnCall, all_show_something, of, said, shows},
    page::Page,
};
use crate::{demo::say, drills::Stage};

const PAGE: Page = Page::new("stuck-payment", include_str!("../../../../../docs/runbooks/stuck-payment.md"));
const MINUTE: u64 = 60;
const SHOW: &str = "tollgate payment show";

pub(super) async fn play(stage: &Stage, programs: &Path) -> anyhow::Result<()> {
    let mut on_call = OnCall::with(stage, programs, PAGE).await?;
    let client = on_call.client.clone();
    let mut shop = Shop::of(stage.client_by("other_api_key")?);
    client.fault("stripe", &json!({"kind": "drop_webhooks", "times": 10})).await?;
    client.fault("stripe", &json!({"kind": "charge_then_timeout", "times": 1, "ms": 50})).await?;
    let made = shop.stripe_only().await?;
    ensure!(made.text("status") == "PENDING", "expected that what is not known is not called failed: {}", made.body);
    client.fault("stripe", &json!({"kind": "unreachable"})).await?;
    client.advance(120 * MINUTE).await?;
    say(
        "  charged, the answer and the webhooks lost, and Stripe cannot be asked for two hours: payments-need-review is due",
    )?;

    let id = made.text("id");
    let look = on_call.follow("Look", 0).await?;
    all_show_something(&look)?;
    let (stuck, review) = (
        shows(&look, "prom 'max by (status) (payments_stuck)", "PENDING")?,
        shows(&look, "prom 'max(payments_need", "")?,
    );
    ensure!(
        (stuck, review) == (1.0, 1.0),
        "expected one payment that is stuck and needs review, not {stuck} and {review}"
    );
    let Came::Found(rows) = of(&look, "sql 'SELECT payment_id, merchant_id")? else {
        anyhow::bail!("expected a table")
    };
    ensure!(rows.len() == 1 && rows[0][0] == id, "expected the payment alone: {rows:?}");
    let look = on_call.follow("Look", 1).await?;
    all_show_something(&look)?;
    on_call.page().says("Look", &["`needs review unresolved`"])?;
    let dossier = said(&look, SHOW)?;
    ensure!(dossier.contains("needs review unresolved") && is_open(&dossier), "expected that it says so: {dossier}");

    on_call.follow("Act", 0).await?;
    let payment = shop.client.payment(id).await?;
    ensure!(payment["status"] == "PENDING", "expected that nobody guesses while Stripe is away: {payment}");
    client.clear_faults("stripe").await?;
    client.advance(MINUTE).await?;
    say("  that could do nothing yet. A minute after Stripe can be asked again, the same once more:")?;
    let act = on_call.follow("Act", 0).await?;
    let Came::Ran(report) = of(&act, "job stuck-payments")? else { anyhow::bail!("expected a report") };
    ensure!(report["could_not"] == json!({}), "expected that nothing is left: {report}");

    // The page: he may send the same request again, with the same key.
    let again = shop.again().await?;
    ensure!(again.replayed && again.text("id") == id, "expected the same payment: {}", again.body);
    over(&on_call, &shop, id).await?;
    shop.nobody_paid_twice().await
}

/// Whether the operator's command shows an operation that waits.
fn is_open(dossier: &str) -> bool {
    let operations = dossier.split("\noperations\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    operations.unwrap_or_default().lines().any(|line| line.split(' ').any(|word| word == "open"))
}

/// All that the page calls over.
async fn over(on_call: &OnCall<'_>, shop: &Shop, id: &str) -> anyhow::Result<()> {
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
    ensure!(events.iter().filter(told).count() == 1, "expected that the merchant is told once: {events:?}");
    on_call.client.advance(10 * MINUTE).await?;
    for query in ["max(payments_need_review)", "sum(payments_stuck)"] {
        let value = on_call.asks(query).await?;
        ensure!(value == 0.0, "expected {query} 0, not {value}");
    }
    say("  over: no review, no open operation, the merchant is told, and after the next run nothing is stuck")
}
