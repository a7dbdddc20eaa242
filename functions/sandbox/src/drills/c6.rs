//! Finding C6: no rate limiting and no backpressure against a flood of requests.

use std::time::Duration;

use anyhow::ensure;
use futures::future::{join, join_all};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{
    Stage,
    story::Story,
    wording::{short, took},
};
use crate::client::{Answer, Client};

/// Production's default, a minute.
const LIMIT: usize = 100;
const FLOOD: usize = 1000;
const PAYMENTS: usize = 20;
/// What the other merchant's payments may take more than before, at most.
const NOTHING_MUCH: Duration = Duration::from_secs(1);

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let stage = Stage::start(story).await?;
    let (limited, other) = (stage.client_by("limited_api_key")?, stage.client_by("other_api_key")?);
    let before = slowest(&other, "before").await?;
    story
        .tell("other", format!("{PAYMENTS} payments of another merchant: made, the slowest after {}", took(before)))?;
    let made = limited.create("drill-c6", 1000, "pm_card_visa").await?;
    ensure!(made.status == 201, "expected a payment: {}", made.body);
    story.tell(
        "merchant",
        format!("{}  makes a payment: the first of his {LIMIT} requests in a minute", short(made.text("id"))),
    )?;

    floods(story, &limited, &other, before).await?;
    story.later(&stage.client()?, 60).await?;
    let mut replays = 0;
    for _ in 0..LIMIT {
        let again = limited.create("drill-c6", 1000, "pm_card_visa").await?;
        replays += usize::from(again.status == 200 && again.replayed);
    }
    story.tell(
        "merchant",
        format!("{LIMIT} retries of that payment, one after the other: {replays} are answered with it"),
    )?;
    story.check_equal("retries are not punished: replays that are answered and cost nothing", LIMIT, replays)?;
    let after = limited.create("drill-c6-next", 1000, "pm_card_visa").await?;
    story.tell("merchant", format!("then a new payment: {} {}", after.status, after.text("status")))?;
    story.check_equal("and a new payment in the same minute is made", 201, after.status)?;
    strangers(story, &limited, &other, before).await
}

/// One merchant floods, and another one pays.
async fn floods(story: &Story, limited: &Client, other: &Client, before: Duration) -> anyhow::Result<()> {
    story.tell("merchant", format!("{FLOOD} requests at once; meanwhile the other one makes {PAYMENTS} payments"))?;
    let (flood, meanwhile) = join(flood(limited), slowest(other, "meanwhile")).await;
    let (flood, meanwhile) = (flood?, meanwhile?);
    let taken = flood.iter().filter(|answer| answer.status == 200).count();
    let refused: Vec<_> = flood.iter().filter(|answer| answer.status == 429).collect();
    story.tell("merchant", format!("{taken} are answered, {} are refused with 429 rate_limited", refused.len()))?;
    story.tell("other", format!("all {PAYMENTS} payments are made, the slowest after {}", took(meanwhile)))?;
    story.check_equal("a merchant's limit of 100 requests a minute: answered, with the payment", LIMIT, taken + 1)?;
    let told = |answer: &&&Answer| answer.text("code") == "rate_limited" && answer.retry_after == Some(1);
    let told = refused.iter().filter(told).count();
    story.check_equal("beyond it, 429 with Retry-After (1 s: a token comes back sooner)", FLOOD - taken, told)?;
    story.check(
        "legitimate merchants do not feel it: the other one's slowest payment",
        format!("{} more at most than before", took(NOTHING_MUCH)),
        format!("{} ({} before)", took(meanwhile), took(before)),
        meanwhile < before + NOTHING_MUCH,
    )
}

/// Somebody guesses keys.
async fn strangers(story: &Story, limited: &Client, other: &Client, before: Duration) -> anyhow::Result<()> {
    story.tell("stranger", format!("{FLOOD} requests at once with made-up keys, from one address"))?;
    let guesses =
        join_all((0..FLOOD).map(|number| limited.with_key(&format!("tgk_made-up-{number}")).get_owned())).await;
    let statuses = guesses.into_iter().collect::<anyhow::Result<Vec<u16>>>()?;
    let unauthenticated = statuses.iter().filter(|status| **status == 401).count();
    let limited_too = statuses.iter().filter(|status| matches!(**status, 429 | 503)).count();
    story.tell(
        "stranger",
        format!("{unauthenticated} are looked up (401), {limited_too} are refused before that (429, 503)"),
    )?;
    ensure!(unauthenticated + limited_too == FLOOD, "expected 401 and then 429");
    let asked = "made-up keys cost no reads beyond an address's limit: looked up";
    story.check(asked, "300 at most", unauthenticated, unauthenticated <= 300)?;
    let after = slowest(other, "after").await?;
    story.check(
        "and the other merchant does not feel that either",
        format!("{} more at most than before", took(NOTHING_MUCH)),
        format!("{} ({} before)", took(after), took(before)),
        after < before + NOTHING_MUCH,
    )
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
