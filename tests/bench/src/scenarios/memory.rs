//! Resident memory: idle, after many payments, and after half as many again, which shows whether it grows.

use std::{cell::Cell, ops::ControlFlow, rc::Rc, time::Duration};

use anyhow::{Result, ensure};

use super::Settings;
use crate::{
    load::{Client, closed_loop},
    payments::Creator,
    process::Process,
    report::{Report, Target},
    stage::Stage,
};

const MANY: u64 = 100_000;
const AGAIN: u64 = 50_000;
/// Long enough on a slow machine.
const AT_MOST: Duration = Duration::from_secs(600);

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let stage = Stage::prepare(&settings.programs).await?;
    let gateway = stage.gateway().await?;
    let idle = gateway.memory()?;
    report.target("resident, idle", idle.resident, "MiB", Target::AtMost(20.0));
    report.figure("of that anonymous", idle.anonymous, "MiB");
    make(&stage, &gateway, settings.clients, MANY).await?;
    let many = gateway.memory()?;
    report.target("resident after 100,000 payments", many.resident, "MiB", Target::AtMost(48.0));
    report.figure("of that anonymous", many.anonymous, "MiB");
    make(&stage, &gateway, settings.clients, AGAIN).await?;
    let again = gateway.memory()?;
    report.figure("resident after 50,000 more", again.resident, "MiB");
    report.target("growth over those", again.resident - many.resident, "MiB", Target::AtMost(2.0));
    Ok(())
}

/// Makes so many payments, with so many clients.
pub(super) async fn make(stage: &Stage, gateway: &Process, clients: usize, payments: u64) -> Result<()> {
    let left = Rc::new(Cell::new(payments));
    let clients = stage.clients(gateway, clients).await?;
    let mut clients: Vec<Counted> =
        clients.into_iter().map(|client| Counted { client, left: Rc::clone(&left) }).collect();
    let made = closed_loop(&mut clients, AT_MOST).await?;
    ensure!(made.calls == payments, "only {} payments were made in time", made.calls);
    Ok(())
}

/// A client that stops when enough was made.
struct Counted {
    client: Creator,
    left: Rc<Cell<u64>>,
}

impl Client for Counted {
    async fn call(&mut self) -> Result<ControlFlow<()>> {
        let Some(left) = self.left.get().checked_sub(1) else { return Ok(ControlFlow::Break(())) };
        self.left.set(left);
        self.client.call().await
    }
}
