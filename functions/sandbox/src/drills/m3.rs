//! Finding M3: no capacity planning and no load shedding: past its capacity everything slows down until nothing is done.

use std::time::Duration;

use anyhow::ensure;
use futures::future::{join_all, join3};
use serde_json::json;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{Stage, story::Story};
use crate::{
    client::{Answer, Client},
    demo::say,
};

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
    let (creates, captures, refunds) =
        join3(flood(&clients), changes(held, "capture"), changes(settled, "refund")).await;
    let (creates, captures, refunds) = (creates?, captures?, refunds?);
    for (what, answers) in [("captures", &captures), ("refunds", &refunds)] {
        let done = answers.iter().filter(|answer| matches!(answer.status, 200 | 201)).count();
        ensure!(done == CHANGES, "expected that {what} go on: {done} of {CHANGES}");
    }
    let (made, refused): (Vec<_>, Vec<_>) = creates.iter().partition(|(answer, _)| answer.status == 201);
    let told = |answer: &Answer| answer.text("code") == "overloaded" && answer.retry_after == Some(60);
    ensure!(refused.iter().all(|(answer, _)| told(answer)), "expected that each is told when to come again");
    ensure!(made.len() >= 3 * CAPACITY / 2, "expected that work goes on: {} payments", made.len());
    let (slowest, typical, late) = (took(&made, 100), took(&refused, 50), took(&refused, 99));
    ensure!(slowest < Duration::from_secs(2), "expected that what is taken is done soon: {slowest:?}");
    ensure!(typical < Duration::from_millis(100), "expected that refusals take no time: {typical:?}");
    say(&format!(
        "  {} payments come in 3 s where {CAPACITY} a second can be made (8 places instead of 256, and a Stripe that takes 200 ms): \
         {} are made within {} ms, {} are refused (half of them within {} ms, 99 % within {} ms)",
        creates.len(),
        made.len(),
        slowest.as_millis(),
        refused.len(),
        typical.as_millis(),
        late.as_millis(),
    ))?;
    say(&format!("  meanwhile all of {CHANGES} captures and {CHANGES} refunds are done"))?;

    clients[0].clear_faults("stripe").await?;
    let again = clients[0].create("drill-m3-after", 1000, "pm_card_visa").await?;
    ensure!(again.status == 201, "expected that it serves as before: {}", again.body);
    let there = clients[0].transactions("stripe").await?.len();
    ensure!(there == made.len() + 2 * CHANGES + 1, "expected that what was refused was never sent: {there}");
    Ok(())
}

type Timed = (Answer, Duration);

/// In microseconds, what so many per cent took at most.
fn took(answers: &[&Timed], percent: usize) -> Duration {
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

/// Waves of payments of two merchants, each at its time whatever came of those before.
async fn flood(clients: &[Client; 2]) -> anyhow::Result<Vec<Timed>> {
    let clock = SystemClock::start();
    let one = async |number: usize| {
        let at = WAVE_EVERY * u32::try_from(number / WAVE)?;
        clock.sleep(at.saturating_sub(clock.monotonic())).await;
        let started = clock.monotonic();
        let answer = clients[number % 2].create(&format!("drill-m3-{number}"), 1000, "pm_card_visa").await?;
        anyhow::Ok((answer, clock.monotonic().saturating_sub(started)))
    };
    join_all((0..WAVES * WAVE).map(one)).await.into_iter().collect()
}
