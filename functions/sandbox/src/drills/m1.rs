//! Finding M1: traffic, errors, latency and saturation are not told well enough to see what is wrong. A load whose senders count
//! what they sent, what was answered and how long it took; then `/metrics` and the log must say the same.

mod load;
mod saturation;
mod signals;

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use futures::future::{join, join_all, try_join_all};
use serde_json::{Value, json};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{Stage, story::Story};
use crate::{client::Client, exposition::Scrape, process::Process};
use load::{ALL, BANK, Load, STRIPE, Sender, Sent};
use saturation::{AT_WORK, CONNECTIONS, Held, QUEUED, QUOTA};

const DAY: u64 = 24 * 3600;
/// Places for requests; many more than are needed.
const PLACES: &str = "64";
/// Calls a second to Stripe, of which an eighth is for look-ups: with a fifth of the rest a burst of this many.
const STRIPES: &str = "800";
const BURST: f64 = 140.0;
/// Requests that are held while everything is looked at, by a Stripe and a merchant that take their time.
const HELD: usize = 8;
const STRIPE_MS: u64 = 1500;
const INBOX_MS: u64 = 700;
/// Payments at a Stripe that fails: half of a breaker's window opens it.
const FAILING: usize = 9;
/// A merchant's limit in a minute, which the third one has, and by how much he is above it.
const LIMIT: usize = 100;
const ABOVE: usize = 5;
/// Something that does not come within this never does.
const LOOKS: usize = 800;
/// So many looks in a row say that nothing moves any more.
const LOOKS_THE_SAME: usize = 20;

/// The merchants, by their keys in `sandbox.json`, and how many payments each makes at each provider.
const MERCHANTS: [(&str, &str, usize); 2] = [("api_key", "first", 5), ("other_api_key", "second", 3)];
const LIMITED: (&str, &str) = ("limited_api_key", "third");

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let stage = Stage::start_with(
        story,
        &[
            ("LOG_FORMAT", "json"),
            ("RUST_LOG", "info"),
            ("ADMISSION_CONCURRENCY", PLACES),
            ("STRIPE_REQUESTS_PER_SECOND", STRIPES),
        ],
    )
    .await?;
    let client = stage.client()?;
    let ids = merchants(&stage).await?;
    let settled = settled(&stage).await?;
    let (before, lines) = (quiet(&client).await?, requests(&stage).len());
    story.tell("metrics", "before the load /metrics is read, and the log is at its last line")?;

    let load = Load::new();
    well(&stage, &load, &settled).await?;
    story.tell(
        "senders",
        format!("a merchants' day at three providers, with their mistakes: {} requests so far", load.count()),
    )?;
    let held = held(&stage, &load).await?;
    story.tell("senders", format!("{HELD} payments were held by a Stripe that takes {STRIPE_MS} ms, and watched"))?;
    let used = saturation::of(&client.metrics().await?, QUOTA);
    failing(&stage, &load).await?;
    story.tell(
        "senders",
        format!("{FAILING} payments at a Stripe that answers 500: its breaker is open, the bank goes on"),
    )?;
    too_often(&stage, &load).await?;
    story.tell("senders", format!("the third merchant's program loops: {} requests in a minute", LIMIT + ABOVE))?;
    let (took, sent) = (load.took(), load.sent());
    let (now, memory) = (quiet(&client).await?, stage.process()?.id().and_then(saturation::memory));
    let grown = now.since(&before);
    let seconds = took.as_secs_f64();
    story
        .tell("senders", format!("{} requests in {seconds:.1} s, of three merchants at three providers", sent.len()))?;

    let logged = logged(&stage, &client, lines, sent.len()).await?;
    signals::traffic(story, &grown, &logged, &ids, &sent)?;
    signals::errors(story, &grown, &sent)?;
    signals::latency(story, &grown, &sent)?;
    let (idle, under, after) = &held;
    Held { before: idle, under, after, requests: u32::try_from(HELD)?.into() }.check(story, PLACES.parse()?)?;
    quota(&stage, used, &sent).await?;
    admitted(story, &grown, &sent)?;
    let made = sent.iter().filter(|sent| sent.was_sent_on()).count();
    saturation::check_waits(story, &grown, &now, memory, 2 * made as u64)
}

impl Stage {
    fn process(&self) -> anyhow::Result<&Process> {
        self.sandbox.as_ref().context("the sandbox runs")
    }
}

fn sender<'a>(stage: &Stage, load: &'a Load, (key, who): (&str, &'static str)) -> anyhow::Result<Sender<'a>> {
    Ok(Sender { who, client: stage.client_by(key)?, load })
}

/// Log lines of merchants' requests.
fn requests(stage: &Stage) -> Vec<Value> {
    let mut lines = stage.log();
    lines.retain(|line| line["function"] == "payments" && line["httpRequest"].is_object());
    lines
}

/// Those since `before`, once as many as that are there.
async fn logged(stage: &Stage, client: &Client, before: usize, many: usize) -> anyhow::Result<Vec<Value>> {
    for _ in 0..LOOKS {
        let lines = requests(stage);
        if lines.len() >= before + many {
            return Ok(lines[before..].to_vec());
        }
        client.pause().await;
    }
    anyhow::bail!("expected {many} lines in the log, not {}", requests(stage).len() - before)
}

/// Whose id is whose, as the log has them.
async fn merchants(stage: &Stage) -> anyhow::Result<BTreeMap<String, &'static str>> {
    let mut ids = BTreeMap::from([(String::new(), "")]);
    for (key, who) in MERCHANTS.map(|(key, who, _)| (key, who)).into_iter().chain([LIMITED]) {
        let (client, before) = (stage.client_by(key)?, requests(stage).len());
        client.get("/v1/payments?limit=1").await?;
        let lines = logged(stage, &client, before, 1).await?;
        ids.insert(lines[0]["merchant"].as_str().context("a line says whose the request was")?.to_owned(), who);
    }
    ensure!(ids.len() == 1 + MERCHANTS.len() + 1, "expected three merchants: {ids:?}");
    Ok(ids)
}

/// Payments that can be refunded, of each merchant at each provider.
async fn settled(stage: &Stage) -> anyhow::Result<Vec<Vec<String>>> {
    let unused = Load::new();
    let mut settled = Vec::new();
    for (key, who, _) in MERCHANTS {
        for via in ALL {
            let sender = sender(stage, &unused, (key, who))?;
            let made = sender.create(via, "settled").await?;
            if made.text("status") == "AUTHORIZED" {
                let captured = sender.capture(via, made.text("id")).await?;
                ensure!(captured.status == 200, "expected a capture: {}", captured.body);
            }
            settled.push(vec![made.text("id").to_owned()]);
        }
    }
    stage.client()?.advance(DAY).await?;
    Ok(settled)
}

/// All is as it should be, and some merchants make mistakes.
async fn well(stage: &Stage, load: &Load, settled: &[Vec<String>]) -> anyhow::Result<()> {
    let mut senders = Vec::new();
    for (key, who, creates) in MERCHANTS {
        for via in ALL {
            senders.push((sender(stage, load, (key, who))?, via, creates));
        }
    }
    let days = senders.iter().zip(settled).map(|((sender, via, creates), settled)| sender.day(via, *creates, settled));
    let (first, stranger) = (sender(stage, load, ("api_key", "first"))?, stage.client()?.with_key("tgk_made-up"));
    let stranger = Sender { who: "", client: stranger, load };
    let (days, mistakes) = join(try_join_all(days), first.mistakes()).await;
    days.and(mistakes)?;
    stranger.list(2).await
}

/// Stripe takes its time, and so does the merchants' endpoint: requests are held, and everything is looked at meanwhile.
async fn held(stage: &Stage, load: &Load) -> anyhow::Result<(Scrape, Vec<Scrape>, Scrape)> {
    let watcher = stage.client()?;
    // Stripe's own events would tell us sooner than its slow answers.
    watcher.fault("stripe", &json!({"kind": "drop_webhooks", "times": 100})).await?;
    watcher.fault("stripe", &json!({"kind": "slow", "times": HELD, "ms": STRIPE_MS})).await?;
    watcher.inbox_is_slow(INBOX_MS, HELD).await?;
    let idle = quiet(&watcher).await?;
    let (clock, held, mut under) = (SystemClock::start(), f64::from(u32::try_from(HELD)?), Vec::new());
    // On connections of their own, which end with them.
    let creates = async {
        let senders: Vec<_> = MERCHANTS
            .iter()
            .cycle()
            .take(HELD)
            .map(|(key, who, _)| sender(stage, load, (key, who)))
            .collect::<anyhow::Result<_>>()?;
        let creates = senders
            .iter()
            .enumerate()
            .map(async |(number, sender)| sender.create(&STRIPE, &format!("held-{number}")).await);
        for made in join_all(creates).await {
            let made = made?;
            ensure!(made.status == 201, "expected a payment: {}", made.body);
        }
        anyhow::Ok(())
    };
    let watch = async {
        let mut risen = false;
        for _ in 0..LOOKS {
            let scrape = watcher.metrics().await?;
            let busy = saturation::of(&scrape, AT_WORK) + saturation::of(&scrape, QUEUED);
            risen |= busy > 0.0;
            let open = saturation::of(&scrape, CONNECTIONS) - saturation::of(&idle, CONNECTIONS);
            // A request is answered a moment before the next commit tells the queue of it.
            let over =
                risen && busy == 0.0 && open < held && clock.monotonic().as_millis() > u128::from(STRIPE_MS + INBOX_MS);
            if over {
                return Ok(scrape);
            }
            under.push(scrape);
            watcher.pause().await;
        }
        let stands = |gauge| under.last().map_or(0.0, |scrape| saturation::of(scrape, gauge));
        anyhow::bail!(
            "expected that it comes to rest: still {} at work, {} in the queue, {} connections ({} before)",
            stands(AT_WORK),
            stands(QUEUED),
            stands(CONNECTIONS),
            saturation::of(&idle, CONNECTIONS)
        )
    };
    let (made, after) = join(creates, watch).await;
    made?;
    let after = after?;
    watcher.clear_faults("stripe").await?;
    Ok((idle, under, after))
}

/// Stripe fails: some payments have no outcome, then its breaker is open.
async fn failing(stage: &Stage, load: &Load) -> anyhow::Result<()> {
    let sender = sender(stage, load, ("other_api_key", "second"))?;
    sender.client.fault("stripe", &json!({"kind": "error_500"})).await?;
    for number in 0..FAILING {
        let answer = sender.create(&STRIPE, &format!("failing-{number}")).await?;
        ensure!(matches!(answer.status, 202 | 503), "expected that nobody is told more than is known: {}", answer.body);
    }
    let other = sender.create(&BANK, "meanwhile").await?;
    ensure!(other.status < 300, "expected that another provider does not feel it: {}", other.body);
    let breaker = sender.client.metrics().await?.counts("circuit_breaker_state", &[], &["provider"]);
    ensure!(breaker == BTreeMap::from([(vec!["stripe".to_owned()], 2)]), "expected Stripe's breaker open: {breaker:?}");
    sender.client.clear_faults("stripe").await
}

/// One merchant's program loops.
async fn too_often(stage: &Stage, load: &Load) -> anyhow::Result<()> {
    // One of his was taken when he was asked for his id; a day later it is back.
    sender(stage, load, LIMITED)?.list(LIMIT + ABOVE).await
}

/// Waits until nothing is under way and whoever hung up is gone, and looks.
async fn quiet(client: &Client) -> anyhow::Result<Scrape> {
    let (mut connections, mut same) = (0.0, 0);
    for _ in 0..LOOKS {
        let scrape = client.metrics().await?;
        let busy = saturation::of(&scrape, AT_WORK) + saturation::of(&scrape, QUEUED);
        let open = saturation::of(&scrape, CONNECTIONS);
        same = if busy == 0.0 && open <= connections { same + 1 } else { 0 };
        connections = open;
        if same == LOOKS_THE_SAME {
            return Ok(scrape);
        }
        client.pause().await;
    }
    anyhow::bail!("expected that it comes to rest")
}

/// The clock stands, so nothing of the quota has come back: what is used is what was sent on.
async fn quota(stage: &Stage, used: f64, sent: &[Sent]) -> anyhow::Result<()> {
    let client = stage.client()?;
    let asked = sent.iter().filter(|sent| sent.provider == "stripe" && sent.was_sent_on());
    let asked = asked.filter(|sent| sent.answer.text("status") != "PENDING").count();
    // A new payment has its right to a call before it is known whether its key was used, and does not give it back.
    let again =
        |sent: &&Sent| sent.answer.replayed && sent.provider == "stripe" || sent.code() == "idempotency_key_reused";
    let asked = asked + sent.iter().filter(again).count();
    let share = f64::from(u32::try_from(asked)?) / BURST;
    stage.story.check(
        "saturation: the external API's quota consumption, of a burst of 140 calls to Stripe",
        format!("{asked} calls, {:.1} %", share * 100.0),
        format!("{:.1} %", used * 100.0),
        (used - share).abs() < 1e-6,
    )?;
    stage.story.later(&client, 60).await?;
    client.create("drill-m1-after", 900, "pm_card_visa").await?;
    let after = saturation::of(&client.metrics().await?, QUOTA);
    ensure!(after < used, "expected that it comes back: {after}");
    let (used, after) = (used * 100.0, after * 100.0);
    let then = format!("a minute later {after:.0} % are used");
    stage.story.tell("metrics", format!("Stripe's quota: {asked} calls used {used:.0} % of a burst, and {then}"))
}

/// Everybody who was let in met the line for places.
fn admitted(story: &Story, grown: &Scrape, sent: &[Sent]) -> anyhow::Result<()> {
    let merchants = sent.iter().filter(|sent| !matches!(sent.answer.status, 401 | 429)).count() as u64;
    let events = grown.count("http_requests_total", &[("function", "provider-webhooks")]);
    let lines = grown.histogram("admission_queue_depth", &[]).count();
    story.check(
        "saturation: queue depth is measured for each who came (merchants' requests and providers' events)",
        format!("{merchants} + {events}"),
        lines,
        lines == merchants + events,
    )
}
