//! Finding S3: 99.9 % is promised, and nobody says of what, nor how much may fail, nor when somebody is woken.
//!
//! The objective, its budget and its burn rates are those of `infra/observability/slos.toml`. Time is the drill's own: a
//! quarter of a minute passes from one scrape to the next.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, ensure};
use futures::future::join_all;
use serde::Deserialize;
use serde_json::json;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{Stage, make_up, watch::Watch};
use crate::{
    client::{Answer, Client},
    demo::say,
    exposition::Selector,
};

const SLOS: &str = include_str!("../../../../infra/observability/slos.toml");
/// What the objectives below are about.
const METRICS: [&str; 2] = ["http_requests_total", "provider_calls_total"];
const EVERY: Duration = Duration::from_secs(15);
/// What comes in between two scrapes.
const PAYMENTS: usize = 4;
const HOUR: Duration = Duration::from_secs(3600);
const FIVE_MINUTES: Duration = Duration::from_secs(300);
const PAGED_WITHIN: Duration = Duration::from_secs(60);
/// A store operation may take so long: less than in production, so that the drill is shorter.
const STORE_TIMEOUT_MS: &str = "500";
const BURNING: &str = "budget-burn-.*";
const STRIPES: &str = "provider-slo-burn-.*";

#[derive(Deserialize)]
struct Slos {
    page_at_least: f64,
    burn: Vec<Burn>,
    slo: Vec<Slo>,
}

#[derive(Deserialize)]
struct Burn {
    name: String,
    rate: f64,
    windows: Vec<String>,
    severity: String,
}

#[derive(Deserialize)]
struct Slo {
    name: String,
    goal: f64,
    days: f64,
    alert: String,
    metric: String,
    #[serde(default)]
    of: String,
    bad: Option<String>,
    burn: Vec<String>,
}

/// An objective, watched.
struct Objective<'a> {
    slo: &'a Slo,
    slos: &'a Slos,
    all: Selector,
    failed: Selector,
}

impl<'a> Objective<'a> {
    fn read(slos: &'a Slos, name: &str) -> anyhow::Result<Self> {
        let slo = slos.slo.iter().find(|slo| slo.name == name).with_context(|| format!("there is an SLO {name}"))?;
        let bad = slo.bad.as_deref().context("it says what fails")?;
        let all = Selector::read(&format!("{}{{{}}}", slo.metric, slo.of))?;
        let failed = Selector::read(&format!("{}{{{},{bad}}}", slo.metric, slo.of))?;
        Ok(Self { slo, slos, all, failed })
    }

    fn failed(&self, watch: &Watch, window: Duration) -> f64 {
        watch.grew(&self.failed, window)
    }

    fn is_burning(&self, watch: &Watch, burn: &Burn) -> anyhow::Result<bool> {
        let windows = burn.windows.iter().map(|window| duration(window)).collect::<anyhow::Result<Vec<_>>>()?;
        let too_fast = burn.rate * (1.0 - self.slo.goal);
        let burns = |window: &Duration| self.failed(watch, *window) > too_fast * watch.grew(&self.all, *window);
        let first = *windows.first().context("it has a window")?;
        let enough = burn.severity == "ticket" || self.failed(watch, first) >= self.slos.page_at_least;
        Ok(enough && windows.iter().all(burns))
    }

    /// The alerts that fire now, with who is told.
    fn firing(&self, watch: &Watch) -> anyhow::Result<BTreeMap<String, &'a str>> {
        let mut firing = BTreeMap::new();
        for burn in self.slos.burn.iter().filter(|burn| self.slo.burn.contains(&burn.name)) {
            if self.is_burning(watch, burn)? {
                firing.insert(format!("{}-{}", self.slo.alert, burn.name), &*burn.severity);
            }
        }
        Ok(firing)
    }
}

pub(super) async fn play() -> anyhow::Result<()> {
    let slos: Slos = toml::from_str(SLOS).context("slos.toml reads")?;
    let (budget, stripes) = (Objective::read(&slos, "availability")?, Objective::read(&slos, "provider")?);
    let stage = Stage::start_with(&[("STORE_TIMEOUT_MS", STORE_TIMEOUT_MS)]).await?;
    let mut shop = Shop { client: stage.client()?, watch: Watch::new(EVERY, &METRICS), refused: Vec::new(), steps: 0 };
    let minutes = (1.0 - budget.slo.goal) * budget.slo.days * 24.0 * 60.0;

    for _ in 0..steps(HOUR) {
        shop.step("pm_card_visa").await?;
    }
    shop.what_does_not_count().await?;
    let firing = budget.firing(&shop.watch)?;
    ensure!(firing.is_empty(), "expected that nobody is told: {firing:?}");
    shop.watch.say(BURNING, Vec::new());
    say(&format!(
        "  an hour of payments, with declines and merchants' mistakes: nothing of the budget is spent, {minutes:.1} minutes in {} days",
        budget.slo.days,
    ))?;

    stripe_is_away(&mut shop, &budget, &stripes).await?;
    for _ in 0..steps(FIVE_MINUTES) {
        shop.step("pm_card_visa").await?;
    }
    let failed = outage(&stage, &mut shop, &budget).await?;
    let cost = failed / (shop.watch.grew(&budget.all, HOUR) / 60.0);
    say(&format!(
        "  that cost {cost:.1} of the {minutes:.1} minutes; with the same keys each refused payment is made once"
    ))?;

    for _ in 0..=steps(FIVE_MINUTES) {
        shop.step("pm_card_visa").await?;
    }
    let firing = budget.firing(&shop.watch)?;
    for over in ["budget-burn-outage", "budget-burn-fast"] {
        ensure!(!firing.contains_key(over), "expected that {over} is over: {firing:?}");
    }
    shop.watch.say("budget-burn-(outage|fast)", Vec::new());
    say("  five minutes later the pages on what goes on have ended by themselves")?;
    say(&format!("  {}", shop.watch.agrees()?))
}

/// A provider's outage is not ours: it spends its own objective's budget.
async fn stripe_is_away(shop: &mut Shop, budget: &Objective<'_>, stripes: &Objective<'_>) -> anyhow::Result<()> {
    shop.client.fault("stripe", &json!({"kind": "unreachable"})).await?;
    let began = shop.watch.elapsed();
    while !stripes.firing(&shop.watch)?.contains_key("provider-slo-burn-fast") {
        ensure!(shop.watch.elapsed() < began + 20 * PAGED_WITHIN, "expected that it is seen");
        shop.step("pm_card_visa").await?;
    }
    let (ours, after) = (budget.firing(&shop.watch)?, shop.watch.elapsed().saturating_sub(began));
    ensure!(ours.is_empty(), "expected that a provider's outage does not spend our budget: {ours:?}");
    shop.watch.say(BURNING, Vec::new());
    shop.watch.say(STRIPES, stripes.firing(&shop.watch)?.into_keys().collect());
    say(&format!(
        "  Stripe is away, and refused payments say so: its own objective pages after {} s (the alert on its open breaker is sooner), ours loses nothing",
        after.as_secs(),
    ))?;
    shop.client.clear_faults("stripe").await?;
    shop.client.advance(31).await?;
    make_up(&shop.client, &mut shop.refused).await
}

/// Everything fails, until a tenth of the budget would be spent in an hour. Answers how many requests failed.
async fn outage(stage: &Stage, shop: &mut Shop, budget: &Objective<'_>) -> anyhow::Result<f64> {
    let lock = stage.lock_the_store()?;
    let began = shop.watch.elapsed();
    let mut told = BTreeMap::new();
    let mut paged_after = None;
    while !told.contains_key("budget-burn-tenth") {
        ensure!(shop.watch.elapsed() < began + 20 * PAGED_WITHIN, "expected that somebody is told: {told:?}");
        shop.step("pm_card_visa").await?;
        let after = shop.watch.elapsed().saturating_sub(began);
        for (alert, severity) in budget.firing(&shop.watch)? {
            if severity == "page" && paged_after.is_none() {
                paged_after = Some(after);
                shop.watch.say("budget-burn-outage", vec!["budget-burn-outage".to_owned()]);
            }
            if !told.contains_key(&alert) {
                say(&format!(
                    "  the store is away, everything fails: after {:>3} s {alert} ({severity})",
                    after.as_secs()
                ))?;
            }
            told.insert(alert, severity);
        }
    }
    ensure!(paged_after.is_some_and(|after| after <= PAGED_WITHIN), "expected a page within a minute: {paged_after:?}");
    ensure!(told.len() == budget.slo.burn.len(), "expected that by then each alert says so: {told:?}");
    shop.watch.say(BURNING, told.into_keys().collect());
    let failed = budget.failed(&shop.watch, HOUR);
    drop(lock);
    let clock = SystemClock::start();
    while shop.client.create("drill-s3-back", 1000, "pm_card_visa").await?.status == 503 {
        ensure!(clock.monotonic() < PAGED_WITHIN, "expected that it comes back");
        shop.client.pause().await;
    }
    // What was given up may have been written after all: its lease has to be over.
    shop.client.advance(30).await?;
    make_up(&shop.client, &mut shop.refused).await?;
    Ok(failed)
}

/// Merchants' traffic, and what is seen of it.
struct Shop {
    client: Client,
    watch: Watch,
    /// Keys of payments that were refused.
    refused: Vec<String>,
    steps: usize,
}

impl Shop {
    /// What comes in until the next scrape: payments, each captured.
    async fn step(&mut self, card: &str) -> anyhow::Result<()> {
        self.steps += 1;
        let keys: Vec<_> = (0..PAYMENTS).map(|number| format!("drill-s3-{}-{number}", self.steps)).collect();
        let pay = async |key: String| {
            let made = self.client.create(&key, 1000, card).await?;
            if made.text("status") == "AUTHORIZED" {
                let captured = self.client.capture(made.text("id"), &key, None).await?;
                ensure!(captured.status == 200, "expected a capture: {}", captured.body);
            }
            Ok((key, made))
        };
        let answers: Vec<(String, Answer)> =
            join_all(keys.into_iter().map(pay)).await.into_iter().collect::<Result<_, _>>()?;
        self.refused.extend(answers.into_iter().filter(|(_, answer)| answer.status == 503).map(|(key, _)| key));
        self.watch.scrape(&[(self.client.metrics().await?, &[])]);
        Ok(())
    }

    /// Declines and merchants' mistakes are answers.
    async fn what_does_not_count(&mut self) -> anyhow::Result<()> {
        for _ in 0..steps(FIVE_MINUTES) {
            let mistake = self.client.create_as("drill-s3-mistake", &json!({"amount": -1})).await?;
            ensure!(mistake.status == 422 || mistake.status == 400, "expected a refusal: {}", mistake.body);
            self.step("pm_card_chargeDeclined").await?;
        }
        Ok(())
    }
}

/// How many scrapes are in that.
fn steps(time: Duration) -> u64 {
    time.as_secs() / EVERY.as_secs()
}

/// `5m`, `6h`, `3d`.
fn duration(text: &str) -> anyhow::Result<Duration> {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let seconds = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => anyhow::bail!("{text} is no length of time"),
    };
    Ok(Duration::from_secs(number.parse::<u64>()? * seconds))
}
