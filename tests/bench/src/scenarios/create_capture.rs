//! Payments that are created and captured: a read, four commits and two calls to the provider each.

use std::time::Duration;

use anyhow::Result;

use super::Settings;
use crate::{
    load::{closed_loop, count},
    payments::Capturer,
    report::Report,
    stage::Stage,
    usage,
};

const WARM_UP: Duration = Duration::from_secs(1);

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let stage = Stage::prepare(&settings.programs).await?;
    let gateway = stage.gateway().await?;
    let clients = stage.clients(&gateway, settings.clients).await?;
    let mut clients: Vec<Capturer> = clients.into_iter().map(Capturer).collect();
    closed_loop(&mut clients, WARM_UP).await?;
    let before = usage::cpu(gateway.id())?;
    let made = closed_loop(&mut clients, settings.time).await?;
    let used = usage::cpu(gateway.id())? - before;
    report.figure("created and captured", made.rate(), "/s");
    report.figure("gateway's CPU for each", used / count(made.calls), "µs");
    report.figure("both calls together, p50", made.percentile(50.0), "ms");
    report.figure("both calls together, p99", made.percentile(99.0), "ms");
    Ok(())
}
