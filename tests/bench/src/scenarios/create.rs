//! Created payments: how many, what each costs, and how long they take at half of that. In turns with the raw figures,
//! so that whatever else the machine does meets both.

use std::{cell::RefCell, rc::Rc, time::Duration};

use anyhow::Result;
use bytes::Bytes;

use super::{Settings, median};
use crate::{
    http::Connection,
    load::{Measured, closed_loop, count, open_loop},
    payments::{BODY, Creator},
    process::Process,
    raw::{
        echo::{self, Echoed},
        rows::{Payment, Source},
        sqlite::{Committer, RawStore},
    },
    report::{Report, Target},
    stage::Stage,
    usage::{self, own_cpu},
};

const ROUNDS: u32 = 5;
/// Until it runs as it will.
pub(super) const WARM_UP: Duration = Duration::from_secs(1);
const ECHO: Duration = Duration::from_secs(1);
/// How many payments the raw store writes in one round.
const RAW_AT_MOST: usize = 10_000;

/// One round's figures: per second, or microseconds of CPU each.
#[derive(Default)]
struct Round {
    created: f64,
    raw: f64,
    gateway_cpu: f64,
    provider_cpu: f64,
    client_cpu: f64,
    raw_cpu: f64,
    echoed: f64,
    echo_cpu: f64,
}

/// The gateway, and what is beside it.
pub(super) struct Play {
    stage: Stage,
    gateway: Process,
    echo: Process,
    /// The rows that the gateway has written.
    pub(super) source: Source,
    /// Of the gateway.
    pub(super) clients: Vec<Creator>,
    /// Of the bare hyper echo.
    pub(super) echoers: Vec<Echoed>,
    /// Where the same rows are written.
    pub(super) raw: Rc<RawStore>,
}

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let mut play = Play::prepare(settings).await?;
    closed_loop(&mut play.clients, WARM_UP).await?;
    play.source.skip()?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(play.round(settings.time / ROUNDS).await?);
    }
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    let created = of(|round| round.created);
    report.figure("created payments", created, "/s");
    report.figure("two raw group commits of the same rows", of(|round| round.raw), "/s");
    let share = of(|round| 100.0 * round.created / round.raw);
    report.target("created, of what the commits allow", share, "%", Target::AtLeast(60.0));
    report.target("gateway's CPU for each", of(|round| round.gateway_cpu), "µs", Target::AtMost(400.0));
    report.figure("simulated provider's CPU for each", of(|round| round.provider_cpu), "µs");
    report.figure("client's CPU for each", of(|round| round.client_cpu), "µs");
    report.figure("raw commits' CPU for each", of(|round| round.raw_cpu), "µs");
    report.figure("bare hyper echo", of(|round| round.echoed), "/s");
    report.figure("bare hyper echo's CPU for each", of(|round| round.echo_cpu), "µs");
    half_load(settings, play, created / 2.0, report).await
}

impl Play {
    /// Everything started, and a payment's rows in the store.
    pub(super) async fn prepare(settings: &Settings) -> Result<Self> {
        let stage = Stage::prepare(&settings.programs).await?;
        let source = Source::with_sample(&stage.database())?;
        let raw = Rc::new(RawStore::create(&stage.file("raw.sqlite"), &stage.database())?);
        let gateway = stage.gateway().await?;
        let clients = stage.clients(&gateway, settings.clients).await?;
        let echo = echo::start()?;
        let connections = Connection::open_many(echo.address, settings.clients).await?;
        let echoers =
            connections.into_iter().map(|connection| Echoed { connection, body: Bytes::from_static(BODY) }).collect();
        Ok(Self { stage, gateway, echo, source, clients, echoers, raw })
    }

    async fn round(&mut self, time: Duration) -> Result<Round> {
        let mut round = Round::default();
        let ids = (self.gateway.id(), self.stage.provider.id(), self.echo.id());
        let before = (usage::cpu(ids.0)?, usage::cpu(ids.1)?, own_cpu()?);
        let made = closed_loop(&mut self.clients, time).await?;
        round.created = made.rate();
        round.gateway_cpu = each(usage::cpu(ids.0)? - before.0, &made);
        round.provider_cpu = each(usage::cpu(ids.1)? - before.1, &made);
        round.client_cpu = each(own_cpu()? - before.2, &made);

        let mut committers = committers(&self.raw, self.source.made_since(RAW_AT_MOST)?, self.clients.len());
        let before = own_cpu()?;
        let committed = closed_loop(&mut committers, time).await?;
        round.raw = committed.rate();
        round.raw_cpu = each(own_cpu()? - before, &committed);

        let before = usage::cpu(ids.2)?;
        let echoed = closed_loop(&mut self.echoers, ECHO).await?;
        round.echoed = echoed.rate();
        round.echo_cpu = each(usage::cpu(ids.2)? - before, &echoed);
        Ok(round)
    }
}

/// Latency at a rate that leaves room, beside that of the two commits alone at the same rate.
async fn half_load(settings: &Settings, mut play: Play, rate: f64, report: &mut Report) -> Result<()> {
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(open_loop(&mut play.clients, rate, settings.time / ROUNDS).await?);
        let payments = play.source.made_since(usize::MAX >> 1)?;
        let mut committers = committers(&play.raw, payments, settings.clients);
        raw.push(open_loop(&mut committers, rate, settings.time / ROUNDS).await?);
    }
    let of = |measured: &[Measured], percent| median(measured.iter().map(|round| round.percentile(percent)).collect());
    report.figure("half load", rate, "/s");
    report.figure("at half load, p50", of(&ours, 50.0), "ms");
    report.figure("at half load, p99", of(&ours, 99.0), "ms");
    report.figure("two raw commits at half load, p50", of(&raw, 50.0), "ms");
    report.figure("two raw commits at half load, p99", of(&raw, 99.0), "ms");
    let added = of(&ours, 99.0) - of(&raw, 99.0);
    report.target("p99 beyond the commits at half load", added, "ms", Target::AtMost(2.0));
    Ok(())
}

/// So many who write these payments' rows.
pub(super) fn committers(store: &Rc<RawStore>, mut payments: Vec<Payment>, count: usize) -> Vec<Committer> {
    // The last is taken first.
    payments.reverse();
    let payments = Rc::new(RefCell::new(payments));
    (0..count).map(|_| Committer { store: Rc::clone(store), payments: Rc::clone(&payments) }).collect()
}

/// Microseconds for each call.
fn each(used: f64, measured: &Measured) -> f64 {
    used / count(measured.calls.max(1))
}
