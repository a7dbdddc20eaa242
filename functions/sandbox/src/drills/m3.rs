//! Finding M3: no capacity planning and no load shedding: past its capacity everything slows down until nothing is done.

use std::{cell::Cell, time::Duration};

use anyhow::ensure;
use futures::future::{join, join_all, join3};
use serde_json::json;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{Stage, story::Story, wording::took};
use crate::client::{Answer, Client};

/// Places, of which seven are for new payments; with what Stripe takes, that makes 35 payments a second.
const PLACES: &str = "8";
const STRIPE_MS: u64 = 200;
const CAPACITY: usize = 35;
/// Ten times as many come, in waves.
const WAVES: usize = 30;
const WAVE: usize = CAPACITY;
const WAVE_EVERY: Duration = Duration::from_millis(100);
const CHANGES: usize = 10;

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let stage = Stage::start_with(story, &[("ADMISSION_CONCURRENCY", PLACES)]).await?;
    let clients = [stage.client()?, stage.client_by("other_api_key")?];
    let settled = held(&clients[0], "settled").await?;
    for id in &settled {
        ensure!(clients[0].capture(id, id, None).await?.status == 200, "expected a capture");
    }
    clients[0].advance(24 * 3600).await?;
    let held = held(&clients[0], "held").await?;
    clients[0].fault("stripe", &json!({"kind": "slow", "ms": STRIPE_MS})).await?;
    story.tell("merchants", format!("have {CHANGES} payments to capture and {CHANGES} that are settled, to refund"))?;
    story
        .tell("drill", format!("from now on Stripe takes {STRIPE_MS} ms: {CAPACITY} payments a second can be made"))?;

    let changes = |ids: Vec<String>, what: &'static str| {
        let client = clients[0].clone();
        async move {
            let mut answers = Vec::new();
            for id in ids {
                answers.push(match what {
                    "capture" => client.capture(&id, &format!("drill-m3-{id}"), None).await?,
                    _ => client.refund(&id, &format!("drill-m3-{id}"), None).await?,
                });
            }
            anyhow::Ok(answers)
        }
    };
    let coming = join3(watched(story, &clients), changes(held, "capture"), changes(settled, "refund"));
    let all = WAVES * WAVE;
    story.tell("merchants", format!("{all} payments in 3 s, {CHANGES} captures and {CHANGES} refunds among them"))?;
    let (creates, captures, refunds) = coming.await;
    let (creates, captures, refunds) = (creates?, captures?, refunds?);
    let made = shed(story, &creates)?;
    for (what, answers) in [("captures", &captures), ("refunds", &refunds)] {
        let done = answers.iter().filter(|answer| matches!(answer.status, 200 | 201)).count();
        story.tell("merchants", format!("{done} of {CHANGES} {what} are done meanwhile"))?;
        story.check_equal(&format!("critical operations first: {what} that are done meanwhile"), CHANGES, done)?;
    }

    clients[0].clear_faults("stripe").await?;
    let again = clients[0].create("drill-m3-after", 1000, "pm_card_visa").await?;
    story.tell("merchants", format!("when it is over, a payment: {} {}", again.status, again.text("status")))?;
    story.check_equal("afterwards it serves as before", 201, again.status)?;
    let there = clients[0].transactions("stripe").await?.len();
    let asked = "what was shed was never sent to the provider: transactions at Stripe";
    story.check_equal(asked, made + 2 * CHANGES + 1, there)?;
    story.charged_once(&clients[0]).await
}

/// What became of the new payments. Answers how many were made.
fn shed(story: &Story, creates: &[Timed]) -> anyhow::Result<usize> {
    let (made, refused): (Vec<_>, Vec<_>) = creates.iter().partition(|(answer, _)| answer.status == 201);
    let told = |answer: &Answer| answer.text("code") == "overloaded" && answer.retry_after == Some(60);
    let told = refused.iter().filter(|(answer, _)| told(answer)).count();
    let (slowest, typical, late) = (time(&made, 100), time(&refused, 50), time(&refused, 99));
    story.tell("gateway", format!("the slowest that was made took {}", took(slowest)))?;
    story.tell("gateway", format!("half of those shed took {} at most, 99 % {}", took(typical), took(late)))?;
    let asked = "load shedding: 503 with Retry-After 60 for new payments beyond capacity";
    story.check_equal(asked, refused.len(), told)?;
    let least = 3 * CAPACITY / 2;
    let asked = "graceful degradation: payments made in 3 s of ten times the load";
    story.check(asked, format!("{least} at least, of {} possible", 3 * CAPACITY), made.len(), made.len() >= least)?;
    let asked = "no cascading slowdown: the slowest payment that is made";
    story.check(asked, "less than 2 s", took(slowest), slowest < Duration::from_secs(2))?;
    let asked = "and who is shed knows at once: half of them";
    story.check(asked, "within 100 ms", took(typical), typical < Duration::from_millis(100))?;
    Ok(made.len())
}

type Timed = (Answer, Duration);

/// In microseconds, what so many per cent took at most.
fn time(answers: &[&Timed], percent: usize) -> Duration {
    let mut times: Vec<_> = answers.iter().map(|(_, took)| *took).collect();
    times.sort();
    times.get((times.len() * percent / 100).saturating_sub(1)).copied().unwrap_or_default()
}

async fn held(client: &Client, key: &str) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for number in 0..CHANGES {
        let made = client.create(&format!("drill-m3-{key}-{number}"), 1000, "pm_card_visa").await?;
        ids.push(made.text("id").to_owned());
    }
    Ok(ids)
}

/// The flood, and how it stands at each second.
async fn watched(story: &Story, clients: &[Client; 2]) -> anyhow::Result<Vec<Timed>> {
    let (made, shed) = (Cell::new(0), Cell::new(0));
    let told = async {
        let clock = SystemClock::start();
        for second in 1..=3 {
            clock.sleep(Duration::from_secs(second).saturating_sub(clock.monotonic())).await;
            story.tell("gateway", format!("after {second} s: {} payments made, {} shed", made.get(), shed.get()))?;
        }
        anyhow::Ok(())
    };
    let (came, told) = join(flood(clients, &made, &shed), told).await;
    told.and(came)
}

/// Waves of payments of two merchants, each at its time whatever came of those before.
async fn flood(clients: &[Client; 2], made: &Cell<usize>, shed: &Cell<usize>) -> anyhow::Result<Vec<Timed>> {
    let clock = SystemClock::start();
    let one = async |number: usize| {
        let at = WAVE_EVERY * u32::try_from(number / WAVE)?;
        clock.sleep(at.saturating_sub(clock.monotonic())).await;
        let started = clock.monotonic();
        let answer = clients[number % 2].create(&format!("drill-m3-{number}"), 1000, "pm_card_visa").await?;
        let counter = if answer.status == 201 { made } else { shed };
        counter.set(counter.get() + 1);
        anyhow::Ok((answer, clock.monotonic().saturating_sub(started)))
    };
    join_all((0..WAVES * WAVE).map(one)).await.into_iter().collect()
}
