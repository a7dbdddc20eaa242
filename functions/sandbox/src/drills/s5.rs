//! Finding S5: a bad release reaches everybody, because nothing says when to roll back and nobody does it by itself.
//!
//! The drill is the delivery: it sends a share of the payments to a second revision on the same store and the same providers, watches
//! both as the alerts `canary-…` do, and rolls back when one of them fires. Time is the drill's own, from scrape to scrape.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use serde_json::json;

use super::{Stage, charged_once, make_up, watch::Watch};
use crate::{
    client::Client,
    demo::say,
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

pub(super) async fn play() -> anyhow::Result<()> {
    let mut stage = Stage::start().await?;
    let mut canaries = Vec::new();
    for (number, _) in Flaw::ALL.iter().enumerate() {
        canaries.push(stage.revision(&format!("canary-{number}")).await?);
    }
    // Who came last is told by providers: that has to be the one that stays.
    stage.kill().await?;
    stage.restart().await?;
    let (mut left, mut agreed) = (Vec::new(), "");
    for ((flaw, what), (process, canary)) in Flaw::ALL.into_iter().zip(canaries) {
        let mut rollout = Rollout::begin(stage.client()?, canary, flaw).await?;
        match flaw.alert() {
            Some(alert) => left.extend(rolled_back(&mut rollout, process, what, alert).await?),
            None => promoted(&mut rollout).await?,
        }
        agreed = rollout.watch.agrees()?;
    }
    say(&format!("  {agreed}"))?;
    nothing_is_lost(&stage.client()?, &left).await
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
    ensure!(fired == [alert], "expected that {alert} sees that it {what}: {fired:?}");
    rollout.watch.say(ALERTS, fired);
    // Killed in the middle of whatever it does: rolling back never waits.
    process.kill().await?;
    let after = rollout.watch.elapsed();
    ensure!(after <= WINDOW, "expected that it is seen within five minutes: {after:?}");
    make_up(&rollout.stable, &mut rollout.refused).await?;
    say(&format!(
        "  a release {what}: {alert} after {} s, rolled back at {} % of the payments (by hand, for everybody: {} minutes); \
         what it refused is made once with the same keys",
        after.as_secs(),
        SHARES[0],
        BY_HAND.as_secs() / 60,
    ))?;
    Ok(std::mem::take(&mut rollout.made))
}

/// A good one gets everything, step by step; a provider's outage meanwhile hits both revisions, and says nothing of the new one.
async fn promoted(rollout: &mut Rollout) -> anyhow::Result<()> {
    for share in SHARES {
        for step in 0..EACH {
            if share == 50 && (10..12).contains(&step) {
                rollout.stripe_is_hardly_reached().await?;
            }
            rollout.step(share).await?;
            let fired = rollout.firing()?;
            ensure!(fired.is_empty(), "expected that a good release goes on: {fired:?} at {share} %");
        }
        rollout.watch.say(ALERTS, Vec::new());
        ensure!(rollout.refused.is_empty() == (share != 50), "expected that some are refused meanwhile, and then none");
        make_up(&rollout.stable, &mut rollout.refused).await?;
    }
    say(
        "  a good release gets 10, 50 and 100 % of the payments, ten minutes each; Stripe is hardly reached meanwhile, by both revisions: it goes on",
    )
}

/// What a canary that is gone began, the others end.
async fn nothing_is_lost(client: &Client, left: &[String]) -> anyhow::Result<()> {
    ensure!(!left.is_empty(), "expected that the canaries made payments");
    for id in left.iter().take(PAYMENTS) {
        let captured = client.capture(id, &format!("drill-s5-{id}"), None).await?;
        ensure!(captured.status == 200, "expected that what a canary began is captured: {}", captured.body);
    }
    charged_once(client).await?;
    let books = client.run_job("invariants").await?;
    ensure!(books["could_not"] == json!({}), "expected that the books add up: {books}");
    say("  what the canaries made is captured by the others; nothing was charged twice, and the books add up")
}

/// A stable revision, a canary, and what is seen of both.
struct Rollout {
    stable: Client,
    canary: Client,
    flaw: Flaw,
    watch: Watch,
    /// Keys of payments that were refused.
    refused: Vec<String>,
    /// Payments that the canary made.
    made: Vec<String>,
}

impl Rollout {
    /// Both are there, and nobody has come yet.
    async fn begin(stable: Client, canary: Client, flaw: Flaw) -> anyhow::Result<Self> {
        if matches!(flaw, Flaw::CannotReachStripe) {
            canary.fault("stripe", &json!({"kind": "unreachable"})).await?;
        }
        let watch = Watch::new(EVERY, &METRICS);
        let mut rollout = Self { stable, canary, flaw, watch, refused: Vec::new(), made: Vec::new() };
        rollout.scrape().await?;
        Ok(rollout)
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
        let process = Process::sandbox(&self.program, &own, &self.providers.url, ClockMode::NOON, &environment).await?;
        let identity = process::identity_of(&shared)?;
        let client = Client::connect(&process.url, identity["api_key"].as_str().context("the merchant has a key")?)?;
        Ok((process, client))
    }
}
