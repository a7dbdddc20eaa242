//! Finding S5: a bad release reaches everybody, because nothing says when to roll back and nobody does it by itself.
//!
//! The drill is the delivery: it sends a share of the payments to a second revision on the same store and the same providers, watches
//! both as the alerts `canary-…` do, and rolls back when one of them fires. Time is the drill's own, from scrape to scrape.

use std::{collections::BTreeMap, fmt::Display, time::Duration};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use serde_json::json;

use super::{Stage, make_up, started, story::Story, watch::Watch, wording::span};
use crate::{
    client::Client,
    exposition::Selector,
    process::{self, Process},
    serve::ClockMode,
};

const METRICS: [&str; 4] = [
    "http_requests_total",
    "payment_requests_total",
    "http_request_duration_seconds_bucket",
    "http_request_duration_seconds_count",
];
const EVERY: Duration = Duration::from_secs(30);
/// What comes in between two scrapes.
const PAYMENTS: usize = 40;
/// The steps of a canary, in per cent, and how long each is watched.
const SHARES: [usize; 3] = [10, 50, 100];
const EACH: u64 = 600 / 30;
/// What the alerts look back on, and what they make of it (`infra/observability/alerts.toml`, finding S5).
const WINDOW: Duration = Duration::from_secs(300);
const SHARE: f64 = 0.05;
const SECOND: &str = "1";
const AT_LEAST: f64 = 20.0;
const ALERTS: &str = "canary-.*";
const REVISION: &str = "revision_name";
/// The review's: what a person needed to notice, and to roll back by hand.
const BY_HAND: Duration = Duration::from_secs(15 * 60);

/// What is wrong with a release.
#[derive(Clone, Copy)]
enum Flaw {
    None,
    /// It does not reach Stripe: a wrong address, a key that is missing.
    CannotReachStripe,
    /// A quarter of what it asks for is declined.
    Declined,
    /// Each of its payments takes more than a second.
    Slow,
}

impl Flaw {
    const ALL: [(Self, &'static str); 4] = [
        (Self::CannotReachStripe, "does not reach Stripe"),
        (Self::Declined, "has every fourth payment declined"),
        (Self::Slow, "takes 1.2 s for a payment"),
        (Self::None, "is well"),
    ];

    /// The alert that has to see it.
    const fn alert(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::CannotReachStripe => Some("canary-errors"),
            Self::Declined => Some("canary-failed-payments"),
            Self::Slow => Some("canary-latency"),
        }
    }
}

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let mut stage = Stage::start(story).await?;
    let mut canaries = Vec::new();
    for (number, _) in Flaw::ALL.iter().enumerate() {
        canaries.push(stage.revision(&format!("canary-{number}")).await?);
    }
    story.tell("drill", format!("starts {} more revisions beside it, on the same store", canaries.len()))?;
    // Who came last is told by providers: that has to be the one that stays.
    stage.kill().await?;
    stage.restart().await?;
    let (mut left, mut agreed) = (Vec::new(), "");
    for ((flaw, what), (process, canary)) in Flaw::ALL.into_iter().zip(canaries) {
        let mut rollout = Rollout::begin(story, stage.client()?, canary, flaw).await?;
        rollout.tell("delivery", format!("a release that {what} gets {} % of the payments", SHARES[0]))?;
        match flaw.alert() {
            Some(alert) => left.extend(rolled_back(&mut rollout, process, what, alert).await?),
            None => promoted(&mut rollout).await?,
        }
        agreed = rollout.watch.agrees()?;
    }
    story.tell("promtool", agreed)?;
    nothing_is_lost(story, &stage.client()?, &left).await
}

/// A bad release: at 10 % it is seen, and taken back before the next step. Answers the payments that it made.
async fn rolled_back(rollout: &mut Rollout, process: Process, what: &str, alert: &str) -> anyhow::Result<Vec<String>> {
    let mut fired = Vec::new();
    for _ in 0..EACH {
        rollout.step(SHARES[0]).await?;
        fired = rollout.firing()?;
        if !fired.is_empty() {
            break;
        }
    }
    let (sent, made, refused) = (rollout.sent, rollout.made.len(), rollout.refused.len());
    rollout.tell(
        "alerts",
        format!(
            "of the canary's {sent} payments {refused} were refused and {} failed: {} fires",
            sent - made - refused,
            fired.join(", ")
        ),
    )?;
    rollout.story.check_equal(&format!("a rollback criterion for a release that {what}"), alert, &fired.join(", "))?;
    rollout.watch.say(ALERTS, fired);
    // Killed in the middle of whatever it does: rolling back never waits.
    process.kill().await?;
    let after = rollout.watch.elapsed();
    rollout
        .tell("delivery", format!("rolls back: the canary is killed, after {} and at {} %", span(after), SHARES[0]))?;
    rollout.story.check(
        "automated rollback within the measurement window, of a tenth of the payments",
        format!("{} (by hand: {})", span(WINDOW), span(BY_HAND)),
        format!("{}, {} % of the payments", span(after), SHARES[0]),
        after <= WINDOW,
    )?;
    let refused = rollout.refused.len();
    make_up(&rollout.stable, &mut rollout.refused).await?;
    rollout
        .tell("merchant", format!("the {refused} refused payments again, with the same keys: each is made, once"))?;
    Ok(std::mem::take(&mut rollout.made))
}

/// A good one gets everything, step by step; a provider's outage meanwhile hits both revisions, and says nothing of the new one.
async fn promoted(rollout: &mut Rollout) -> anyhow::Result<()> {
    for share in SHARES {
        for step in 0..EACH {
            if share == 50 && (10..12).contains(&step) {
                rollout.tell("drill", "Stripe is hardly reached, by both revisions")?;
                rollout.stripe_is_hardly_reached().await?;
            }
            rollout.step(share).await?;
            let fired = rollout.firing()?;
            ensure!(fired.is_empty(), "expected that a good release goes on: {fired:?} at {share} %");
        }
        let refused = rollout.refused.len();
        let minutes = span(EVERY * u32::try_from(EACH)?);
        rollout.tell(
            "delivery",
            format!("{share} % for {minutes}: no alert, {refused} payments refused for Stripe's sake"),
        )?;
        rollout.watch.say(ALERTS, Vec::new());
        ensure!(rollout.refused.is_empty() == (share != 50), "expected that some are refused meanwhile, and then none");
        make_up(&rollout.stable, &mut rollout.refused).await?;
    }
    let asked = "canary phases of 10, 50 and 100 %, 10 minutes each: alerts that fire for a good release";
    rollout.story.check_equal(asked, 0, rollout.firing()?.len())
}

/// What a canary that is gone began, the others end.
async fn nothing_is_lost(story: &Story, client: &Client, left: &[String]) -> anyhow::Result<()> {
    ensure!(!left.is_empty(), "expected that the canaries made payments");
    let (mut captured, asked) = (0, left.len().min(PAYMENTS));
    for id in left.iter().take(PAYMENTS) {
        captured += usize::from(client.capture(id, &format!("drill-s5-{id}"), None).await?.status == 200);
    }
    story.tell("merchant", format!("{captured} of {asked} payments that the killed canaries made are captured"))?;
    story.check_equal("what a killed canary began is ended by the others: captured", asked, captured)?;
    story.charged_once(client).await?;
    story.books_add_up(client).await
}

/// A stable revision, a canary, and what is seen of both.
struct Rollout {
    stable: Client,
    canary: Client,
    flaw: Flaw,
    watch: Watch,
    /// Keys of payments that were refused.
    refused: Vec<String>,
    /// Payments that were sent to the canary,
    sent: usize,
    /// and those that it made.
    made: Vec<String>,
    story: Story,
}

impl Rollout {
    /// Both are there, and nobody has come yet.
    async fn begin(story: &Story, stable: Client, canary: Client, flaw: Flaw) -> anyhow::Result<Self> {
        if matches!(flaw, Flaw::CannotReachStripe) {
            canary.fault("stripe", &json!({"kind": "unreachable"})).await?;
        }
        let watch = Watch::new(EVERY, &METRICS);
        let mut rollout =
            Self { stable, canary, flaw, watch, refused: Vec::new(), sent: 0, made: Vec::new(), story: story.clone() };
        rollout.scrape().await?;
        Ok(rollout)
    }

    fn tell(&self, who: &str, what: impl Display) -> anyhow::Result<()> {
        self.story.tell_at(self.watch.elapsed(), who, what)
    }

    /// What comes in until the next scrape, of which the canary gets `share` per cent.
    async fn step(&mut self, share: usize) -> anyhow::Result<()> {
        let of_canary = PAYMENTS * share / 100;
        // A fault at Stripe hits whoever comes next: the canary's come first.
        match self.flaw {
            Flaw::Declined => self.stable.fault("stripe", &json!({"kind": "decline", "times": of_canary / 4})).await?,
            Flaw::Slow => self.stable.fault("stripe", &json!({"kind": "slow", "ms": 1200, "times": of_canary})).await?,
            Flaw::None | Flaw::CannotReachStripe => {}
        }
        let made = pay(&self.canary, &self.key("canary"), of_canary, &mut self.refused).await?;
        self.made.extend(made);
        self.sent += of_canary;
        pay(&self.stable, &self.key("stable"), PAYMENTS - of_canary, &mut self.refused).await?;
        self.scrape().await
    }

    fn key(&self, revision: &str) -> String {
        let name = self.flaw.alert().unwrap_or("good");
        format!("drill-s5-{name}-{revision}-{}", self.watch.elapsed().as_secs())
    }

    async fn scrape(&mut self) -> anyhow::Result<()> {
        let (stable, canary) = (self.stable.metrics().await?, self.canary.metrics().await?);
        self.watch.scrape(&[(stable, &[(REVISION, "stable")]), (canary, &[(REVISION, "canary")])]);
        Ok(())
    }

    /// Of each revision's next payments a few do not reach Stripe: too few to open its circuit breaker.
    async fn stripe_is_hardly_reached(&self) -> anyhow::Result<()> {
        for client in [&self.stable, &self.canary] {
            client.fault("stripe", &json!({"kind": "unreachable", "times": 4})).await?;
        }
        Ok(())
    }

    /// The alerts that fire now.
    fn firing(&self) -> anyhow::Result<Vec<String>> {
        const NOT_ITS_OWN: &str = r#"route!~"/health/.*|/metrics""#;
        let http =
            |more: &str| format!("http_requests_total{{function=~\"payments|provider-webhooks\",{NOT_ITS_OWN}{more}}}");
        let payments = |more: &str| format!("http_requests_total{{function=\"payments\",{NOT_ITS_OWN}{more}}}");
        let creates = |more: &str| format!("payment_requests_total{{endpoint=\"create\"{more}}}");
        let took = |suffix: &str, more: &str| {
            format!("http_request_duration_seconds_{suffix}{{function=\"payments\",route=~\"/v1/.*\"{more}}}")
        };
        let errors = self.shares(&http(r#",status=~"5..",code!="provider_unavailable""#), &http(""))?;
        let away = self.shares(&payments(r#",code="provider_unavailable""#), &payments(""))?;
        let failed = self.shares(&creates(r#",status="FAILED""#), &creates(r#",status!="""#))?;
        let fast = self.shares(&took("bucket", &format!(",le=~\"{SECOND}([.]0)?\"")), &took("count", ""))?;
        let above = |shares: &BTreeMap<String, f64>, floor: f64| shares.values().any(|share| *share > floor + SHARE);
        let lowest = |shares: &BTreeMap<String, f64>| shares.values().copied().fold(1.0, f64::min);
        Ok([
            ("canary-errors", above(&errors, 0.0) || above(&away, lowest(&away))),
            ("canary-failed-payments", above(&failed, lowest(&failed))),
            ("canary-latency", fast.values().any(|share| *share < 0.95)),
        ]
        .into_iter()
        .filter(|(_, fires)| *fires)
        .map(|(alert, _)| alert.to_owned())
        .collect())
    }

    /// Which share of `all` is `part`, for each revision that has enough of them.
    fn shares(&self, part: &str, all: &str) -> anyhow::Result<BTreeMap<String, f64>> {
        let part = self.watch.grew_by(&Selector::read(part)?, WINDOW, REVISION);
        let all = self.watch.grew_by(&Selector::read(all)?, WINDOW, REVISION);
        let enough = all.into_iter().filter(|(_, all)| *all >= AT_LEAST);
        Ok(enough
            .map(|(revision, all)| (revision.clone(), part.get(&revision).copied().unwrap_or_default() / all))
            .collect())
    }
}

/// So many payments at once. Answers the ids of those that hold money; notes the keys of those that were refused.
async fn pay(client: &Client, key: &str, count: usize, refused: &mut Vec<String>) -> anyhow::Result<Vec<String>> {
    let one = async |number: usize| {
        let key = format!("{key}-{number}");
        anyhow::Ok((client.create(&key, 1000, "pm_card_visa").await?, key))
    };
    let mut made = Vec::new();
    for (answer, key) in try_join_all((0..count).map(one)).await? {
        match answer.status {
            503 => refused.push(key),
            _ if answer.text("status") == "AUTHORIZED" => made.push(answer.text("id").to_owned()),
            status => ensure!(status == 201, "expected an answer that says how it stands: {answer:?}"),
        }
    }
    Ok(made)
}

impl Stage {
    /// Another revision of the program: on the same store, with the same secrets and providers.
    async fn revision(&self, name: &str) -> anyhow::Result<(Process, Client)> {
        let (shared, own) = (self.folder.path().join("sandbox"), self.folder.path().join(name));
        let secret = |file: &str| std::fs::read_to_string(shared.join(file)).context("it has its secrets");
        let store = format!("sqlite:{}", self.store().display());
        let environment = [
            ("STORE_URL", store.as_str()),
            ("SECRETS_KEY", &secret("secrets.key")?),
            ("STRIPE_WEBHOOK_SECRET", &format!("whsec_{}", secret("stripe-webhook.key")?)),
        ];
        let command = process::sandbox_command(&self.program, &own, &self.providers.url, ClockMode::NOON, &environment);
        let process = started(&self.story, command).await?;
        let identity = process::identity_of(&shared)?;
        let client = Client::connect(&process.url, identity["api_key"].as_str().context("the merchant has a key")?)?;
        Ok((process, client))
    }
}
