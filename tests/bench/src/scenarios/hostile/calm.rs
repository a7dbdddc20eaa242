//! The merchant who does nothing wrong.

use std::{cell::RefCell, ops::ControlFlow, rc::Rc, time::Duration};

use anyhow::Result;
use bytes::Bytes;
use tollgate_runtime::{SystemClock, system::within};

use super::Ground;
use crate::{
    http::Connection,
    load::{Client, count, open_loop},
    payments::{BODY, Creator},
    process::Process,
};

/// Payments every second.
const RATE: f64 = 30.0;
const CONNECTIONS: usize = 16;
/// So many are made on a connection, and then a new one is opened: it has to find a place, too.
const ON_A_CONNECTION: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(30);
/// The first payments are no measure.
pub(super) const WARM_UP: Duration = Duration::from_secs(1);

/// What he was told.
#[derive(Debug, Default)]
pub(super) struct Calm {
    made: u64,
    not: u64,
    /// Milliseconds, from when each should have started.
    pub(super) p99: f64,
}

impl Calm {
    pub(super) fn succeed(&self) -> f64 {
        100.0 * count(self.made) / count((self.made + self.not).max(1))
    }
}

struct Payer<'a> {
    api_key: &'a str,
    gateway: &'a Process,
    creator: Option<Creator>,
    made: u32,
    told: Rc<RefCell<Calm>>,
}

impl Payer<'_> {
    /// Whether a payment was made.
    async fn pay(&mut self) -> Result<bool> {
        self.made += 1;
        let kept = self.creator.take().filter(|_| !self.made.is_multiple_of(ON_A_CONNECTION));
        let mut creator = if let Some(creator) = kept {
            creator
        } else {
            Creator::new(Connection::open(self.gateway.address).await?, self.api_key)?
        };
        let (status, _) = creator.attempt(Bytes::from_static(BODY)).await?;
        self.creator = Some(creator);
        Ok(status == 201)
    }
}

impl Client for Payer<'_> {
    async fn call(&mut self) -> Result<ControlFlow<()>> {
        let clock = SystemClock::start();
        let made = within(&clock, PATIENCE, self.pay()).await;
        let told = &mut *self.told.borrow_mut();
        let outcome = if matches!(made, Some(Ok(true))) { &mut told.made } else { &mut told.not };
        *outcome += 1;
        Ok(ControlFlow::Continue(()))
    }
}

/// His payments for so long.
pub(super) async fn pays(ground: &Ground<'_>, gateway: &Process, time: Duration) -> Result<Calm> {
    let told = Rc::<RefCell<Calm>>::default();
    let payer = || Payer { api_key: &ground.stage.api_key, gateway, creator: None, made: 0, told: Rc::clone(&told) };
    let mut payers: Vec<Payer<'_>> = (0..CONNECTIONS).map(|_| payer()).collect();
    let p99 = open_loop(&mut payers, RATE, time).await?.percentile(99.0);
    drop(payers);
    Ok(Calm { p99, ..told.take() })
}
