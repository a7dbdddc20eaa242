//! Latency against offered load: from a tenth of what is possible to a quarter more than that, in turns with the raw
//! store at the same rate.

use anyhow::Result;

use super::{
    Settings,
    create::{Play, WARM_UP, committers},
};
use crate::{
    load::{Measured, closed_loop, open_loop},
    report::Report,
};

/// Of the peak, in percent.
const LOADS: [u32; 10] = [10, 25, 40, 55, 70, 80, 90, 100, 110, 125];
/// The time of a scenario is shared among so many loads, more or less.
const PARTS: u32 = 5;

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let mut play = Play::prepare(settings).await?;
    let time = settings.time / PARTS;
    closed_loop(&mut play.clients, WARM_UP).await?;
    let peak = closed_loop(&mut play.clients, time).await?.rate();
    report.figure("peak: created payments", peak, "/s");
    play.source.skip()?;
    for load in LOADS {
        let rate = peak * f64::from(load) / 100.0;
        let ours = open_loop(&mut play.clients, rate, time).await?;
        let payments = play.source.made_since(usize::MAX >> 1)?;
        let raw = open_loop(&mut committers(&play.raw, payments, settings.clients), rate, time).await?;
        let bare = open_loop(&mut play.echoers, rate, time).await?;
        report.figure(format!("at {load} %: offered"), rate, "/s");
        for (name, measured) in [("created", &ours), ("two raw commits", &raw), ("bare hyper echo", &bare)] {
            tell(report, load, name, measured);
        }
    }
    Ok(())
}

fn tell(report: &mut Report, load: u32, name: &str, measured: &Measured) {
    report.figure(format!("at {load} %: {name}"), measured.rate(), "/s");
    report.figure(format!("at {load} %: {name}, p50"), measured.percentile(50.0), "ms");
    report.figure(format!("at {load} %: {name}, p99"), measured.percentile(99.0), "ms");
}
