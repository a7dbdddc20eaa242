//! The function's process on Spanner: from its start to its first answer, and resident memory.

use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::Method;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::CLIENTS;
use crate::{
    emulated::Emulated,
    report::{Report, Target},
    scenarios::{median, memory::make},
    stage::connect,
};

const STARTS: usize = 15;
/// After it has connected, until it is called idle.
const SETTLED: Duration = Duration::from_secs(1);
const SOME: u64 = 3000;

pub(super) async fn starts(emulated: &Emulated, report: &mut Report) -> Result<()> {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(start(emulated).await?);
    }
    let slowest = starts.iter().copied().fold(0.0, f64::max);
    report.target("start to the first 200, median", median(starts), "ms", Target::AtMost(20.0));
    report.figure("start to the first 200, slowest", slowest, "ms");
    Ok(())
}

pub(super) async fn memory(emulated: &Emulated, report: &mut Report) -> Result<()> {
    let gateway = emulated.gateway(&Vec::new()).await?;
    SystemClock::start().sleep(SETTLED).await;
    let idle = gateway.memory()?;
    report.target("resident, connected and idle", idle.resident, "MiB", Target::AtMost(24.0));
    report.figure("of that anonymous", idle.anonymous, "MiB");
    make(&emulated.stage, &gateway, CLIENTS, SOME).await?;
    let some = gateway.memory()?;
    report.figure("resident after 3,000 payments", some.resident, "MiB");
    report.figure("of that anonymous", some.anonymous, "MiB");
    Ok(())
}

/// Milliseconds from one start to the answer of `/health/live`. The process is killed afterwards.
async fn start(emulated: &Emulated) -> Result<f64> {
    let clock = SystemClock::start();
    let mut gateway = emulated.stage.start()?;
    let mut connection = connect(&mut gateway).await?;
    let (status, _) = connection.send(Method::GET, "/health/live", &[], Bytes::new()).await?;
    let took = clock.monotonic();
    ensure!(status == 200, "a function that has just started answered {status}");
    Ok(1e3 * took.as_secs_f64())
}
