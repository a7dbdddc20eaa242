//! What was before the play: a merchant with an endpoint, and payments that are settled, so that they can be refunded. A sandbox makes
//! them in the evening before, by a clock that is moved, and ends.

use std::path::Path;

use anyhow::{Context, ensure};
use http::Method;
use serde_json::{Value, json};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;
use tollgate_sandbox::{
    process::{Process, client_of, identity_of},
    serve::ClockMode,
};

use crate::program::program;

/// 02:00 in Tokyo is 17:00 UTC: when payments are settled.
const SETTLED_AT: i64 = 17 * 3600;
const DAY: i64 = 24 * 3600;
/// So long before that they are made.
const BEFORE: i64 = 30 * 60;

/// Where the sandbox is to work.
pub(super) struct Place<'a> {
    pub(super) folder: &'a Path,
    pub(super) providers_url: &'a str,
    pub(super) merchant_url: String,
    pub(super) store: Vec<(&'static str, String)>,
}

/// What it left.
pub(super) struct Seeded {
    pub(super) api_key: String,
    pub(super) secrets_key: String,
    pub(super) settled: Vec<String>,
}

/// Makes so many, and captures and settles them.
pub(super) async fn settled_payments(place: &Place<'_>, count: usize) -> anyhow::Result<Seeded> {
    let now = SystemClock::start().now().as_second();
    let settled_at = now - (now - SETTLED_AT).rem_euclid(DAY);
    let from = jiff::Timestamp::from_second(settled_at - BEFORE)?;
    let data = place.folder.join("seed");
    let mut environment: Vec<(&str, &str)> = place.store.iter().map(|(name, value)| (*name, value.as_str())).collect();
    environment.push(("QUEUE_URL", "embedded:"));
    // The providers' clock is ahead of it: it would say so of every webhook.
    environment.push(("RUST_LOG", "off"));
    let clock = ClockMode::Simulated { from: Some(from) };
    let sandbox =
        Process::sandbox(&program("tollgate-sandbox"), &data, place.providers_url, clock, &environment).await?;
    let client = client_of(&data)?;
    let endpoint = json!({"url": place.merchant_url});
    let set = client.send(Method::PUT, "/v1/webhook-endpoint", None, Some(&endpoint)).await?;
    ensure!(set.status == 200, "the endpoint was answered {set:?}");
    let mut settled = Vec::new();
    for number in 0..count {
        let made = client.create(&format!("seed-{number}"), 1000, "pm_card_visa").await?;
        ensure!(made.status == 201, "a payment was answered {made:?}");
        let id = made.text("id").to_owned();
        let captured = client.capture(&id, &format!("seed-take-{number}"), None).await?;
        ensure!(captured.status == 200, "a capture was answered {captured:?}");
        settled.push(id);
    }
    client.advance(2 * u64::try_from(BEFORE)?).await?;
    if let Some(id) = settled.last() {
        let last: Value = client.payment(id).await?;
        ensure!(last["status"] == "SETTLED", "it is not settled: {last}");
    }
    let identity = identity_of(&data)?;
    sandbox.kill().await?;
    Ok(Seeded {
        api_key: identity["api_key"].as_str().context("a key")?.to_owned(),
        secrets_key: std::fs::read_to_string(data.join("secrets.key"))?,
        settled,
    })
}
