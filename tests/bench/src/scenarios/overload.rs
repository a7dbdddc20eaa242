//! Findings C6 and M3: 2, 5 and 10 times as many payments are offered as can be made, while captures and refunds go on.
//!
//! What can be made is set by the simulated provider, which takes a tenth of a second, and by how many requests are worked
//! on at a time; so it is neither this machine nor the load itself that is at its end.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    ops::ControlFlow,
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::future::{Either, LocalBoxFuture, join3, select};
use hdrhistogram::Histogram;
use http::{HeaderValue, Method, StatusCode, header};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::Settings;
use crate::{
    http::Connection,
    load::{Client, closed_loop, count, open_loop},
    payments::{Creator, id_in},
    process::Process,
    report::{Report, Target, by_build},
    stage::Stage,
};

/// Requests that are worked on at a time.
const CONCURRENCY: u32 = 16;
/// Of these, those that new payments may have: an eighth is kept for what must not wait.
const FOR_CREATES: f64 = 14.0;
/// What the simulated provider takes for an answer.
const PROVIDER_MS: u32 = 100;
const LEVELS: [u32; 3] = [2, 5, 10];
/// Enough for all that are worked on and wait, and for those that are just being refused.
const CONNECTIONS: usize = 400;
/// Captures, and refunds, that are asked for every second.
const VITAL_RATE: f64 = 4.0;
const VITAL_CONNECTIONS: usize = 16;
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What came of requests of one kind.
struct Told {
    done: u64,
    overloaded: u64,
    otherwise: u64,
    /// In microseconds, of those that were done and of those that were refused.
    done_in: Histogram<u64>,
    refused_in: Histogram<u64>,
}

impl Default for Told {
    fn default() -> Self {
        let histogram = || Histogram::new_with_max(60_000_000, 3).expect("these bounds are good");
        Self { done: 0, overloaded: 0, otherwise: 0, done_in: histogram(), refused_in: histogram() }
    }
}

impl Told {
    fn note(&mut self, status: StatusCode, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        match status.as_u16() {
            200 | 201 => {
                self.done += 1;
                self.done_in.saturating_record(took);
            }
            503 => {
                self.overloaded += 1;
                self.refused_in.saturating_record(took);
            }
            _ => self.otherwise += 1,
        }
    }

    fn offered(&self) -> u64 {
        self.done + self.overloaded + self.otherwise
    }
}

fn millis(histogram: &Histogram<u64>, percent: f64) -> f64 {
    count(histogram.value_at_percentile(percent)) / 1e3
}

struct Payer {
    creator: Creator,
    told: Rc<RefCell<Told>>,
}

impl Client for Payer {
    async fn call(&mut self) -> Result<ControlFlow<()>> {
        let clock = SystemClock::start();
        let (status, _) = self.creator.attempt(Bytes::from_static(crate::payments::BODY)).await?;
        self.told.borrow_mut().note(status, clock.monotonic());
        Ok(ControlFlow::Continue(()))
    }
}

/// Captures, or refunds, one payment after the other.
struct Changer {
    creator: Creator,
    operation: &'static str,
    left: Rc<RefCell<VecDeque<String>>>,
    told: Rc<RefCell<Told>>,
}

impl Client for Changer {
    async fn call(&mut self) -> Result<ControlFlow<()>> {
        let next = self.left.borrow_mut().pop_front();
        let Some(id) = next else { return Ok(ControlFlow::Break(())) };
        let clock = SystemClock::start();
        let status = self.creator.change(&id, self.operation).await?;
        self.told.borrow_mut().note(status, clock.monotonic());
        Ok(ControlFlow::Continue(()))
    }
}

/// One level of load.
#[derive(Default)]
struct Level {
    creates: Told,
    captures: Told,
    refunds: Told,
    seconds: f64,
    /// Resident, at most, in MiB.
    memory: f64,
}

struct Play {
    stage: Stage,
    gateway: Process,
    /// To be captured, and to be refunded; of the first merchant.
    held: Rc<RefCell<VecDeque<String>>>,
    settled: Rc<RefCell<VecDeque<String>>>,
}

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let play = Play::prepare(settings).await?;
    let capacity = FOR_CREATES / f64::from(PROVIDER_MS) * 1e3;
    let peak = play.peak(settings.time / 2).await?;
    report.figure("capacity, by places and provider", capacity, "/s");
    report.figure("peak, nobody refused", peak, "/s");
    for level in LEVELS {
        let came = play.load(f64::from(level) * capacity, settings.time).await?;
        show(level, &came, peak, report);
    }
    Ok(())
}

fn show(level: u32, came: &Level, peak: f64, report: &mut Report) {
    let creates = &came.creates;
    let name = |what: &str| format!("{level} times: {what}");
    let goodput = count(creates.done) / came.seconds;
    report.figure(name("offered"), count(creates.offered()) / came.seconds, "/s");
    report.figure(name("admitted"), goodput, "/s");
    report.target(name("admitted, of the peak"), 100.0 * goodput / peak, "%", Target::AtLeast(by_build(90.0, 10.0)));
    report.figure(name("refused as overloaded"), count(creates.overloaded) / came.seconds, "/s");
    report.target(name("answered otherwise"), count(creates.otherwise), "", Target::AtMost(0.0));
    report.figure(name("admitted, p50"), millis(&creates.done_in, 50.0), "ms");
    let p99 = millis(&creates.done_in, 99.0) - f64::from(PROVIDER_MS);
    report.target(name("admitted, p99 above the provider's"), p99, "ms", Target::AtMost(by_build(500.0, 5000.0)));
    report.target(
        name("refused, p50"),
        millis(&creates.refused_in, 50.0),
        "ms",
        Target::AtMost(by_build(20.0, 1000.0)),
    );
    report.figure(name("refused, p99"), millis(&creates.refused_in, 99.0), "ms");
    for (what, told) in [("captures", &came.captures), ("refunds", &came.refunds)] {
        let done = 100.0 * count(told.done) / count(told.offered().max(1));
        report.target(name(&format!("{what} that succeed")), done, "%", Target::AtLeast(99.0));
        report.figure(name(&format!("{what}, p99")), millis(&told.done_in, 99.0), "ms");
    }
    report.target(name("resident, most"), came.memory, "MiB", Target::AtMost(160.0));
}

impl Play {
    async fn prepare(settings: &Settings) -> Result<Self> {
        let stage = Stage::prepare(&settings.programs).await?;
        let told = [("ADMISSION_CONCURRENCY", CONCURRENCY.to_string())];
        let gateway = stage.sandbox_at_noon_told(&told)?;
        let play = Self { stage, gateway, held: Rc::default(), settled: Rc::default() };
        // So many, and some to spare.
        let each = VITAL_RATE * settings.time.as_secs_f64() * f64::from(u32::try_from(LEVELS.len())?) * 1.2 + 20.0;
        let settled = play.make(each).await?;
        let mut creator = play.creators(&play.stage.api_key, 1).await?.pop().context("a connection")?;
        for id in &settled {
            let status = creator.change(id, "capture").await?;
            ensure!(status == 200, "a capture was answered {status}");
        }
        play.control("/sandbox/clock", br#"{"advance_seconds":86400}"#).await?;
        play.settled.borrow_mut().extend(settled);
        let held = play.make(each).await?;
        play.held.borrow_mut().extend(held);
        let fault = format!(r#"{{"kind":"slow","ms":{PROVIDER_MS}}}"#);
        play.control("/sandbox/providers/stripe/faults", fault.as_bytes()).await?;
        Ok(play)
    }

    /// The sandbox's own calls.
    async fn control(&self, path: &str, body: &[u8]) -> Result<()> {
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut connection = Connection::open(self.gateway.address).await?;
        let (status, text) = connection.send(Method::POST, path, &json, Bytes::copy_from_slice(body)).await?;
        ensure!(status.is_success(), "{path} was answered {status}: {}", String::from_utf8_lossy(&text));
        Ok(())
    }

    async fn creators(&self, api_key: &str, connections: usize) -> Result<Vec<Creator>> {
        let connections = Connection::open_many(self.gateway.address, connections).await?;
        connections.into_iter().map(|connection| Creator::new(connection, api_key)).collect()
    }

    /// Payments of the first merchant, authorized.
    async fn make(&self, how_many: f64) -> Result<Vec<String>> {
        let mut creators = self.creators(&self.stage.api_key, 1).await?;
        let (mut made, creator) = (Vec::new(), &mut creators[0]);
        while count(made.len() as u64) < how_many {
            made.push(id_in(&creator.create().await?)?);
        }
        Ok(made)
    }

    /// Half of them of each of two merchants: one alone has half of the places at most.
    async fn payers(&self, connections: usize, told: &Rc<RefCell<Told>>) -> Result<Vec<Payer>> {
        let mut payers = Vec::new();
        for key in [&self.stage.api_key, &self.stage.other_api_key] {
            let creators = self.creators(key, connections / 2).await?;
            payers.extend(creators.into_iter().map(|creator| Payer { creator, told: Rc::clone(told) }));
        }
        // In turns.
        let half = payers.len() / 2;
        Ok((0..half)
            .flat_map(|index| [index, half + index])
            .fold((Vec::new(), payers.into_iter().map(Some).collect::<Vec<_>>()), |(mut turns, mut all), index| {
                turns.extend(all[index].take());
                (turns, all)
            })
            .0)
    }

    /// The most that is made a second where nobody is refused: as many clients as there are places.
    async fn peak(&self, time: Duration) -> Result<f64> {
        let told = Rc::default();
        let mut payers = self.payers(14, &told).await?;
        let clock = SystemClock::start();
        closed_loop(&mut payers, time).await?;
        let done = told.borrow().done;
        Ok(count(done) / clock.monotonic().as_secs_f64())
    }

    async fn changers(
        &self,
        operation: &'static str,
        left: &Rc<RefCell<VecDeque<String>>>,
        told: &Rc<RefCell<Told>>,
    ) -> Result<Vec<Changer>> {
        let creators = self.creators(&self.stage.api_key, VITAL_CONNECTIONS).await?;
        let changer = |creator| Changer { creator, operation, left: Rc::clone(left), told: Rc::clone(told) };
        Ok(creators.into_iter().map(changer).collect())
    }

    async fn load(&self, per_second: f64, time: Duration) -> Result<Level> {
        let told: [Rc<RefCell<Told>>; 3] = Default::default();
        let mut payers = self.payers(CONNECTIONS, &told[0]).await?;
        let mut captures = self.changers("capture", &self.held, &told[1]).await?;
        let mut refunds = self.changers("refund", &self.settled, &told[2]).await?;
        let clock = SystemClock::start();
        let all = join3(
            open_loop(&mut payers, per_second, time),
            open_loop(&mut captures, VITAL_RATE, time),
            open_loop(&mut refunds, VITAL_RATE, time),
        );
        let most = Cell::new(0.0_f64);
        let watched: LocalBoxFuture<'_, Result<()>> = Box::pin(async {
            let clock = SystemClock::start();
            loop {
                most.set(most.get().max(self.gateway.memory()?.resident));
                clock.sleep(LOOK_EVERY).await;
            }
        });
        match select(Box::pin(all), watched).await {
            Either::Left(((creates, captures, refunds), _)) => {
                creates?;
                captures?;
                refunds?;
            }
            Either::Right((failed, _)) => failed?,
        }
        let seconds = clock.monotonic().as_secs_f64();
        drop((payers, captures, refunds));
        let [creates, captures, refunds] = told.map(|told| told.take());
        Ok(Level { creates, captures, refunds, seconds, memory: most.get() })
    }
}
