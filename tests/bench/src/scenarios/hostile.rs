//! Clients who send or read too slowly, too much or nothing at all, one kind after the other. What a calm merchant's payments take
//! beside those of the same run just before, what the function holds meanwhile, and how the hostile ones end.

mod attacks;
mod calm;
mod fleet;
mod floods;

use std::{cell::Cell, time::Duration};

use anyhow::{Result, bail, ensure};
use futures::future::{Either, LocalBoxFuture, select, try_join, try_join_all};
use tokio::sync::Mutex;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use self::{attacks::Attack, calm::Calm, fleet::Tally};
use super::Settings;
use crate::{
    load::count,
    metrics::Metrics,
    process::Process,
    report::{Report, Target, by_build},
    stage::{Stage, connect},
    usage,
};

/// Files that the bench needs besides hostile connections.
const OTHER_FILES: u64 = 1000;
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A fleet may take so long to be there.
const THERE_WITHIN: Duration = Duration::from_secs(60);

/// Who is attacked, and who is served meanwhile.
struct Ground<'a> {
    stage: &'a Stage,
    /// One attack at a time.
    turn: &'a Mutex<()>,
    time: Duration,
    /// Hostile connections that this machine can have.
    connections: u32,
}

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let files = usage::raise_open_files()?;
    let connections = u32::try_from(files.saturating_sub(OTHER_FILES))?;
    ensure!(connections >= 1000, "only {files} files may be open: too few to attack anybody");
    let stage = Stage::prepare(&settings.programs).await?;
    let (time, turn) = (settings.time / 2, Mutex::new(()));
    let ground = Ground { stage: &stage, turn: &turn, time, connections };
    let attacks = attacks::all(&stage);
    for (attack, suffered) in
        attacks.iter().zip(try_join_all(attacks.iter().map(|attack| ground.suffer(attack))).await?)
    {
        show(attack, &suffered, report);
    }
    Ok(())
}

/// What came of one attack.
struct Suffered {
    quiet: Calm,
    calm: Calm,
    tally: Tally,
    /// Resident, at most, in MiB.
    memory: f64,
    /// Open connections when the fleet was there.
    held: f64,
    /// The provider's own events that were taken meanwhile.
    events: f64,
}

impl Ground<'_> {
    /// The calm merchant alone, and then beside the attack, when it is its turn. How it ends is seen while the next goes on.
    async fn suffer(&self, attack: &Attack) -> Result<Suffered> {
        let turn = self.turn.lock().await;
        let gateway = self.start(attack).await?;
        calm::pays(self, &gateway, calm::WARM_UP).await?;
        let before = processed(&gateway).await?;
        let quiet = calm::pays(self, &gateway, self.time).await?;
        let tally = Tally::default();
        let (held, most) = (Cell::new(0.0), Cell::new(0.0_f64));
        let clock = SystemClock::start();
        let calm = async {
            while !tally.is_there() && clock.monotonic() < THERE_WITHIN {
                clock.sleep(LOOK_EVERY / 10).await;
            }
            let calm = calm::pays(self, &gateway, self.time).await;
            held.set(Metrics::of(gateway.address).await?.sum("connections_open", &[]));
            tally.stop();
            drop(turn);
            calm
        };
        let watched: LocalBoxFuture<'_, Result<()>> = Box::pin(async {
            loop {
                most.set(most.get().max(gateway.memory()?.resident));
                clock.sleep(LOOK_EVERY).await;
            }
        });
        let both = Box::pin(try_join(calm, attack.run(&gateway, self.connections, &tally)));
        let (calm, ()) = match select(both, watched).await {
            Either::Left((both, _)) => both?,
            Either::Right((failed, _)) => return failed.and_then(|()| bail!("nobody stopped watching")),
        };
        let events = processed(&gateway).await? - before;
        Ok(Suffered { quiet, calm, tally, memory: most.get(), held: held.get(), events })
    }

    /// A process for each attack: what one took is not given back to the system at once.
    async fn start(&self, attack: &Attack) -> Result<Process> {
        if attack.is_on_events {
            return self.stage.sandbox();
        }
        let mut gateway = self.stage.start_bounded(&[], attack.files)?;
        connect(&mut gateway).await?;
        Ok(gateway)
    }
}

/// Providers' events that were taken so far.
async fn processed(gateway: &Process) -> Result<f64> {
    Ok(Metrics::of(gateway.address).await?.sum("provider_webhooks_total", &[r#"outcome="processed""#]))
}

fn show(attack: &Attack, suffered: &Suffered, report: &mut Report) {
    let name = |what: &str| format!("{}: {what}", attack.name);
    let Suffered { quiet, calm, tally, memory, held, events } = suffered;
    report.figure(name("the calm merchant's p99 before"), quiet.p99, "ms");
    report.figure(name("the calm merchant's p99"), calm.p99, "ms");
    report.target(name("more than before"), calm.p99 - quiet.p99, "ms", Target::AtMost(by_build(20.0, 5000.0)));
    report.target(name("the calm merchant's that succeed"), calm.succeed(), "%", Target::AtLeast(100.0));
    report.target(name("resident, most"), *memory, "MiB", Target::AtMost(attack.memory));
    report.figure(name("connections open"), *held, "");
    if attack.is_on_events {
        report.target(name("the provider's own events"), *events, "", Target::AtLeast(1.0));
    }
    for (how, times) in tally.ends() {
        if attack.expected.contains(&how.as_str()) {
            report.figure(name(&how), count(times), "");
        } else {
            report.target(name(&how), count(times), "", Target::AtMost(0.0));
        }
    }
    if let Some(within) = attack.ended_within {
        report.target(name("the longest that one was held"), tally.longest(), "s", Target::AtMost(within));
    }
}
