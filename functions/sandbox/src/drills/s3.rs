//! Finding S3: 99.9 % is promised, and nobody says of what, nor how much may fail, nor when somebody is woken.
//!
//! The objective, its budget and its burn rates are those of `infra/observability/slos.toml`. Time is the drill's own: a
//! quarter of a minute passes from one scrape to the next.

use std::{collections::BTreeMap, fmt::Display, time::Duration};

use anyhow::{Context, ensure};
use futures::future::join_all;
use serde::Deserialize;
use serde_json::json;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{Stage, make_up, story::Story, watch::Watch, wording::took};
use crate::{
    client::{Answer, Client},
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

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let slos: Slos = toml::from_str(SLOS).context("slos.toml reads")?;
    let (budget, stripes) = (Objective::read(&slos, "availability")?, Objective::read(&slos, "provider")?);
    let stage = Stage::start_with(story, &[("STORE_TIMEOUT_MS", STORE_TIMEOUT_MS)]).await?;
    let (client, watch) = (stage.client()?, Watch::new(EVERY, &METRICS));
    let mut shop = Shop { client, watch, refused: Vec::new(), steps: 0, story: story.clone() };
    let minutes = (1.0 - budget.slo.goal) * budget.slo.days * 24.0 * 60.0;
    let asked = "an error budget: minutes in a month at 99.9 % (the review: 43.2)";
    story.check(asked, "43.2", format!("{minutes:.1}, in {} days", budget.slo.days), (minutes - 43.2).abs() < 0.05)?;

    shop.tell("merchant", format!("payments come, {PAYMENTS} in {} s, and each is captured", EVERY.as_secs()))?;
    for _ in 0..steps(HOUR) {
        shop.step("pm_card_visa").await?;
    }
    shop.what_does_not_count().await?;
    let firing = budget.firing(&shop.watch)?;
    let (failed, all) = (budget.failed(&shop.watch, 2 * HOUR), shop.watch.grew(&budget.all, 2 * HOUR));
    let failed = failed.abs();
    shop.tell("scrape", format!("{all} requests were counted, {failed} of them against the budget"))?;
    let seen = format!("{} of {} alerts", firing.len(), budget.slo.burn.len());
    story.check("declines and merchants' mistakes are no errors: nobody is told", "0", seen, firing.is_empty())?;
    shop.watch.say(BURNING, Vec::new());

    stripe_is_away(&mut shop, &budget, &stripes).await?;
    for _ in 0..steps(FIVE_MINUTES) {
        shop.step("pm_card_visa").await?;
    }
    let failed = outage(&stage, &mut shop, &budget).await?;
    let cost = failed / (shop.watch.grew(&budget.all, HOUR) / 60.0);
    shop.tell("scrape", format!("the outage cost {cost:.1} of the month's {minutes:.1} minutes"))?;

    for _ in 0..=steps(FIVE_MINUTES) {
        shop.step("pm_card_visa").await?;
    }
    let firing = budget.firing(&shop.watch)?;
    shop.tell(
        "alerts",
        format!("firing five minutes later: {}", firing.keys().cloned().collect::<Vec<_>>().join(", ")),
    )?;
    let over = ["budget-burn-outage", "budget-burn-fast"];
    let still = over.iter().filter(|over| firing.contains_key(**over)).count();
    story.check_equal("pages on what goes on have ended five minutes after it: still firing", 0, still)?;
    shop.watch.say("budget-burn-(outage|fast)", Vec::new());
    shop.tell("promtool", shop.watch.agrees()?)
}

/// A provider's outage is not ours: it spends its own objective's budget.
async fn stripe_is_away(shop: &mut Shop, budget: &Objective<'_>, stripes: &Objective<'_>) -> anyhow::Result<()> {
    shop.client.fault("stripe", &json!({"kind": "unreachable"})).await?;
    shop.tell("drill", "Stripe is away; payments go on to come")?;
    let began = shop.watch.elapsed();
    while !stripes.firing(&shop.watch)?.contains_key("provider-slo-burn-fast") {
        ensure!(shop.watch.elapsed() < began + 20 * PAGED_WITHIN, "expected that it is seen");
        shop.step("pm_card_visa").await?;
    }
    let (ours, after) = (budget.firing(&shop.watch)?, shop.watch.elapsed().saturating_sub(began));
    shop.tell(
        "alerts",
        format!(
            "provider-slo-burn-fast (page) after {} s; {} requests were refused",
            after.as_secs(),
            shop.refused.len()
        ),
    )?;
    let asked = "a separate SLO for each provider: Stripe's outage spends its budget, and of ours alerts fire";
    shop.story.check(asked, 0, ours.len(), ours.is_empty())?;
    shop.watch.say(BURNING, Vec::new());
    shop.watch.say(STRIPES, stripes.firing(&shop.watch)?.into_keys().collect());
    shop.client.clear_faults("stripe").await?;
    shop.client.advance(31).await?;
    shop.tell("drill", "Stripe is back, and its breaker may try again")?;
    shop.made_up().await
}

/// Everything fails, until a tenth of the budget would be spent in an hour. Answers how many requests failed.
async fn outage(stage: &Stage, shop: &mut Shop, budget: &Objective<'_>) -> anyhow::Result<f64> {
    let lock = stage.lock_the_store()?;
    shop.tell("drill", "the store is locked: everything fails")?;
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
                shop.tell("alerts", format!("{alert} ({severity}), {} s after it began", after.as_secs()))?;
            }
            told.insert(alert, severity);
        }
    }
    shop.story.check(
        "a total outage pages on-call, not customers: the first page",
        format!("within {} s", PAGED_WITHIN.as_secs()),
        paged_after.map_or("none".to_owned(), |after| format!("after {} s", after.as_secs())),
        paged_after.is_some_and(|after| after <= PAGED_WITHIN),
    )?;
    let asked =
        "burn rates from fast to slow, each with its alert: firing when a tenth of the budget would go in an hour";
    shop.story.check_equal(asked, budget.slo.burn.len(), told.len())?;
    shop.watch.say(BURNING, told.into_keys().collect());
    let failed = budget.failed(&shop.watch, HOUR);
    drop(lock);
    let clock = SystemClock::start();
    while shop.client.create("drill-s3-back", 1000, "pm_card_visa").await?.status == 503 {
        ensure!(clock.monotonic() < PAGED_WITHIN, "expected that it comes back");
        shop.client.pause().await;
    }
    shop.tell("drill", format!("the store is back, and payments are made again after {}", took(clock.monotonic())))?;
    // What was given up may have been written after all: its lease has to be over.
    shop.client.advance(30).await?;
    shop.made_up().await?;
    Ok(failed)
}

/// Merchants' traffic, and what is seen of it.
struct Shop {
    client: Client,
    watch: Watch,
    /// Keys of payments that were refused.
    refused: Vec<String>,
    steps: usize,
    story: Story,
}

impl Shop {
    fn tell(&self, who: &str, what: impl Display) -> anyhow::Result<()> {
        self.story.tell_at(self.watch.elapsed(), who, what)
    }

    /// Merchants try what was refused again, with the same keys.
    async fn made_up(&mut self) -> anyhow::Result<()> {
        let refused = self.refused.len();
        make_up(&self.client, &mut self.refused).await?;
        self.tell("merchant", format!("the {refused} refused payments again, with the same keys: each is made, once"))
    }

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
        self.tell("merchant", "for five minutes each card is declined, and a mistake comes with every scrape")?;
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
