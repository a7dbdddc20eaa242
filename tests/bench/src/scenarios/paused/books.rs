//! What the merchant was told, what the gateway shows, and what the provider has in its books, held against each other.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    time::Duration,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{Play, Played, id_of};
use crate::{http::Connection, load::count, metrics::Metrics};

/// How long the last events may take to be applied, and the provider to send them.
const APPLIED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What does not agree, counted. Nothing of it may be.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// Keys without a final answer.
    pub(super) unresolved: u64,
    /// Succeeded, and the provider has no charge.
    pub(super) lost: u64,
    /// More than one charge of one payment, or two payments of one key.
    pub(super) doubled: u64,
    /// A charge of a refused payment, or of one of which nobody was told.
    pub(super) nobodys: u64,
    /// The gateway shows another state than the provider.
    pub(super) differ: u64,
    /// Captures at the provider that changed nothing here.
    pub(super) events_lost: u64,
    /// Events that are in a timeline twice, or had more than one effect.
    pub(super) events_twice: u64,
    /// Events that wait still, or could not be applied.
    pub(super) events_waiting: f64,
    /// Payments that were compared, and events captured at the provider that should have had an effect.
    pub(super) payments: u64,
    pub(super) events: u64,
}

impl Books {
    pub(super) async fn of(play: &Play, played: &Played) -> Result<Self> {
        let mut books = Self { events_waiting: all_applied(play).await?, ..Self::default() };
        let mut known = HashSet::new();
        for payment in play.shown.iter().chain(&play.held).chain(&play.at_provider) {
            known.insert(id_of(payment)?.to_owned());
        }
        for (_, resolved) in &played.creates {
            match resolved {
                None => books.unresolved += 1,
                Some(payment) if known.insert(id_of(payment)?.to_owned()) => {}
                Some(_) => books.doubled += 1,
            }
        }
        books.unresolved += count_of(played.captures.iter().filter(|(_, resolved)| resolved.is_none()));
        let charges = charges(play).await?;
        for id in &known {
            books.compare(play, id, charges.get(id).map_or(&[], Vec::as_slice)).await?;
        }
        books.nobodys += count_of(charges.keys().filter(|id| !known.contains(*id)));
        let captured_there = play.times.count(super::AT_PROVIDER);
        for (number, payment) in play.at_provider.iter().enumerate() {
            if count(number as u64) < captured_there {
                books.events += 1;
                books.follow(play, id_of(payment)?).await?;
            }
        }
        Ok(books)
    }

    /// One payment, and its charges.
    async fn compare(&mut self, play: &Play, id: &str, charges: &[Value]) -> Result<()> {
        let payment = play.merchant.show(&format!("/v1/payments/{id}")).await?;
        self.payments += 1;
        let status = payment["status"].as_str().unwrap_or_default();
        let succeeded = ["AUTHORIZED", "CAPTURED", "SETTLED"].contains(&status);
        match charges {
            [] if succeeded => self.lost += 1,
            [] => {}
            [_] if !succeeded => self.nobodys += 1,
            [charge] => {
                let captured = if charge["status"] == "succeeded" { &charge["captured"] } else { &Value::from(0) };
                if payment["amount_captured"] != *captured || payment["amount"] != charge["amount"] {
                    self.differ += 1;
                }
            }
            _ => self.doubled += 1,
        }
        Ok(())
    }

    /// A payment that was captured at the provider.
    async fn follow(&mut self, play: &Play, id: &str) -> Result<()> {
        let path = format!("/v1/payments/{id}/timeline");
        let clock = SystemClock::start();
        let (timeline, effects) = loop {
            let timeline = play.merchant.show(&path).await?;
            let effects = count_of(entries_of(&timeline)?.iter().filter(|entry| is_capture(entry)));
            // Pub/Sub takes its time. Once one is lost, the others are not waited for as long.
            if effects > 0 || self.events_lost > 0 || clock.monotonic() > APPLIED_WITHIN {
                break (timeline, effects);
            }
            clock.sleep(LOOK_EVERY).await;
        };
        let entries = entries_of(&timeline)?;
        let events = || entries.iter().filter(|entry| entry["type"] == "provider_event");
        let different: HashSet<_> = events().map(|entry| entry["event_id"].as_str()).collect();
        self.events_lost += u64::from(effects == 0);
        self.events_twice += u64::from(effects > 1 || different.len() < events().count());
        Ok(())
    }
}

fn entries_of(timeline: &Value) -> Result<&Vec<Value>> {
    timeline["data"].as_array().context("a timeline has entries")
}

/// The payment became captured.
fn is_capture(entry: &Value) -> bool {
    entry["type"] == "change" && entry["what"] == "captured"
}

fn count_of(found: impl Iterator) -> u64 {
    found.count() as u64
}

/// What the provider holds or took, by the payment that it is of.
async fn charges(play: &Play) -> Result<HashMap<String, Vec<Value>>> {
    let mut connection = Connection::open(play.stage.provider.address).await?;
    let path = "/sandbox/providers/stripe/transactions";
    let (_, text) = connection.send(Method::GET, path, &[], Bytes::new()).await?;
    let mut charges: HashMap<String, Vec<Value>> = HashMap::new();
    for transaction in serde_json::from_slice::<Vec<Value>>(&text)? {
        let status = transaction["status"].as_str().unwrap_or_default();
        if ["requires_capture", "succeeded"].contains(&status) {
            let payment = transaction["payment_id"].as_str().unwrap_or_default().to_owned();
            charges.entry(payment).or_default().push(transaction);
        }
    }
    Ok(charges)
}

/// Waits until the provider has sent everything and no event waits here. How many do still, or could not be applied.
async fn all_applied(play: &Play) -> Result<f64> {
    let mut provider = Connection::open(play.stage.provider.address).await?;
    let path = format!("/control/quiet?timeout_ms={}", APPLIED_WITHIN.as_millis());
    let (_, text) = provider.send(Method::GET, &path, &[], Bytes::new()).await?;
    let is_quiet = serde_json::from_slice::<Value>(&text)?["quiet"] == true;
    let clock = &play.merchant.clock;
    let until = clock.monotonic() + APPLIED_WITHIN;
    loop {
        let metrics = Metrics::of(play.gateway.address).await?;
        let waiting = metrics.sum("provider_events_waiting", &[]);
        if waiting < 0.5 || clock.monotonic() > until {
            let failed = |outcome| metrics.sum("provider_events_applied_total", &[outcome]);
            let failed = failed(r#"outcome="unmatched""#) + failed(r#"outcome="failed""#);
            return Ok(waiting + failed + f64::from(u8::from(!is_quiet)));
        }
        clock.sleep(LOOK_EVERY).await;
    }
}

/// How many of the provider's webhooks were answered 2xx so far, how many otherwise, and how many were kept for later.
pub(super) async fn webhook_answers(gateway: SocketAddr) -> Result<[f64; 3]> {
    let metrics = Metrics::of(gateway).await?;
    let route = r#"route="/webhooks/providers/"#;
    let taken = metrics.sum("http_requests_total", &[route, r#"status="2"#]);
    let otherwise = metrics.sum("http_requests_total", &[route]) - taken;
    Ok([taken, otherwise, metrics.sum("provider_webhooks_total", &[r#"outcome="queued""#])])
}
