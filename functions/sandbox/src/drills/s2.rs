//! Finding S2: health checks that say nothing of what a function needs, or end it for what it can do without.

use anyhow::ensure;
use serde_json::{Value, json};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::Stage;
use crate::{client::Client, demo::say};

/// What a check's result counts for, and a little.
const LOOK_AGAIN_AFTER: std::time::Duration = std::time::Duration::from_millis(1200);
/// Calls after which a breaker opens.
const CALLS: usize = 10;

pub(super) async fn play() -> anyhow::Result<()> {
    let stage = Stage::start().await?;
    let client = stage.client()?;
    all_well(&client).await?;

    client.fault("stripe", &json!({"kind": "unreachable"})).await?;
    for number in 0..CALLS {
        client.create(&format!("drill-s2-{number}"), 1000, "pm_card_visa").await?;
    }
    let (live, ready, deep) = look(&client).await?;
    ensure!((live, ready.0) == (200, 200), "expected that a provider's trouble is none of ours: {} {}", live, ready.1);
    ensure!(deep["circuit_breakers"]["stripe"] == "open", "expected that people see it: {deep}");
    client.clear_faults("stripe").await?;
    say("  Stripe is away: live, ready, and /health/deep shows its open breaker")?;

    let lock = stage.lock_the_store()?;
    let (live, ready, deep) = look(&client).await?;
    ensure!(live == 200, "expected that nobody starts it anew for the store's sake: {live}");
    ensure!(ready.0 == 503 && ready.1["checks"]["store"] != "ok", "expected that it is not ready: {}", ready.1);
    ensure!(deep["checks"]["store"]["needed"] == true, "expected that people see why: {deep}");
    let failures = client.metric("health_check_failures_total{function=\"sandbox\",check=\"store\"}").await?;
    ensure!(failures > 0.0, "expected that it is counted");
    drop(lock);
    all_well(&client).await?;
    say("  the store is away: live, not ready, and it says what is missing; then it is ready again by itself")?;

    let stage = Stage::start_with(&[("COUNTERS_URL", "redis://127.0.0.1:1")]).await?;
    let client = stage.client()?;
    let (live, ready, _) = look(&client).await?;
    ensure!((live, ready.0) == (200, 200), "expected that it can do without: {}", ready.1);
    ensure!(ready.1["status"] == "degraded", "expected that it says so: {}", ready.1);
    let made = client.create("drill-s2-degraded", 1000, "pm_card_visa").await?;
    ensure!(made.status == 201, "expected a payment: {}", made.body);
    say("  the counters are away: ready, degraded, and payments are made")
}

async fn all_well(client: &Client) -> anyhow::Result<()> {
    let (live, ready, deep) = look(client).await?;
    ensure!(
        live == 200 && ready.0 == 200 && ready.1["status"] == "ok",
        "expected that all is well: {} {deep}",
        ready.1
    );
    for name in ["versions", "queue_depths", "admission", "circuit_breakers"] {
        ensure!(deep[name].is_object(), "expected that /health/deep shows {name}: {deep}");
    }
    Ok(())
}

/// What the three routes say, once what they said before is forgotten.
async fn look(client: &Client) -> anyhow::Result<(u16, (u16, Value), Value)> {
    SystemClock::start().sleep(LOOK_AGAIN_AFTER).await;
    let (live, ready) = (client.get("/health/live").await?, client.get("/health/ready").await?);
    let deep = client.get("/health/deep").await?;
    Ok((live.status, (ready.status, ready.body), deep.body))
}
