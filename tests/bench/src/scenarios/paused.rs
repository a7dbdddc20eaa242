//! Finding S1: the database is away for a while under load. Nothing is lost and nothing is done twice, whoever asks meanwhile is
//! told soon, and service is back soon after the database is.

mod books;
mod figures;
mod merchant;
mod pause;

use std::{cell::Cell, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::{
    future::{Either, LocalBoxFuture, select},
    try_join,
};
use http::{HeaderValue, Method, header};
use serde_json::Value;
use tollgate_gateway::ports::Time;

use self::{
    books::Books,
    merchant::{Intent, Merchant, Resolved, What},
    pause::Store,
};
use super::Settings;
use crate::{http::Connection, load::steadily, process::Process, report::Report, stage::Stage};

/// What starts every second.
const CREATES: f64 = 20.0;
const CAPTURES: f64 = 5.0;
const READS: f64 = 20.0;
/// Payments that are captured at the provider, which tells of it: twice each.
const AT_PROVIDER: f64 = 5.0;
/// Of so many payments one is declined.
const DECLINED_OF: u32 = 10;
/// Payments that are shown.
const SHOWN: u32 = 20;
/// When the last intent has to be done, after the store is back: who gave up a commit that was made after all holds the key for 20 s.
const DONE_WITHIN: Duration = Duration::from_secs(if cfg!(debug_assertions) { 120 } else { 60 });
/// The store is away for so long at least: a breaker opens after five seconds.
const SHORTEST: Duration = Duration::from_secs(12);
const LOOK_EVERY: Duration = Duration::from_millis(250);
const APPROVED: &str = r#"{"amount":1000,"currency":"JPY","payment_method":{"stripe":"pm_card_visa"}}"#;
const DECLINED: &str = r#"{"amount":1000,"currency":"JPY","payment_method":{"stripe":"pm_card_visa_chargeDeclined"}}"#;

/// How long what lasts.
#[derive(Debug, Clone, Copy)]
struct Times {
    before: Duration,
    away: Duration,
    after: Duration,
    /// Of the rates, what the store can take: an emulator of Spanner does one transaction at a time.
    pace: f64,
}

impl Times {
    fn of(settings: &Settings, pace: f64) -> Self {
        let after = (settings.time / 2).max(Duration::from_secs(7));
        Self { before: settings.time / 4, away: (settings.time * 3 / 2).max(SHORTEST), after, pace }
    }

    /// How many of something that starts so often every second at full pace.
    fn count(self, rate: f64) -> f64 {
        (rate * self.pace * self.all().as_secs_f64()).ceil()
    }

    fn all(self) -> Duration {
        self.before + self.away + self.after
    }
}

/// What stands.
struct Play {
    stage: Stage,
    gateway: Process,
    merchant: Merchant,
    store: Store,
    times: Times,
    /// Payments that are shown, that the merchant captures, and that are captured at the provider.
    shown: Vec<Value>,
    held: Vec<Value>,
    at_provider: Vec<Value>,
}

/// What came of it.
struct Played {
    /// When the store was away, by the merchant's clock.
    away: (Duration, Duration),
    creates: Vec<(Intent, Resolved)>,
    captures: Vec<(Intent, Resolved)>,
    /// Resident, at most, in MiB.
    memory: f64,
    /// Answers to the provider's webhooks: 2xx, and others; and how many events were kept until the store was back.
    webhooks: [f64; 3],
}

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let stage = Stage::prepare(&settings.programs).await?;
    let (gateway, store) = (stage.sandbox()?, Store::sqlite(&stage.database())?);
    // Readers go on.
    Play::prepare(stage, gateway, store, Times::of(settings, 1.0)).await?.play(false, report).await
}

/// The same on Spanner's emulator and Pub/Sub's.
#[cfg(feature = "google-cloud")]
pub(super) async fn on_spanner(settings: &Settings, report: &mut Report) -> Result<()> {
    let emulated = crate::emulated::Emulated::prepare(&settings.programs).await?;
    let gateway = emulated.sandbox()?;
    let processes = crate::usage::emulators(&emulated.host)?;
    ensure!(!processes.is_empty(), "the emulator is on another machine: it cannot be stopped");
    let crate::emulated::Emulated { stage, ours: _database, raw: _, .. } = emulated;
    Play::prepare(stage, gateway, Store::Emulator(processes), Times::of(settings, 0.25)).await?.play(true, report).await
}

impl Play {
    async fn prepare(stage: Stage, gateway: Process, store: Store, times: Times) -> Result<Self> {
        let merchant = Merchant::new(gateway.address, &stage.api_key)?;
        let (shown, held, at_provider) = Default::default();
        let mut play = Self { stage, gateway, merchant, store, times, shown, held, at_provider };
        play.shown = play.make(f64::from(SHOWN)).await?;
        play.held = play.make(times.count(CAPTURES) + 1.0).await?;
        play.at_provider = play.make(times.count(AT_PROVIDER) + 1.0).await?;
        let twice = Bytes::from_static(br#"{"kind":"duplicate_webhooks"}"#);
        play.provider("/sandbox/providers/stripe/faults", "application/json", twice).await?;
        Ok(play)
    }

    /// So many authorized payments.
    async fn make(&self, how_many: f64) -> Result<Vec<Value>> {
        let mut creator = self.stage.clients(&self.gateway, 1).await?.pop().context("a client")?;
        let (mut made, mut count) = (Vec::new(), 0.0);
        while count < how_many {
            made.push(serde_json::from_slice(&creator.create().await?)?);
            count += 1.0;
        }
        Ok(made)
    }

    /// Posts something to the simulated provider.
    async fn provider(&self, path: &str, media_type: &'static str, body: Bytes) -> Result<()> {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
            (header::AUTHORIZATION, HeaderValue::from_static("Bearer sk_test_dashboard")),
        ];
        let mut connection = Connection::open(self.stage.provider.address).await?;
        let (status, text) = connection.send(Method::POST, path, &headers, body).await?;
        ensure!(status.is_success(), "{path} was answered {status}: {}", String::from_utf8_lossy(&text));
        Ok(())
    }

    async fn play(self, reads_stop: bool, report: &mut Report) -> Result<()> {
        let before = books::webhook_answers(self.gateway.address).await?;
        let mut played = self.load().await?;
        let books = Books::of(&self, &played).await?;
        let after = books::webhook_answers(self.gateway.address).await?;
        played.webhooks = std::array::from_fn(|index| after[index] - before[index]);
        figures::show(&self, &played, &books, reads_stop, report);
        Ok(())
    }

    async fn load(&self) -> Result<Played> {
        let (times, merchant) = (self.times, &self.merchant);
        let clock = &merchant.clock;
        merchant.begin(clock.monotonic() + times.all() + DONE_WITHIN);
        let paused = async {
            clock.sleep(times.before).await;
            self.store.leave().await?;
            let from = clock.monotonic();
            clock.sleep(times.away).await;
            let until = clock.monotonic();
            self.store.come_back()?;
            anyhow::Ok((from, until))
        };
        let creates = steadily(CREATES * times.pace, times.all(), async |number| self.resolved(create(number)).await);
        let captures =
            steadily(CAPTURES * times.pace, times.all(), async |number| self.resolved(self.capture(number)?).await);
        let reads = steadily(READS, times.all(), async |number| {
            let id = id_of(&self.shown[number as usize % self.shown.len()])?;
            merchant.ask(What::Read, Method::GET, &format!("/v1/payments/{id}"), None, Bytes::new()).await;
            Ok(())
        });
        let at_provider = steadily(AT_PROVIDER * times.pace, times.all(), async |number| {
            let payment = self.at_provider.get(number as usize).context("too few payments are there")?;
            let intent = payment["provider_transaction_id"].as_str().context("it is at the provider")?;
            let path = format!("/stripe/v1/payment_intents/{intent}/capture");
            self.provider(&path, "application/x-www-form-urlencoded", Bytes::new()).await
        });
        let all = async { try_join!(paused, creates, captures, reads, at_provider) };
        let most = Cell::new(0.0_f64);
        let watched: LocalBoxFuture<'_, Result<()>> = Box::pin(async {
            loop {
                most.set(most.get().max(self.gateway.memory()?.resident));
                clock.sleep(LOOK_EVERY).await;
            }
        });
        let (away, creates, captures, ..) = match select(Box::pin(all), watched).await {
            Either::Left((all, _)) => all?,
            Either::Right((failed, _)) => return failed.and_then(|()| anyhow::bail!("nobody stopped watching")),
        };
        Ok(Played { away, creates, captures, memory: most.get(), webhooks: [0.0; 3] })
    }

    async fn resolved(&self, intent: Intent) -> Result<(Intent, Resolved)> {
        let resolved = self.merchant.resolve(&intent).await?;
        Ok((intent, resolved))
    }

    fn capture(&self, number: u32) -> Result<Intent> {
        let id = id_of(self.held.get(number as usize).context("too few payments are held")?)?;
        let path = format!("/v1/payments/{id}/capture");
        Ok(Intent { what: What::Capture, key: format!("paused-capture-{number}"), path, body: Bytes::new() })
    }
}

fn create(number: u32) -> Intent {
    let body = if number.is_multiple_of(DECLINED_OF) { DECLINED } else { APPROVED };
    let body = Bytes::from_static(body.as_bytes());
    Intent { what: What::Create, key: format!("paused-create-{number}"), path: "/v1/payments".to_owned(), body }
}

fn id_of(payment: &Value) -> Result<&str> {
    payment["id"].as_str().context("a payment has an id")
}
