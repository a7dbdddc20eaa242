//! Finding S1: a database that fails over takes every request with it, for as long as that lasts.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures::future::join;
use serde_json::json;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{
    Stage,
    story::Story,
    wording::{short, took},
};
use crate::client::{Answer, Client};

/// What a store operation may take: less than in production, so that the drill is short.
const STORE_TIMEOUT_MS: &str = "500";
const AWAY_FOR: Duration = Duration::from_secs(8);
/// What refusals take then, half of them: far less than a store operation may.
const AT_ONCE_WITHIN: Duration = Duration::from_millis(100);
const BACK_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let stage = Stage::start_with(story, &[("STORE_TIMEOUT_MS", STORE_TIMEOUT_MS)]).await?;
    let client = stage.client()?;
    let held = client.create("drill-s1-held", 1000, "pm_card_visa").await?.text("id").to_owned();
    let asked = client.create("drill-s1-asked", 1000, "pm_card_threeDSecure2Required").await?.text("id").to_owned();
    story.tell("merchant", format!("{}  holds 1000 yen; {}  waits for its payer", short(&held), short(&asked)))?;
    story.payment(&client, &asked).await?;

    // It goes away in the middle of a payment: Stripe has it, and we cannot write that down.
    client.fault("stripe", &json!({"kind": "slow", "ms": 1000, "times": 1})).await?;
    let paying = client.create("drill-s1-cut-off", 1000, "pm_card_visa");
    let (cut_off, lock) = join(paying, async {
        until(async || Ok(client.transactions("stripe").await?.len() == 3)).await.context("Stripe has it")?;
        let lock = stage.lock_the_store()?;
        story.tell("drill", "the store is locked, just when Stripe has charged a third payment")?;
        Ok::<_, anyhow::Error>(lock)
    })
    .await;
    let (cut_off, lock, clock) = (cut_off?, lock?, SystemClock::start());
    let (status, code) = (cut_off.status, cut_off.text("code"));
    story.tell("merchant", format!("that payment is answered {status} {code}: it cannot be written"))?;
    away(&cut_off)?;
    fails_fast(story, &client, &held).await?;
    goes_on(&stage, &client, &held, &asked).await?;

    SystemClock::start().sleep(AWAY_FOR.saturating_sub(clock.monotonic())).await;
    drop(lock);
    story.tell("drill", format!("the store is back, after {}", took(clock.monotonic())))?;
    is_back(story, &client).await?;
    // Nobody asks for it: the event that was kept says how it stands.
    until(async || Ok(client.payment(&asked).await?["status"] == "AUTHORIZED"))
        .await
        .context("the event is applied")?;
    story.payment(&client, &asked).await?;
    let applied = client.payment(&asked).await?;
    let applied = applied["status"].as_str().unwrap_or_default();
    story.check_equal("what was queued is replayed after recovery: the payment is", "AUTHORIZED", applied)?;
    same_keys_go_on(story, &client, &held).await
}

/// First each waits for the store for a little, then nobody does.
async fn fails_fast(story: &Story, client: &Client, held: &str) -> anyhow::Result<()> {
    let slowest = refused(story, client, "soon", 12).await?;
    story.tell(
        "merchant",
        format!("all 12 payments that came one after the other: 503, the slowest after {}", took(slowest)),
    )?;
    let capture = client.capture(held, "drill-s1-capture", None).await?;
    away(&capture)?;
    let at_once = refused(story, client, "at-once", 20).await?;
    story.tell(
        "merchant",
        format!("a capture and 20 payments more: 503 as well, half of them within {}", took(at_once)),
    )?;
    let breaker = client.metric("store_circuit_breaker_state{kind=\"commit\"}").await?;
    story.tell("on-call", format!("store_circuit_breaker_state{{kind=\"commit\"}} is {breaker}"))?;
    let asked = "a circuit breaker for the database opens after 10 failures, and on-call sees it (2 is open)";
    story.check(asked, "more than 1", breaker, breaker > 1.0)?;
    let asked = "then it fails fast, instead of 30 s of retries: half of the refusals";
    story.check(asked, format!("within {}", took(AT_ONCE_WITHIN)), took(at_once), at_once < AT_ONCE_WITHIN)
}

/// What goes on without the store.
async fn goes_on(stage: &Stage, client: &Client, held: &str, asked: &str) -> anyhow::Result<()> {
    let story = &stage.story;
    let shown = client.get(&format!("/v1/payments/{held}")).await?;
    story.tell("merchant", format!("{}  looks at it: {} {}", short(held), shown.status, shown.text("status")))?;
    story.check_equal(
        "reads are served during the outage: a payment is shown as",
        "AUTHORIZED",
        shown.text("status"),
    )?;
    // A payer has approved meanwhile: Stripe tells us, and will not say it again.
    stage.approves(&client.payment(asked).await?).await?;
    story.tell("payer", format!("{}  approves on Stripe's page; Stripe tells the gateway, once", short(asked)))?;
    let queued = "provider_webhooks_total{provider=\"stripe\",outcome=\"queued\"}";
    until(async || Ok(client.metric(queued).await? > 0.0)).await.context("Stripe's event is kept")?;
    let kept = client.metric(queued).await?;
    story.tell("gateway", format!("Stripe's event is taken and kept: {queued} is {kept}"))?;
    story.check("writes are queued for replay: provider events kept", "1 at least", kept, kept >= 1.0)
}

async fn is_back(story: &Story, client: &Client) -> anyhow::Result<()> {
    let (back, mut tries) = (SystemClock::start(), 0);
    until(async || {
        tries += 1;
        Ok(client.create(&format!("drill-s1-back-{tries}"), 1000, "pm_card_visa").await?.status == 201)
    })
    .await?;
    let back = back.monotonic();
    story.tell("merchant", format!("a payment is made again, {} after the store is back (try {tries})", took(back)))?;
    story.check("service is back by itself", format!("within {}", took(BACK_WITHIN)), took(back), back < BACK_WITHIN)
}

async fn same_keys_go_on(story: &Story, client: &Client, held: &str) -> anyhow::Result<()> {
    story.later(client, 30).await?;
    let mut done = 0;
    for (what, answer) in [
        ("the payment that was cut off", client.create("drill-s1-cut-off", 1000, "pm_card_visa").await?),
        ("the capture", client.capture(held, "drill-s1-capture", None).await?),
        ("a payment that was refused", client.create("drill-s1-soon-0", 1000, "pm_card_visa").await?),
    ] {
        let (id, status) = (short(answer.text("id")), answer.text("status"));
        story.tell("merchant", format!("{what} again, with its key: {} {id} {status}", answer.status))?;
        ensure!(matches!(answer.status, 200 | 201), "expected that {what} goes on with its key: {}", answer.body);
        done += 1;
    }
    story.check_equal("no transaction is lost: the same keys go on", 3, done)?;
    story.charged_once(client).await
}

fn away(answer: &Answer) -> anyhow::Result<()> {
    let told = answer.status == 503 && answer.text("code") == "store_unavailable" && answer.retry_after.is_some();
    ensure!(told, "expected to be told that the store is away: {answer:?}");
    Ok(())
}

/// So many payments are refused; what the slowest took.
async fn refused(story: &Story, client: &Client, key: &str, count: usize) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for number in 0..count {
        let clock = SystemClock::start();
        away(&client.create(&format!("drill-s1-{key}-{number}"), 1000, "pm_card_visa").await?)?;
        let time = clock.monotonic();
        let is_first_at_once =
            key == "soon" && time < AT_ONCE_WITHIN && times.iter().all(|time| *time >= AT_ONCE_WITHIN);
        if key == "soon" && number == 0 || is_first_at_once {
            story.tell("merchant", format!("payment {}: 503 store_unavailable after {}", number + 1, took(time)))?;
        }
        times.push(time);
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
