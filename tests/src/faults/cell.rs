//! One cell of the matrix: load, trouble, its end, recovery, and the books.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::Context;
use tollgate_gateway::ports::Time;
use tollgate_runtime::{SystemClock, TaskSpawner};

use super::{
    check,
    deployment::Deployment,
    load::{Load, Tally},
    matrix::{Part, Trouble},
};

/// Everything that was asked for is known, and new payments go their whole way, so soon after the trouble ends.
pub const RECOVERED_WITHIN: Duration = Duration::from_secs(60);
/// Every event is with the merchant so soon: a failed try is made again after a minute, give or take a tenth; what went to a queue that
/// lost it is due after a minute and a half.
pub const TOLD_WITHIN: Duration = Duration::from_secs(150);
/// Another payment is made so long after one whose events have not come.
const PROBE_EVERY: Duration = Duration::from_secs(4);
const BEFORE: Duration = Duration::from_secs(3);
const AFTER: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What came of a cell.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was in trouble.
    pub part: Part,
    /// And how.
    pub trouble: Trouble,
    /// What was hit.
    pub hits: u64,
    /// What merchants were answered meanwhile.
    pub tally: Tally,
    /// Until everything that was asked for was known, and a new payment went its whole way.
    pub recovered: Option<Duration>,
    /// Until every event was with the merchant.
    pub told: Option<Duration>,
    /// Events that the merchant got more than once.
    pub again: usize,
    /// What is not as it should be.
    pub wrong: Vec<String>,
}

/// Plays it. `everybody` are the payments that merchants know, of all cells of this deployment.
pub async fn play(
    deployment: &mut Deployment,
    (part, trouble): (Part, Trouble),
    lasts: Duration,
    everybody: &mut BTreeSet<String>,
) -> anyhow::Result<Outcome> {
    let clock = SystemClock::start();
    let name = format!("{}-{}", part.name(), trouble.name());
    let at = deployment.payments().context("payments is not there")?;
    // So many are refunded in one cell.
    let settled = deployment.settled.split_off(deployment.settled.len().saturating_sub(12));
    // Pub/Sub's emulator pushes two messages at a time, however many wait.
    let merchants = if part == Part::Queue { 2 } else { 6 };
    let at = (at, deployment.proxies.scheduler.address());
    let load = Load::new(at, &deployment.api_key, &name, merchants, settled);
    let (paid, paying) = tokio::sync::oneshot::channel();
    let tasks = TaskSpawner::default();
    let (payers, scheduler) = (Arc::clone(&load), Arc::clone(&load));
    tasks.start(async move {
        payers.pay().await;
        _ = paid.send(());
    });
    tasks.start(async move { scheduler.schedule().await });

    clock.sleep(BEFORE).await;
    load.count(true);
    deployment.bring(part, trouble).await?;
    clock.sleep(lasts).await;
    let mut hits = deployment.lift(part, trouble).await?;
    load.count(false);
    load.moved(deployment.payments().context("payments is not there")?);
    let lifted = clock.monotonic();
    let since = |clock: &SystemClock| clock.monotonic().saturating_sub(lifted);
    clock.sleep(AFTER).await;
    load.stop(RECOVERED_WITHIN.saturating_sub(AFTER));
    // It ends by itself: whoever gives up says so.
    _ = paying.await;
    let known = since(&clock);
    let mut recovered = known;
    let fresh = probe(deployment, &load, &clock, lifted).await;
    let mut wrong = load.wrong();
    match fresh {
        Some(()) => recovered = recovered.max(since(&clock)),
        None => wrong.push("no new payment goes its whole way".to_owned()),
    }
    if recovered > RECOVERED_WITHIN {
        wrong.push(format!(
            "all was known after {} s, and it went on after {} s",
            known.as_secs(),
            recovered.as_secs()
        ));
    }
    if trouble == Trouble::Kill && part == Part::Store {
        // Who was cut off found out.
        hits += load.tally().unknown;
    }
    if hits == 0 {
        wrong.push("the trouble met nothing".to_owned());
    }
    let (told, again) = everything_told(deployment, &load, (&clock, lifted), &mut wrong).await;
    load.stop_jobs();
    let known = load.known();
    wrong.extend(check::money(deployment, &load, &known).await?);
    everybody.extend(known.into_iter().map(|known| known.id));
    everybody.extend(load.left().into_iter().inspect(|id| deployment.settled.push(id.clone())));
    everybody.extend(deployment.settled.iter().cloned());
    wrong.extend(check::strangers(deployment, everybody).await?);
    let recovered = (recovered <= RECOVERED_WITHIN && fresh.is_some()).then_some(recovered);
    Ok(Outcome { part, trouble, hits, tally: load.tally(), recovered, told, again, wrong })
}

/// Until new payments go their whole way at the first try, and the merchant was told of one of them.
async fn probe(deployment: &Deployment, load: &Load, clock: &SystemClock, lifted: Duration) -> Option<()> {
    let mut made = BTreeSet::new();
    for number in 0.. {
        if clock.monotonic().saturating_sub(lifted) > RECOVERED_WITHIN {
            return None;
        }
        made.extend(load.probe(number).await);
        let began = clock.monotonic();
        while clock.monotonic().saturating_sub(began) < PROBE_EVERY {
            let is_told = |(_, body): &(String, serde_json::Value)| {
                body["type"] == "payment.captured" && body["data"]["id"].as_str().is_some_and(|id| made.contains(id))
            };
            if !made.is_empty() && deployment.taken().iter().any(is_told) {
                return Some(());
            }
            clock.sleep(LOOK_EVERY).await;
        }
    }
    None
}

/// Waits until every event is with the merchant.
async fn everything_told(
    deployment: &Deployment,
    load: &Load,
    (clock, lifted): (&SystemClock, Duration),
    wrong: &mut Vec<String>,
) -> (Option<Duration>, usize) {
    loop {
        let told = check::told(deployment, load, &load.known()).await;
        let since = clock.monotonic().saturating_sub(lifted);
        if told.missing.is_empty() || since > TOLD_WITHIN {
            let done = told.missing.is_empty().then_some(since);
            if done.is_none() {
                wrong.push(format!("the merchant was not told of {:?}", told.missing));
            }
            wrong.extend(told.wrong);
            return (done, told.again);
        }
        clock.sleep(LOOK_EVERY * 4).await;
    }
}
