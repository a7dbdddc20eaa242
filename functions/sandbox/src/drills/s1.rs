//! Finding S1: a database that fails over takes every request with it, for as long as that lasts.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures::future::join;
use serde_json::json;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{Stage, charged_once};
use crate::{
    client::{Answer, Client},
    demo::say,
};

/// What a store operation may take: less than in production, so that the drill is short.
const STORE_TIMEOUT_MS: &str = "500";
const AWAY_FOR: Duration = Duration::from_secs(8);
/// What refusals take then, half of them: far less than a store operation may.
const AT_ONCE_WITHIN: Duration = Duration::from_millis(100);
const BACK_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn play() -> anyhow::Result<()> {
    let stage = Stage::start_with(&[("STORE_TIMEOUT_MS", STORE_TIMEOUT_MS)]).await?;
    let client = stage.client()?;
    let held = client.create("drill-s1-held", 1000, "pm_card_visa").await?.text("id").to_owned();

    let asked = client.create("drill-s1-asked", 1000, "pm_card_threeDSecure2Required").await?.body;

    // It goes away in the middle of a payment: Stripe has it, and we cannot write that down.
    client.fault("stripe", &json!({"kind": "slow", "ms": 1000, "times": 1})).await?;
    let paying = client.create("drill-s1-cut-off", 1000, "pm_card_visa");
    let (cut_off, lock) = join(paying, async {
        until(async || Ok(client.transactions("stripe").await?.len() == 3)).await.context("Stripe has it")?;
        stage.lock_the_store()
    })
    .await;
    let (cut_off, lock, clock) = (cut_off?, lock?, SystemClock::start());
    away(&cut_off)?;
    let slowest = refused(&client, "soon", 12).await?;
    let capture = client.capture(&held, "drill-s1-capture", None).await?;
    away(&capture)?;
    let at_once = refused(&client, "at-once", 20).await?;
    ensure!(at_once < AT_ONCE_WITHIN, "expected that nobody waits once it is known: {at_once:?}");
    let shown = client.get(&format!("/v1/payments/{held}")).await?;
    ensure!(shown.text("status") == "AUTHORIZED", "expected that a payment is shown: {}", shown.body);
    // A payer has approved meanwhile: Stripe tells us, and will not say it again.
    stage.approves(&asked).await?;
    let queued = "provider_webhooks_total{provider=\"stripe\",outcome=\"queued\"}";
    until(async || Ok(client.metric(queued).await? > 0.0)).await.context("Stripe's event is kept")?;
    let breaker = client.metric("store_circuit_breaker_state{kind=\"commit\"}").await?;
    ensure!(breaker > 1.0, "expected that on-call sees it");
    say(&format!(
        "  the store is away: `503 store_unavailable` after {} ms at most (a store operation may take 500 ms here, 5 s in production), and at \
         once when ten have failed, but for one in half a second that tries; nothing is sent; what was made is shown; Stripe's event is taken and kept",
        slowest.as_millis(),
    ))?;

    SystemClock::start().sleep(AWAY_FOR.saturating_sub(clock.monotonic())).await;
    drop(lock);
    let (back, mut tries) = (SystemClock::start(), 0);
    until(async || {
        tries += 1;
        Ok(client.create(&format!("drill-s1-back-{tries}"), 1000, "pm_card_visa").await?.status == 201)
    })
    .await?;
    let back = back.monotonic();
    ensure!(back < BACK_WITHIN, "expected service within {BACK_WITHIN:?}, not {back:?}");
    // Nobody asks for it: the event that was kept says how it stands.
    let asked = asked["id"].as_str().unwrap_or_default();
    until(async || Ok(client.payment(asked).await?["status"] == "AUTHORIZED")).await.context("the event is applied")?;
    client.advance(30).await?;
    for (what, answer) in [
        ("create", client.create("drill-s1-cut-off", 1000, "pm_card_visa").await?),
        ("capture", client.capture(&held, "drill-s1-capture", None).await?),
        ("create", client.create("drill-s1-soon-0", 1000, "pm_card_visa").await?),
    ] {
        ensure!(matches!(answer.status, 200 | 201), "expected that the {what} goes on with its key: {}", answer.body);
    }
    charged_once(&client).await?;
    say(&format!(
        "  it is back: served after {} ms; the kept event is applied; when the lease of 20 s of what was cut off is over, the same keys go on, \
         and nothing was charged twice",
        back.as_millis(),
    ))
}

fn away(answer: &Answer) -> anyhow::Result<()> {
    let told = answer.status == 503 && answer.text("code") == "store_unavailable" && answer.retry_after.is_some();
    ensure!(told, "expected to be told that the store is away: {answer:?}");
    Ok(())
}

/// So many payments are refused; what the slowest took.
async fn refused(client: &Client, key: &str, count: usize) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for number in 0..count {
        let clock = SystemClock::start();
        away(&client.create(&format!("drill-s1-{key}-{number}"), 1000, "pm_card_visa").await?)?;
        times.push(clock.monotonic());
    }
    times.sort();
    // One in half a second tries whether it is back.
    Ok(if key == "at-once" { times[times.len() / 2] } else { times[times.len() - 1] })
}

async fn until(mut reached: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let clock = SystemClock::start();
    while !reached().await? {
        ensure!(clock.monotonic() < Duration::from_secs(40), "expected that it comes to this");
        clock.sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
