//! Finding C6: one merchant calls a hundred times as often as its limit allows. What another merchant's payments take beside
//! those of the same run without it, in pairs.

use std::{cell::RefCell, ops::ControlFlow, rc::Rc, time::Duration};

use anyhow::{Result, bail};
use bytes::Bytes;
use futures::future::{Either, select};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{Settings, median};
use crate::{
    http::Connection,
    load::{Client, Measured, count, open_loop},
    payments::Creator,
    process::Process,
    report::{Report, Target, by_build},
    stage::Stage,
};

const ROUNDS: u32 = 5;
/// Payments that the calm merchant makes every second.
const CALM_RATE: f64 = 20.0;
const CALM_CONNECTIONS: usize = 32;
/// The default: so many a minute.
const LIMIT: f64 = 100.0;
/// A hundred times that.
const FLOOD_RATE: f64 = 100.0 * LIMIT / 60.0;
const FLOOD_CONNECTIONS: usize = 64;

/// Calls as often as it can, and counts what it is told.
struct Flooder {
    creator: Creator,
    told: Rc<RefCell<Told>>,
}

#[derive(Default)]
struct Told {
    made: u64,
    limited: u64,
}

impl Client for Flooder {
    async fn call(&mut self) -> Result<ControlFlow<()>> {
        let (status, _) = self.creator.attempt(Bytes::from_static(crate::payments::BODY)).await?;
        let mut told = self.told.borrow_mut();
        match status.as_u16() {
            201 => told.made += 1,
            429 => told.limited += 1,
            other => bail!("the flood was answered {other}"),
        }
        Ok(ControlFlow::Continue(()))
    }
}

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let stage = Stage::prepare(&settings.programs).await?;
    let gateway = stage.sandbox()?;
    let time = settings.time / 2;
    calm(&stage, &gateway, Duration::from_secs(2)).await?;
    let told = Rc::<RefCell<Told>>::default();
    let clock = SystemClock::start();
    let (mut quiet, mut flooded) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        quiet.push(calm(&stage, &gateway, time).await?.percentile(99.0));
        let mut flooders: Vec<Flooder> = creators(&stage.limited_api_key, &gateway, FLOOD_CONNECTIONS)
            .await?
            .into_iter()
            .map(|creator| Flooder { creator, told: Rc::clone(&told) })
            .collect();
        // A little longer: the calm merchant never is alone.
        let flood = Box::pin(open_loop(&mut flooders, FLOOD_RATE, time + Duration::from_secs(60)));
        let measured = match select(Box::pin(calm(&stage, &gateway, time)), flood).await {
            Either::Left((measured, _)) => measured?,
            Either::Right((flood, _)) => {
                flood?;
                bail!("the flood was over too soon")
            }
        };
        flooded.push(measured.percentile(99.0));
    }
    let told = told.borrow();
    // What it may at once, and what it may since.
    let allowed = LIMIT + LIMIT / 60.0 * clock.monotonic().as_secs_f64();
    report.target(
        "the flood: made, of what its limit allows",
        100.0 * count(told.made) / allowed,
        "%",
        Target::AtMost(101.0),
    );
    report.figure("the flood: refused as rate_limited", count(told.limited), "");
    report.figure("another merchant's p99, calm", median(quiet.clone()), "ms");
    report.figure("another merchant's p99 beside the flood", median(flooded.clone()), "ms");
    let ratio = median(quiet.iter().zip(&flooded).map(|(quiet, flooded)| flooded / quiet).collect());
    let more = median(quiet.iter().zip(&flooded).map(|(quiet, flooded)| flooded - quiet).collect());
    report.target("of each other, median of the pairs", ratio, "", Target::AtMost(by_build(1.5, 20.0)));
    report.target("more than calm, median of the pairs", more, "ms", Target::AtMost(by_build(20.0, 3000.0)));
    Ok(())
}

/// The calm merchant's payments for so long.
async fn calm(stage: &Stage, gateway: &Process, time: Duration) -> Result<Measured> {
    let mut clients = creators(&stage.api_key, gateway, CALM_CONNECTIONS).await?;
    open_loop(&mut clients, CALM_RATE, time).await
}

async fn creators(api_key: &str, gateway: &Process, connections: usize) -> Result<Vec<Creator>> {
    let connections = Connection::open_many(gateway.address, connections).await?;
    connections.into_iter().map(|connection| Creator::new(connection, api_key)).collect()
}
