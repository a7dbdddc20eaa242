//! Starts: from the process's start to the answer of its first payment, on a store that has been used before.

use std::time::Duration;

use anyhow::Result;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{Settings, median};
use crate::{
    load::closed_loop,
    payments::Creator,
    report::{Report, Target},
    stage::{Stage, connect},
};

const STARTS: usize = 15;
const KEPT: Duration = Duration::from_secs(2);

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let stage = Stage::prepare(&settings.programs).await?;
    let gateway = stage.gateway().await?;
    closed_loop(&mut stage.clients(&gateway, settings.clients).await?, KEPT).await?;
    drop(gateway);
    let mut first_payments = Vec::new();
    for _ in 0..STARTS {
        first_payments.push(start(&stage).await?);
    }
    let slowest = first_payments.iter().copied().fold(0.0, f64::max);
    let median = median(first_payments);
    report.target("start to the first committed payment, median", median, "ms", Target::AtMost(60.0));
    report.figure("start to the first committed payment, slowest", slowest, "ms");
    Ok(())
}

/// Milliseconds from one start to the first payment. The process is killed afterwards, as a crash would.
async fn start(stage: &Stage) -> Result<f64> {
    let clock = SystemClock::start();
    let mut gateway = stage.start()?;
    let connection = connect(&mut gateway).await?;
    Creator::new(connection, &stage.api_key)?.create().await?;
    Ok(1e3 * clock.monotonic().as_secs_f64())
}
