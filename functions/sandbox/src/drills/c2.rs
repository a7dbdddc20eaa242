//! Finding C2: a provider that hangs takes the gateway down with it, the healthy providers too.

use std::time::Duration;

use anyhow::ensure;
use futures::future::{join, join_all};
use serde_json::json;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{Stage, story::Story, wording::took};
use crate::client::{Answer, Client};

/// How long Stripe hangs, and how long it is waited for: shorter than in production, so that the drill is.
const HANGS_MS: u64 = 10_000;
const WAITED_FOR_MS: &str = "1500";
const STATE: &str = "circuit_breaker_state{provider=\"stripe\"}";
/// A breaker looks at the last ten calls.
const OPENS_AFTER: usize = 10;
const AT_ONCE: usize = 20;
/// An open breaker answers within this.
const AT_ONCE_WITHIN: Duration = Duration::from_millis(50);

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let stage = Stage::start_with(story, &[("PROVIDER_TIMEOUT_MS", WAITED_FOR_MS)]).await?;
    let client = stage.client()?;
    let before = slowest(&paypal(&client, "before").await?);
    story.tell(
        "merchant",
        format!("{AT_ONCE} payments through PayPal: authorized, the slowest after {}", took(before)),
    )?;
    let hung = hangs(story, &client, before).await?;
    fails_fast(story, &client, hung.len()).await?;
    closes(story, &client).await?;

    story.later(&client, 2 * 3600).await?;
    let mut open = 0;
    for (answer, _) in hung.iter().filter(|(answer, _)| answer.status != 503) {
        let status = client.payment(answer.text("id")).await?["status"].clone();
        open += usize::from(status != "FAILED");
    }
    if let Some((told, _)) = hung.iter().find(|(answer, _)| story.knows(answer.text("id"))) {
        story.payment(&client, told.text("id")).await?;
        story.tell("gateway", format!("the same of the {} others that hung", hung.len() - 1))?;
    }
    story.check_equal("nothing is left open of what hung: payments without an outcome", 0, open)?;
    story.charged_once(&client).await
}

/// Stripe hangs; PayPal's payments do not feel it.
async fn hangs(story: &Story, client: &Client, before: Duration) -> anyhow::Result<Vec<Timed>> {
    story.tell("drill", format!("from now on Stripe takes {} s for every request", HANGS_MS / 1000))?;
    client.fault("stripe", &json!({"kind": "timeout", "ms": HANGS_MS})).await?;
    story.tell("merchant", format!("{OPENS_AFTER} payments through Stripe, and meanwhile {AT_ONCE} through PayPal"))?;
    let meanwhile = async {
        let meanwhile = paypal(client, "meanwhile").await?;
        story.tell(
            "paypal",
            format!("{AT_ONCE} payments are answered, the slowest after {}", took(slowest(&meanwhile))),
        )?;
        anyhow::Ok(meanwhile)
    };
    let hung = story.follow(client, "stripe", stripe(client, "hangs", OPENS_AFTER));
    let (hung, meanwhile) = join(hung, meanwhile).await;
    let (hung, meanwhile) = (hung??, meanwhile?);
    let told = |status| hung.iter().filter(|(answer, _)| answer.status == status).count();
    story.tell(
        "merchant",
        format!(
            "the {OPENS_AFTER} through Stripe are answered after {}: {} are 202 PENDING (nobody says more than is known), {} are 503",
            took(slowest(&hung)),
            told(202),
            told(503),
        ),
    )?;
    ensure!(
        hung.iter().all(|(answer, _)| matches!(answer.status, 202 | 503)),
        "expected that nobody is told more than is known"
    );
    let authorized = meanwhile.iter().filter(|(answer, _)| answer.text("status") == "AUTHORIZED").count();
    story.check_equal("no cascading failure: PayPal's payments authorized while Stripe hangs", AT_ONCE, authorized)?;
    let limit = Duration::from_millis(WAITED_FOR_MS.parse()?);
    story.check(
        "and they do not wait for Stripe",
        format!("less than {} more than before", took(limit)),
        format!("{} at most ({} before)", took(slowest(&meanwhile)), took(before)),
        slowest(&meanwhile) < before + limit,
    )?;
    Ok(hung)
}

/// The breaker is open.
async fn fails_fast(story: &Story, client: &Client, hung: usize) -> anyhow::Result<()> {
    let breaker = client.metric(STATE).await?;
    let deep = client.get("/health/deep").await?.body;
    let shown = deep["circuit_breakers"]["stripe"].as_str().unwrap_or_default().to_owned();
    story.tell("gateway", format!("{STATE} is {breaker} (open), /health/deep says {shown:?}"))?;
    let asked = "the breaker opens at 50 % errors over 10 requests, and its state is a metric (2 is open)";
    story.check(asked, 2, breaker, (breaker - 2.0).abs() < f64::EPSILON)?;
    story.check_equal("operations see it at /health/deep", "open", &shown)?;
    let live = client.get("/health/live").await?.status;
    story.check_equal("the health check is served, so that nothing is restarted: /health/live", 200, live)?;

    story.tell("merchant", format!("{AT_ONCE} more payments through Stripe"))?;
    let refused = stripe(client, "refused", AT_ONCE).await?;
    let (answer, _) = &refused[0];
    story.tell(
        "merchant",
        format!(
            "all {AT_ONCE} are answered within {}: {} {}, Retry-After {} s",
            took(slowest(&refused)),
            answer.status,
            answer.text("code"),
            answer.retry_after.unwrap_or_default(),
        ),
    )?;
    let fast = |answer: &Answer| answer.status == 503 && answer.text("code") == "provider_unavailable";
    let failed_fast = refused.iter().filter(|(answer, took)| fast(answer) && *took < AT_ONCE_WITHIN).count();
    let asked = "in OPEN state, fail fast with 503 \"provider unavailable\"";
    let within = format!("{AT_ONCE} within {} each", took(AT_ONCE_WITHIN));
    let seen = format!("{failed_fast}, the slowest after {}", took(slowest(&refused)));
    story.check(asked, within, seen, failed_fast == AT_ONCE)?;
    let told = answer.retry_after.filter(|seconds| *seconds <= 30);
    ensure!(told.is_some(), "expected that the merchant is told when to come: {answer:?}");
    let made = client.get("/v1/payments?limit=100").await?;
    let listed = made.body["data"].as_array().map_or(0, Vec::len);
    story.check_equal("a payment that was refused is none: payments that are written", 2 * AT_ONCE + hung, listed)
}

/// Half open, a few try.
async fn closes(story: &Story, client: &Client) -> anyhow::Result<()> {
    story.tell("drill", "Stripe is well again")?;
    client.clear_faults("stripe").await?;
    story.later(client, 31).await?;
    story.tell("merchant", "5 payments through Stripe, the trials of the half-open breaker")?;
    let trials = story.follow(client, "stripe", stripe(client, "trial", 5)).await??;
    for (answer, _) in &trials {
        ensure!(answer.text("status") == "AUTHORIZED", "expected that the trials go well: {}", answer.body);
    }
    let breaker = client.metric(STATE).await?;
    story.tell("gateway", format!("all 5 are authorized; {STATE} is {breaker} (closed)"))?;
    let asked = "after 30 s in open state, 5 test requests close it (0 is closed)";
    story.check(asked, 0, breaker, breaker.abs() < f64::EPSILON)
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
