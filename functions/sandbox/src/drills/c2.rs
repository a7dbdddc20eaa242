//! Finding C2: a provider that hangs takes the gateway down with it, the healthy providers too.

use std::time::Duration;

use anyhow::ensure;
use futures::future::{join, join_all};
use serde_json::json;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{Stage, charged_once};
use crate::{
    client::{Answer, Client},
    demo::say,
};

/// How long Stripe hangs, and how long it is waited for: shorter than in production, so that the drill is.
const HANGS_MS: u64 = 10_000;
const WAITED_FOR_MS: &str = "1500";
/// A breaker looks at the last ten calls.
const OPENS_AFTER: usize = 10;
const AT_ONCE: usize = 20;
/// An open breaker answers within this.
const AT_ONCE_WITHIN: Duration = Duration::from_millis(50);

pub(super) async fn play() -> anyhow::Result<()> {
    let stage = Stage::start_with(&[("PROVIDER_TIMEOUT_MS", WAITED_FOR_MS)]).await?;
    let client = stage.client()?;
    let before = slowest(&paypal(&client, "before").await?);
    client.fault("stripe", &json!({"kind": "timeout", "ms": HANGS_MS})).await?;
    let (hung, meanwhile) = join(stripe(&client, "hangs", OPENS_AFTER), paypal(&client, "meanwhile")).await;
    let (hung, meanwhile) = (hung?, meanwhile?);
    ensure!(
        hung.iter().all(|(answer, _)| matches!(answer.status, 202 | 503)),
        "expected that nobody is told more than is known"
    );
    ensure!(meanwhile.iter().all(|(answer, _)| answer.text("status") == "AUTHORIZED"), "expected that PayPal's go on");
    say(&format!(
        "  Stripe hangs: {} payments wait for it {} ms, {} through PayPal meanwhile take {} ms at most (before: {})",
        hung.len(),
        slowest(&hung).as_millis(),
        meanwhile.len(),
        slowest(&meanwhile).as_millis(),
        before.as_millis(),
    ))?;

    let breaker = client.metric("circuit_breaker_state{provider=\"stripe\"}").await?;
    ensure!((breaker - 2.0).abs() < f64::EPSILON, "expected that the metric shows an open breaker, not {breaker}");
    let deep = client.get("/health/deep").await?.body;
    ensure!(deep["circuit_breakers"]["stripe"] == "open", "expected that on-call sees it: {deep}");
    let refused = stripe(&client, "refused", AT_ONCE).await?;
    let (answer, _) = &refused[0];
    ensure!(
        refused.iter().all(|(answer, _)| answer.status == 503 && answer.text("code") == "provider_unavailable"),
        "expected that payments are refused: {}",
        answer.body
    );
    ensure!(answer.retry_after.is_some_and(|seconds| seconds <= 30), "expected that the merchant is told when to come");
    ensure!(slowest(&refused) < AT_ONCE_WITHIN, "expected answers at once, not after {:?}", slowest(&refused));
    let made = client.get("/v1/payments?limit=100").await?;
    let listed = made.body["data"].as_array().map_or(0, Vec::len);
    say(&format!(
        "  the circuit breaker is open: {AT_ONCE} more are refused within {} ms, and nothing is written of them ({listed} payments in all)",
        slowest(&refused).as_millis(),
    ))?;
    ensure!(listed == 2 * AT_ONCE + hung.len(), "expected that a refused payment is none: {listed}");

    client.clear_faults("stripe").await?;
    client.advance(31).await?;
    for (answer, _) in stripe(&client, "trial", 5).await? {
        ensure!(answer.text("status") == "AUTHORIZED", "expected that the trials go well: {}", answer.body);
    }
    let breaker = client.metric("circuit_breaker_state{provider=\"stripe\"}").await?;
    ensure!(breaker.abs() < f64::EPSILON, "expected that the breaker is closed, not {breaker}");
    client.advance(2 * 3600).await?;
    charged_once(&client).await?;
    for (answer, _) in &hung {
        let status =
            client.payment(answer.text("id")).await.map(|payment| payment["status"].clone()).unwrap_or_default();
        ensure!(answer.status == 503 || status == "FAILED", "expected that nothing stays open: {status}");
    }
    say(
        "  Stripe is well again: after 30 s five trials close the breaker; what hung is found out, and nothing was charged twice",
    )
}

type Timed = (Answer, Duration);

fn slowest(answers: &[Timed]) -> Duration {
    answers.iter().map(|(_, took)| *took).max().unwrap_or_default()
}

async fn stripe(client: &Client, key: &str, count: usize) -> anyhow::Result<Vec<Timed>> {
    payments(client, key, count, &json!({"stripe": "pm_card_visa"})).await
}

async fn paypal(client: &Client, key: &str) -> anyhow::Result<Vec<Timed>> {
    payments(client, &format!("paypal-{key}"), AT_ONCE, &json!({"paypal": "vault-ok"})).await
}

/// All at once.
async fn payments(client: &Client, key: &str, count: usize, method: &serde_json::Value) -> anyhow::Result<Vec<Timed>> {
    let clock = SystemClock::start();
    let body = json!({"amount": 1000, "currency": "JPY", "payment_method": method});
    let timed = async |number: usize| {
        let started = clock.monotonic();
        let answer = client.create_as(&format!("drill-c2-{key}-{number}"), &body).await?;
        anyhow::Ok((answer, clock.monotonic().saturating_sub(started)))
    };
    join_all((0..count).map(timed)).await.into_iter().collect()
}
