//! What a created payment asks of the store and of the provider, counted by proxies between them. Nothing is timed here: the
//! proxies are gone before that. The raw client's commits are counted by the same proxy, so that both are known to do the same.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Method;
use tollgate_emulators::GrpcProxy;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::CLIENTS;
use crate::{
    emulated::Emulated,
    http::Connection,
    load::{Measured, closed_loop, count},
    raw::{spanner::RawSpanner, spanner_rows::Source},
    relay::Relay,
    report::Report,
};

/// How many payments are counted, one after the other.
const COUNTED: u32 = 100;
/// The gateway remembers for so long what operators have switched, and a second longer whose an API key is; then it reads that
/// again, for all payments together.
const NOTHING_IS_READ_FOR: Duration = Duration::from_secs(4);
/// Longer than the raw client takes for as many.
const AT_MOST: Duration = Duration::from_secs(60);
/// All clients together, to see how often the emulator wants a commit again.
const TOGETHER: Duration = Duration::from_secs(2);
/// What the requests of both sides may differ by: session names and numbers have lengths of their own.
const ALIKE: f64 = 0.01;

/// What passed the proxy.
struct Passed {
    calls: BTreeMap<String, u64>,
    bytes: f64,
}

pub(super) async fn run(emulated: &Emulated, source: &mut Source, report: &mut Report) -> Result<()> {
    let proxy = GrpcProxy::before(&emulated.host).await;
    let relay = Relay::before(emulated.stage.provider.address).await?;
    let told = vec![
        ("SPANNER_EMULATOR_HOST", proxy.host().to_owned()),
        ("STRIPE_API_URL", format!("http://{}/stripe", relay.address)),
    ];
    let gateway = emulated.gateway(&told).await?;
    let mut client = emulated.stage.clients(&gateway, 1).await?.pop().context("a client was asked for")?;
    let clock = SystemClock::start();
    // Asks whose the key is, and what is switched.
    client.create().await?;
    source.skip().await?;
    let charged_before = charges(emulated).await?;
    relay.take_requests();
    passed(&proxy);
    for _ in 0..COUNTED {
        client.create().await?;
    }
    let (asked, ours) = (relay.take_requests(), passed(&proxy));
    ensure!(
        clock.monotonic() < NOTHING_IS_READ_FOR,
        "this machine is too slow to count a payment's calls by themselves"
    );
    let charged = charges(emulated).await? - charged_before;

    let raw = RawSpanner::open(proxy.host(), emulated.raw.name(), 1).await?;
    passed(&proxy);
    let written = raw.commit(1, source.made_since(usize::MAX).await?, AT_MOST).await?;
    let raw = passed(&proxy);

    let payments = count(COUNTED.into());
    let commits = count(ours.calls.get("Commit").copied().unwrap_or(0));
    report.figure("commits for each payment", commits / payments, "");
    let others = count(ours.calls.values().sum()) - commits;
    report.figure("other calls to Spanner for each, reads among them", others / payments, "");
    report.figure("calls to the provider for each", count(asked) / payments, "");
    report.figure("bytes to Spanner for each", ours.bytes / payments, "B");
    report.figure("the raw client's bytes for each", raw.bytes / payments, "B");
    let two_commits = BTreeMap::from([("Commit".to_owned(), u64::from(2 * COUNTED))]);
    ensure!(ours.calls == two_commits, "{COUNTED} payments are not two commits each and no read: {:?}", ours.calls);
    ensure!(
        (asked, charged) == (u64::from(COUNTED), COUNTED as usize),
        "{COUNTED} payments are not one call to the provider each: {asked} calls, {charged} charges in its books"
    );
    ensure!(
        written.calls == u64::from(COUNTED) && raw.calls == two_commits,
        "the raw client does not make the same two commits: {} payments, {:?}",
        written.calls,
        raw.calls
    );
    let alike = (raw.bytes / ours.bytes - 1.0).abs() < ALIKE;
    ensure!(alike, "the raw client does not write the same: {} bytes, not {}", raw.bytes, ours.bytes);

    let made = closed_loop(&mut emulated.stage.clients(&gateway, CLIENTS).await?, TOGETHER).await?;
    report.figure("commits sent for each by 8 clients, aborted ones too", commits_each(&proxy, &made), "");
    let raw = RawSpanner::open(proxy.host(), emulated.raw.name(), CLIENTS).await?;
    let written = raw.commit(CLIENTS, source.made_since(usize::MAX).await?, TOGETHER).await?;
    report.figure("the raw client's commits sent for each, likewise", commits_each(&proxy, &written), "");
    Ok(())
}

/// How many commits passed for each call.
fn commits_each(proxy: &GrpcProxy, measured: &Measured) -> f64 {
    let sent = passed(proxy).calls.get("Commit").copied().unwrap_or(0);
    count(sent) / count(measured.calls.max(1))
}

/// What passed since the last time.
fn passed(proxy: &GrpcProxy) -> Passed {
    Passed { calls: proxy.take_counts(), bytes: count(proxy.take_bytes().values().sum()) }
}

/// How many charges are in the provider's own books.
async fn charges(emulated: &Emulated) -> Result<usize> {
    let mut connection = Connection::open(emulated.stage.provider.address).await?;
    let path = "/sandbox/providers/stripe/transactions";
    let (status, books) = connection.send(Method::GET, path, &[], Bytes::new()).await?;
    ensure!(status == 200, "the provider shows no books: {status}");
    Ok(serde_json::from_slice::<Vec<serde_json::Value>>(&books)?.len())
}
