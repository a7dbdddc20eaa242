//! Webhooks to a merchant: how many a second to a local receiver, what each costs, and whether any is lost over a kill.
//!
//! The receiver first answers 410, so that everything waits; then it is set again, and all of it is due at once.

use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::Settings;
use crate::{
    http::Connection,
    load::count,
    process::Process,
    receiver::Receiver,
    report::{Report, Target},
    stage::Stage,
    usage,
};

/// Events that are delivered while it is measured.
const EVENTS: u64 = 20_000;
/// Events that are on their way when it is killed.
const KILLED_WITH: u64 = 4_000;
/// What a killed process had taken is due again after 90 s at the latest.
const PATIENCE: Duration = Duration::from_secs(240);
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let stage = Stage::prepare(&settings.programs).await?;
    let gateway = stage.sandbox()?;
    let receiver = Receiver::start()?;
    set_aside(settings, &stage, &gateway, &receiver, EVENTS).await?;

    let clock = SystemClock::start();
    let (began, before) = (clock.monotonic(), usage::cpu(gateway.id())?);
    set_endpoint(&stage, &gateway, &receiver).await?;
    all_taken(&receiver, &clock, EVENTS).await?;
    let took = clock.monotonic().saturating_sub(began).as_secs_f64();
    let used = usage::cpu(gateway.id())? - before;
    report.target("deliveries", count(EVENTS) / took, "/s", Target::AtLeast(1500.0));
    report.target("gateway's CPU for each", used / count(EVENTS), "µs", Target::AtMost(400.0));
    report.figure("of them sent twice", f64::from(receiver.taken().1), "");

    receiver.forget();
    set_aside(settings, &stage, &gateway, &receiver, KILLED_WITH).await?;
    set_endpoint(&stage, &gateway, &receiver).await?;
    all_taken(&receiver, &clock, KILLED_WITH / 4).await?;
    gateway.kill()?;
    let (at_kill, _) = receiver.taken();
    let _gateway = stage.sandbox()?;
    // An error: one was lost.
    all_taken(&receiver, &clock, KILLED_WITH).await?;
    let (taken, again) = receiver.taken();
    report.figure("delivered before a SIGKILL in the middle", count(at_kill as u64), "");
    report.target("lost over it", count(KILLED_WITH) - count(taken as u64), "", Target::AtMost(0.0));
    report.figure("sent twice over it", f64::from(again), "");
    Ok(())
}

/// Makes so many payments, each with an event that waits, for the endpoint is paused.
async fn set_aside(
    settings: &Settings,
    stage: &Stage,
    gateway: &Process,
    receiver: &Receiver,
    events: u64,
) -> Result<()> {
    receiver.wants(false);
    set_endpoint(stage, gateway, receiver).await?;
    super::memory::make(stage, gateway, settings.clients, events).await?;
    // The endpoint is paused by the first answer; those that were on their way by then were answered 410, too.
    SystemClock::start().sleep(Duration::from_secs(3)).await;
    ensure!(receiver.taken().0 == 0, "the receiver wanted nothing");
    receiver.wants(true);
    Ok(())
}

async fn set_endpoint(stage: &Stage, gateway: &Process, receiver: &Receiver) -> Result<()> {
    let headers = [
        (HeaderName::from_static("x-api-key"), HeaderValue::from_str(&stage.api_key)?),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ];
    let body = Bytes::from(format!("{{\"url\":\"http://{}/hooks\"}}", receiver.address));
    let mut connection = Connection::open(gateway.address).await?;
    let (status, answer) = connection.send(Method::PUT, "/v1/webhook-endpoint", &headers, body).await?;
    ensure!(status == 200, "the endpoint was answered {status}: {}", String::from_utf8_lossy(&answer));
    Ok(())
}

async fn all_taken(receiver: &Receiver, clock: &SystemClock, events: u64) -> Result<()> {
    let began = clock.monotonic();
    while (receiver.taken().0 as u64) < events {
        let waited = clock.monotonic().saturating_sub(began);
        ensure!(waited < PATIENCE, "only {} of {events} events came", receiver.taken().0);
        clock.sleep(LOOK_EVERY).await;
    }
    Ok(())
}
