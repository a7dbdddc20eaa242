//! Finding C2: Stripe hangs on 30 % of calls while Stripe and PayPal get steady traffic. PayPal's payments beside those of the same
//! run without the fault, what Stripe's are told meanwhile, what the gateway holds, how soon it is over; and then Stripe hangs on all.

use std::{
    cell::{Cell, RefCell},
    ops::ControlFlow,
    rc::Rc,
    time::Duration,
};

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures::future::{Either, LocalBoxFuture, join, select};
use hdrhistogram::Histogram;
use http::Method;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{Settings, median};
use crate::{
    hanging::Hanging,
    http::Connection,
    load::{Client, count, open_loop},
    payments::Creator,
    process::Process,
    report::{Report, Target},
    stage::{Stage, connect},
};

const ROUNDS: u32 = 3;
/// Payments that start every second, at each provider.
const STRIPE_RATE: f64 = 20.0;
const PAYPAL_RATE: f64 = 50.0;
/// Enough for all that can hang at once.
const STRIPE_CLIENTS: usize = 256;
const PAYPAL_CLIENTS: usize = 64;
/// Calls to a provider that may be under way at once: what the gateway is told by default.
const PLACES: f64 = 128.0;
/// When the breaker has to be closed again.
const CLOSED_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(250);
const STRIPE: &[u8] = br#"{"amount":1000,"currency":"JPY","payment_method":{"stripe":"pm_card_visa"}}"#;
const PAYPAL: &[u8] = br#"{"amount":1000,"currency":"JPY","payment_method":{"paypal":"vault-ok"}}"#;

/// What came of payments at one provider.
#[derive(Default)]
struct Told {
    authorized: u64,
    refused: u64,
    unknown: u64,
    /// How long refusals took, in microseconds.
    refusals: Vec<u64>,
}

struct Payer {
    creator: Creator,
    body: &'static [u8],
    told: Rc<RefCell<Told>>,
}

impl Client for Payer {
    async fn call(&mut self) -> Result<ControlFlow<()>> {
        let clock = SystemClock::start();
        let status = self.creator.attempt(Bytes::from_static(self.body)).await?.0.as_u16();
        let mut told = self.told.borrow_mut();
        match status {
            201 => told.authorized += 1,
            202 => told.unknown += 1,
            503 => {
                told.refused += 1;
                told.refusals.push(u64::try_from(clock.monotonic().as_micros()).unwrap_or(u64::MAX));
            }
            other => anyhow::bail!("a payment was answered {other}"),
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// One time of steady traffic.
struct Traffic {
    stripe: Told,
    paypal: Told,
    paypal_p99: f64,
    /// Resident, at most, in MiB.
    memory: f64,
}

struct Play {
    stage: Stage,
    gateway: Process,
    stripe: Hanging,
    looks: Connection,
}

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let mut play = Play::prepare(settings).await?;
    // Warm.
    play.traffic(Duration::from_secs(2)).await?;
    let (mut quiet, mut hung, mut closed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        quiet.push(play.traffic(settings.time).await?);
        play.stripe.hang(3);
        hung.push(play.traffic(settings.time).await?);
        play.stripe.hang(0);
        closed.push(play.closes().await?);
    }
    show(&quiet, &hung, closed, play.stripe.most_open(), report);

    play.stripe.take_requests();
    let before = play.traffic(settings.time).await?;
    let each_before = count(play.stripe.take_requests()) / count(offered(&before.stripe));
    play.stripe.hang(10);
    let outage = play.traffic(settings.time).await?;
    let each = count(play.stripe.take_requests()) / count(offered(&outage.stripe));
    report.target("full outage: calls to Stripe, times those before", each / each_before, "", Target::AtMost(1.1));
    let refusals: Vec<u64> =
        hung.iter().chain([&outage]).flat_map(|traffic| traffic.stripe.refusals.iter().copied()).collect();
    ensure!(!refusals.is_empty(), "no payment was refused: the breaker never opened, so take more --seconds");
    report.target("a refusal takes, p99 of both", p99_of(&refusals), "ms", Target::AtMost(50.0));
    report.figure("full outage: payments refused", percent(outage.stripe.refused, &outage.stripe), "%");
    report.target(
        "full outage: PayPal's that succeed",
        percent(outage.paypal.authorized, &outage.paypal),
        "%",
        Target::AtLeast(100.0),
    );
    Ok(())
}

fn show(quiet: &[Traffic], hung: &[Traffic], closed: Vec<f64>, most_open: usize, report: &mut Report) {
    let of = |rounds: &[Traffic], figure: &dyn Fn(&Traffic) -> f64| median(rounds.iter().map(figure).collect());
    let p99 = |traffic: &Traffic| traffic.paypal_p99;
    report.figure("PayPal's p99 without the fault", of(quiet, &p99), "ms");
    report.figure("PayPal's p99 while Stripe hangs", of(hung, &p99), "ms");
    report.target("of each other, median of the pairs", pairs(quiet, hung), "", Target::AtMost(1.5));
    let succeeds = |traffic: &Traffic| percent(traffic.paypal.authorized, &traffic.paypal);
    report.figure("PayPal's that succeed without the fault", of(quiet, &succeeds), "%");
    report.target("PayPal's that succeed while Stripe hangs", of(hung, &succeeds), "%", Target::AtLeast(100.0));
    report.figure(
        "Stripe's that are refused",
        of(hung, &|traffic| percent(traffic.stripe.refused, &traffic.stripe)),
        "%",
    );
    report.figure(
        "Stripe's that nobody knows of yet",
        of(hung, &|traffic| percent(traffic.stripe.unknown, &traffic.stripe)),
        "%",
    );
    report.figure("resident without the fault, most", of(quiet, &|traffic| traffic.memory), "MiB");
    report.target(
        "resident while Stripe hangs, most",
        of(hung, &|traffic| traffic.memory),
        "MiB",
        Target::AtMost(64.0),
    );
    let most_open = u32::try_from(most_open).unwrap_or(u32::MAX);
    report.target("connections to Stripe, most", most_open.into(), "", Target::AtMost(PLACES));
    report.target("closed again after", median(closed), "s", Target::AtMost(60.0));
}

/// What machines do to single figures meets both of a pair.
fn pairs(quiet: &[Traffic], hung: &[Traffic]) -> f64 {
    median(quiet.iter().zip(hung).map(|(quiet, hung)| hung.paypal_p99 / quiet.paypal_p99).collect())
}

fn offered(told: &Told) -> u64 {
    (told.authorized + told.refused + told.unknown).max(1)
}

fn percent(part: u64, of: &Told) -> f64 {
    100.0 * count(part) / count(offered(of))
}

/// In milliseconds; 0 of none.
fn p99_of(micros: &[u64]) -> f64 {
    let mut histogram = Histogram::<u64>::new(3).expect("these bounds are good");
    for micros in micros {
        histogram.saturating_record(*micros);
    }
    count(histogram.value_at_percentile(99.0)) / 1e3
}

impl Play {
    async fn prepare(settings: &Settings) -> Result<Self> {
        let stage = Stage::prepare(&settings.programs).await?;
        let stripe = Hanging::before(stage.provider.address).await?;
        let told = vec![
            ("STRIPE_API_URL", format!("http://{}/stripe", stripe.address)),
            ("PAYPAL_API_URL", format!("http://{}/paypal", stage.provider.address)),
            ("PAYPAL_CLIENT_ID", "bench".to_owned()),
            ("PAYPAL_CLIENT_SECRET", "bench".to_owned()),
            ("PAYPAL_WEBHOOK_ID", "WH-BENCH".to_owned()),
        ];
        let mut gateway = stage.start_told(&told)?;
        let looks = connect(&mut gateway).await?;
        Ok(Self { stage, gateway, stripe, looks })
    }

    async fn payers(&self, clients: usize, body: &'static [u8], told: &Rc<RefCell<Told>>) -> Result<Vec<Payer>> {
        let creators = self.stage.clients(&self.gateway, clients).await?;
        Ok(creators.into_iter().map(|creator| Payer { creator, body, told: Rc::clone(told) }).collect())
    }

    /// Steady traffic at both for so long, and until the last is answered.
    async fn traffic(&self, time: Duration) -> Result<Traffic> {
        let (stripe, paypal) = (Rc::<RefCell<Told>>::default(), Rc::<RefCell<Told>>::default());
        let mut at_stripe = self.payers(STRIPE_CLIENTS, STRIPE, &stripe).await?;
        let mut at_paypal = self.payers(PAYPAL_CLIENTS, PAYPAL, &paypal).await?;
        let both = join(open_loop(&mut at_stripe, STRIPE_RATE, time), open_loop(&mut at_paypal, PAYPAL_RATE, time));
        let most = Cell::new(0.0_f64);
        let watched = async {
            let clock = SystemClock::start();
            loop {
                most.set(most.get().max(self.gateway.memory()?.resident));
                clock.sleep(LOOK_EVERY).await;
            }
        };
        let watched: LocalBoxFuture<'_, Result<()>> = Box::pin(watched);
        let ((stripes, paypals), memory) = match select(Box::pin(both), watched).await {
            Either::Left((measured, _)) => (measured, most.get()),
            Either::Right((failed, _)) => return failed.and_then(|()| anyhow::bail!("nobody stopped watching")),
        };
        stripes?;
        let paypal_p99 = paypals?.percentile(99.0);
        drop((at_stripe, at_paypal));
        Ok(Traffic { stripe: stripe.take(), paypal: paypal.take(), paypal_p99, memory })
    }

    /// How many seconds it takes until the breaker is closed again, under the same traffic at Stripe.
    async fn closes(&mut self) -> Result<f64> {
        let (told, clock) = (Rc::default(), SystemClock::start());
        let mut payers = self.payers(STRIPE_CLIENTS, STRIPE, &told).await?;
        let traffic = Box::pin(open_loop(&mut payers, STRIPE_RATE, CLOSED_WITHIN));
        let looks = &mut self.looks;
        let closed = Box::pin(async {
            loop {
                clock.sleep(LOOK_EVERY).await;
                let (_, text) = looks.send(Method::GET, "/metrics", &[], Bytes::new()).await?;
                let text = String::from_utf8_lossy(&text).into_owned();
                let state =
                    text.lines().find_map(|line| line.strip_prefix("circuit_breaker_state{provider=\"stripe\"}"));
                ensure!(state.is_some(), "the gateway does not show its breakers");
                if state.map(str::trim) == Some("0") {
                    return anyhow::Ok(clock.monotonic().as_secs_f64());
                }
            }
        });
        match select(closed, traffic).await {
            Either::Left((seconds, _)) => seconds,
            Either::Right((traffic, _)) => {
                traffic?;
                anyhow::bail!("the breaker is still not closed after {CLOSED_WITHIN:?}")
            }
        }
    }
}
