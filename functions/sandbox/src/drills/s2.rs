//! Finding S2: health checks that say nothing of what a function needs, or end it for what it can do without.

use anyhow::ensure;
use serde_json::{Value, json};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{Stage, story::Story};
use crate::client::Client;

/// What a check's result counts for, and a little.
const LOOK_AGAIN_AFTER: std::time::Duration = std::time::Duration::from_millis(1200);
const FAILURES: &str = "health_check_failures_total{function=\"sandbox\",check=\"store\"}";
/// Calls after which a breaker opens.
const CALLS: usize = 10;

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let stage = Stage::start(story).await?;
    let client = stage.client()?;
    all_well(story, &client).await?;

    story.tell("drill", "Stripe is away")?;
    client.fault("stripe", &json!({"kind": "unreachable"})).await?;
    let mut unknown = 0;
    for number in 0..CALLS {
        let made = client.create(&format!("drill-s2-{number}"), 1000, "pm_card_visa").await?;
        unknown += usize::from(made.status != 201);
    }
    story.tell("merchant", format!("{CALLS} payments through Stripe: {unknown} of them are not made (202, 503)"))?;
    let (live, ready, deep) = look(story, &client).await?;
    let routes = |live: u16, ready: u16| format!("live {live}, ready {ready}");
    let asked = "a provider's outage restarts nothing and takes no traffic away (readiness excludes providers)";
    story.check_equal(asked, routes(200, 200), routes(live, ready.0))?;
    let asked = "the deep check shows the circuit breaker's state: Stripe's";
    story.check_equal(asked, "open", deep["circuit_breakers"]["stripe"].as_str().unwrap_or_default())?;
    client.clear_faults("stripe").await?;

    story.tell("drill", "Stripe is back; the store is locked")?;
    let lock = stage.lock_the_store()?;
    let (live, ready, deep) = look(story, &client).await?;
    story.check_equal("liveness: nobody starts a pod anew for the database's sake", 200, live)?;
    let asked = "readiness checks database connectivity: no traffic while it is away";
    story.check_equal(asked, 503, ready.0)?;
    ensure!(ready.1["checks"]["store"] != "ok", "expected that it is not ready: {}", ready.1);
    ensure!(deep["checks"]["store"]["needed"] == true, "expected that people see why: {deep}");
    let failures = client.metric(FAILURES).await?;
    story.tell("on-call", format!("{FAILURES} is {failures}"))?;
    story.check("health check failures are a metric", "1 at least", failures, failures > 0.0)?;
    drop(lock);
    story.tell("drill", "the store is back")?;
    all_well(story, &client).await?;
    drop(stage);

    without_counters(story).await
}

async fn without_counters(story: &Story) -> anyhow::Result<()> {
    story.tell("drill", "the gateway is started with counters (Redis) that nobody answers for")?;
    let stage = Stage::start_with(story, &[("COUNTERS_URL", "redis://127.0.0.1:1")]).await?;
    let client = stage.client()?;
    let (live, ready, _) = look(story, &client).await?;
    let asked = "what it can do without takes no traffic away, and readiness says so: Redis is away";
    let said = format!("live {live}, ready {} {}", ready.0, ready.1["status"].as_str().unwrap_or_default());
    story.check_equal(asked, "live 200, ready 200 degraded", &said)?;
    let made = client.create("drill-s2-degraded", 1000, "pm_card_visa").await?;
    story.tell("merchant", format!("a payment: {} {}", made.status, made.text("status")))?;
    story.check_equal("and payments are made meanwhile", 201, made.status)
}

async fn all_well(story: &Story, client: &Client) -> anyhow::Result<()> {
    let (live, ready, deep) = look(story, client).await?;
    let said = format!("live {live}, ready {} {}", ready.0, ready.1["status"].as_str().unwrap_or_default());
    story.check_equal("all is well, and each route says so", "live 200, ready 200 ok", &said)?;
    for name in ["versions", "queue_depths", "admission", "circuit_breakers"] {
        ensure!(deep[name].is_object(), "expected that /health/deep shows {name}: {deep}");
    }
    Ok(())
}

/// What the three routes say, once what they said before is forgotten.
async fn look(story: &Story, client: &Client) -> anyhow::Result<(u16, (u16, Value), Value)> {
    SystemClock::start().sleep(LOOK_AGAIN_AFTER).await;
    let (live, ready) = (client.get("/health/live").await?, client.get("/health/ready").await?);
    let deep = client.get("/health/deep").await?;
    story.tell("health", format!("/health/live {}", live.status))?;
    let word = |said: &Value| said.as_str().map_or_else(|| said.to_string(), str::to_owned);
    let named = |said: &Value, part: fn(&Value) -> &Value| {
        let all = said.as_object().into_iter().flatten();
        all.map(|(name, what)| format!("{name} {}", word(part(what)))).collect::<Vec<_>>().join(", ")
    };
    let checks = named(&ready.body["checks"], |check| check);
    story.tell("health", format!("/health/ready {} {}: {checks}", ready.status, word(&ready.body["status"])))?;
    let (checks, breakers) =
        (named(&deep.body["checks"], |check| &check["outcome"]), named(&deep.body["circuit_breakers"], |state| state));
    story.tell("health", format!("/health/deep {}: {checks}; breakers: {breakers}", deep.status))?;
    Ok((live.status, (ready.status, ready.body), deep.body))
}
