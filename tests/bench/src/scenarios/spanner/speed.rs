//! Created payments beside the raw client's two commits of the very same rows, in turns: never both at once, for one emulator
//! serves both. And once more with one client each: the emulator takes one commit at a time and aborts the others, so that eight
//! wait for a good part of their time.

use std::time::Duration;

use anyhow::Result;

use super::CLIENTS;
use crate::{
    emulated::Emulated,
    load::{Measured, closed_loop, count},
    payments::Creator,
    process::Process,
    raw::{spanner::RawSpanner, spanner_rows::Source},
    report::{Report, Target},
    scenarios::{Settings, median},
    usage::{self, own_cpu},
};

const ROUNDS: u32 = 5;
const WARM_UP: Duration = Duration::from_secs(1);

/// One round's figures: per second, microseconds of CPU each, or milliseconds.
#[derive(Default)]
struct Round {
    created: f64,
    created_p50: f64,
    created_p99: f64,
    gateway_cpu: f64,
    provider_cpu: f64,
    client_cpu: f64,
    emulator_cpu: f64,
    raw: f64,
    raw_p50: f64,
    raw_p99: f64,
    raw_cpu: f64,
    raw_emulator_cpu: f64,
    alone: f64,
    raw_alone: f64,
}

struct Play<'a> {
    emulated: &'a Emulated,
    gateway: Process,
    source: Source,
    clients: Vec<Creator>,
    raw: RawSpanner,
}

pub(super) async fn run(settings: &Settings, emulated: &Emulated, source: Source, report: &mut Report) -> Result<()> {
    let mut play = Play::prepare(emulated, source).await?;
    play.source.skip().await?;
    play.round(WARM_UP).await?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(play.round(settings.time / ROUNDS).await?);
    }
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    report.figure("created payments, 8 clients", of(|round| round.created), "/s");
    report.figure("the raw client's two commits of the same rows, 8 clients", of(|round| round.raw), "/s");
    let share = of(|round| 100.0 * round.created / round.raw);
    report.target("created, of what the raw client reaches", share, "%", Target::AtLeast(60.0));
    let best = of(|round| 100.0 * round.created / round.raw.max(round.raw_alone));
    report.figure("created, of the raw client's best, by 8 or by 1", best, "%");
    report.figure("created payments, 1 client", of(|round| round.alone), "/s");
    report.figure("the raw client's two commits of the same rows, 1 client", of(|round| round.raw_alone), "/s");
    report.figure("a payment, p50", of(|round| round.created_p50), "ms");
    report.figure("a payment, p99", of(|round| round.created_p99), "ms");
    report.figure("two raw commits, p50", of(|round| round.raw_p50), "ms");
    report.figure("two raw commits, p99", of(|round| round.raw_p99), "ms");
    report.figure("gateway's CPU for each", of(|round| round.gateway_cpu), "µs");
    report.figure("simulated provider's CPU for each", of(|round| round.provider_cpu), "µs");
    report.figure("client's CPU for each", of(|round| round.client_cpu), "µs");
    report.figure("emulator's CPU for each", of(|round| round.emulator_cpu), "µs");
    report.figure("raw client's CPU for each", of(|round| round.raw_cpu), "µs");
    report.figure("emulator's CPU for two raw commits", of(|round| round.raw_emulator_cpu), "µs");
    Ok(())
}

impl<'a> Play<'a> {
    async fn prepare(emulated: &'a Emulated, source: Source) -> Result<Self> {
        let gateway = emulated.gateway(&Vec::new()).await?;
        let clients = emulated.stage.clients(&gateway, CLIENTS).await?;
        let raw = RawSpanner::open(&emulated.host, emulated.raw.name(), CLIENTS).await?;
        Ok(Self { emulated, gateway, source, clients, raw })
    }

    async fn round(&mut self, time: Duration) -> Result<Round> {
        let mut round = Round::default();
        let ids = (self.gateway.id(), self.emulated.stage.provider.id());
        let before = (usage::cpu(ids.0)?, usage::cpu(ids.1)?, own_cpu()?, usage::cpu_of_emulator(&self.emulated.host)?);
        let made = closed_loop(&mut self.clients, time).await?;
        round.gateway_cpu = each(usage::cpu(ids.0)? - before.0, &made);
        round.provider_cpu = each(usage::cpu(ids.1)? - before.1, &made);
        round.client_cpu = each(own_cpu()? - before.2, &made);
        round.emulator_cpu = each(usage::cpu_of_emulator(&self.emulated.host)? - before.3, &made);
        (round.created, round.created_p50, round.created_p99) =
            (made.rate(), made.percentile(50.0), made.percentile(99.0));

        let payments = self.source.made_since(usize::MAX).await?;
        let before = (own_cpu()?, usage::cpu_of_emulator(&self.emulated.host)?);
        let committed = self.raw.commit(CLIENTS, payments, time).await?;
        round.raw_cpu = each(own_cpu()? - before.0, &committed);
        round.raw_emulator_cpu = each(usage::cpu_of_emulator(&self.emulated.host)? - before.1, &committed);
        (round.raw, round.raw_p50, round.raw_p99) =
            (committed.rate(), committed.percentile(50.0), committed.percentile(99.0));

        round.alone = closed_loop(&mut self.clients[..1], time / 2).await?.rate();
        let payments = self.source.made_since(usize::MAX).await?;
        round.raw_alone = self.raw.commit(1, payments, time / 2).await?.rate();
        Ok(round)
    }
}

/// Microseconds for each call.
fn each(used: f64, measured: &Measured) -> f64 {
    used / count(measured.calls.max(1))
}
