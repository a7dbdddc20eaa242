//! Finding C6: no rate limiting and no backpressure against a flood of requests.

use std::time::Duration;

use anyhow::ensure;
use futures::future::{join, join_all};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::Stage;
use crate::{
    client::{Answer, Client},
    demo::say,
};

/// Production's default, a minute.
const LIMIT: usize = 100;
const FLOOD: usize = 1000;
const PAYMENTS: usize = 20;
/// What the other merchant's payments may take more than before, at most.
const NOTHING_MUCH: Duration = Duration::from_secs(1);

pub(super) async fn play() -> anyhow::Result<()> {
    let stage = Stage::start().await?;
    let (limited, other) = (stage.client_by("limited_api_key")?, stage.client_by("other_api_key")?);
    let before = slowest(&other, "before").await?;
    let made = limited.create("drill-c6", 1000, "pm_card_visa").await?;
    ensure!(made.status == 201, "expected a payment: {}", made.body);

    let (flood, meanwhile) = join(flood(&limited), slowest(&other, "meanwhile")).await;
    let (flood, meanwhile) = (flood?, meanwhile?);
    let taken = flood.iter().filter(|answer| answer.status == 200).count();
    let refused: Vec<_> = flood.iter().filter(|answer| answer.status == 429).collect();
    ensure!(taken == LIMIT - 1 && refused.len() == FLOOD - taken, "expected {LIMIT} in all, not {}", taken + 1);
    let told = |answer: &&Answer| answer.text("code") == "rate_limited" && answer.retry_after == Some(1);
    ensure!(refused.iter().all(told), "expected that each is told when to come again");
    ensure!(
        meanwhile < before + NOTHING_MUCH,
        "expected at most {NOTHING_MUCH:?} more for the other merchant: {meanwhile:?}"
    );
    say(&format!(
        "  {FLOOD} requests at once of one merchant: {taken} are answered and {} refused; another's payments are all made, and take {} ms at most (before: {}; up to a second more is accepted)",
        refused.len(),
        meanwhile.as_millis(),
        before.as_millis(),
    ))?;

    stage.client()?.advance(60).await?;
    for _ in 0..LIMIT {
        let again = limited.create("drill-c6", 1000, "pm_card_visa").await?;
        ensure!(again.status == 200 && again.replayed, "expected a replay: {}", again.body);
    }
    let after = limited.create("drill-c6-next", 1000, "pm_card_visa").await?;
    ensure!(after.status == 201, "expected that replays took no tokens: {}", after.body);
    say(&format!("  a minute later {LIMIT} retries of one payment cost nothing, and a new payment is made"))?;

    let guesses =
        join_all((0..FLOOD).map(|number| limited.with_key(&format!("tgk_made-up-{number}")).get_owned())).await;
    let statuses = guesses.into_iter().collect::<anyhow::Result<Vec<u16>>>()?;
    let unauthenticated = statuses.iter().filter(|status| **status == 401).count();
    let limited_too = statuses.iter().filter(|status| matches!(**status, 429 | 503)).count();
    ensure!(unauthenticated + limited_too == FLOOD, "expected 401 and then 429");
    ensure!(unauthenticated <= 300, "expected that few of {FLOOD} made-up keys are looked up: {unauthenticated}");
    ensure!(slowest(&other, "after").await? < before + NOTHING_MUCH, "expected that nobody feels that either");
    say(&format!("  {FLOOD} made-up keys from one address: {unauthenticated} are looked up, the others refused before"))
}

/// As many as that, at once.
async fn flood(client: &Client) -> anyhow::Result<Vec<Answer>> {
    join_all((0..FLOOD).map(|_| client.get("/v1/payments?limit=1"))).await.into_iter().collect()
}

/// What the slowest of some payments takes.
async fn slowest(client: &Client, key: &str) -> anyhow::Result<Duration> {
    let mut slowest = Duration::ZERO;
    for number in 0..PAYMENTS {
        let clock = SystemClock::start();
        let answer = client.create(&format!("drill-c6-{key}-{number}"), 1000, "pm_card_visa").await?;
        ensure!(answer.status == 201, "expected a payment: {}", answer.body);
        slowest = slowest.max(clock.monotonic());
    }
    Ok(slowest)
}

impl Client {
    async fn get_owned(self) -> anyhow::Result<u16> {
        Ok(self.get("/v1/payments?limit=1").await?.status)
    }
}
