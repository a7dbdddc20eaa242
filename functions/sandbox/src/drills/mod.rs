//! Drills: the failures that the reliability review found, played for real. Each starts processes of its own, breaks
//! them, and checks that no money was lost or doubled.

mod c1;
mod c2;
mod c3;
mod c4;
mod c5;
mod c6;
mod i1;
mod i2;
mod i3;
mod m1;
mod m2;
mod m3;
mod m4;
mod s1;
mod s2;
mod s3;
mod s4;
mod s5;
mod watch;

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, bail, ensure};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tollgate_gateway::ports::HttpClient;
use tollgate_providers::{HttpSettings, ReqwestClient};
use tollgate_runtime::function::stop_signal;

use crate::{
    client::Client,
    demo::say,
    process::{self, Process},
    serve::ClockMode,
};

/// Longer than a simulated provider takes.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Every drill: its finding, and what it shows.
const DRILLS: [(&str, &str); 18] = [
    ("C1", "a retried request never charges twice: 100 at once with one key, and again after a restart"),
    ("C2", "a provider that hangs: it is left alone, and the others do not feel it"),
    ("C3", "payments whose answer, webhook or payer never came: the jobs find out, nothing stays stuck"),
    ("C4", "a merchant who is down is told all the same, over crashes of ours, or can have it sent again"),
    ("C5", "a crash between the provider's charge and our record loses nothing: killed at every step, then retried"),
    (
        "C6",
        "a flood of requests: one merchant's limit is kept, strangers cost nothing, and another merchant does not feel it",
    ),
    ("I1", "one trace shows a payment's request, its calls, its message and its webhook; nobody waits for traces"),
    ("I2", "a provider is turned off at run time: payments go elsewhere, or share out as operators say"),
    ("I3", "two runbooks followed to the letter at night: a provider that is out, and a payment that is stuck"),
    ("M1", "the four golden signals under load: each is what somebody else has counted"),
    ("M2", "webhooks of providers that come twice, late, out of order or for unknown payments change nothing twice"),
    ("M3", "ten times as much as can be done: new payments are refused at once, captures and refunds go on"),
    (
        "M4",
        "the database is lost and restored from a backup: what came after it is found at the provider, nobody pays twice",
    ),
    (
        "S1",
        "the store is away: refused soon and then at once, events are kept, and the same keys go on when it is back",
    ),
    ("S2", "what each health route says while the store, a provider or the counters are away"),
    (
        "S3",
        "what is promised, what may fail, and who is told when: an outage pages within a minute, a provider's spends its own",
    ),
    ("S4", "the settlement dies in the middle: it goes on where it was, and settles nothing twice"),
    (
        "S5",
        "a bad release is seen at a tenth of the payments and rolled back by itself; a good one goes on to all of them",
    ),
];

/// Lists the drills, plays one, or all.
pub async fn run(name: Option<&str>) -> anyhow::Result<()> {
    match name {
        None => DRILLS.iter().try_for_each(|(name, what)| say(&format!("{name}  {what}"))),
        Some("all") => {
            for (name, _) in DRILLS {
                play(name).await?;
            }
            Ok(())
        }
        Some(name) => play(name).await,
    }
}

/// Plays a drill; told to stop, it takes its processes along.
async fn play(name: &str) -> anyhow::Result<()> {
    let stop = stop_signal().context("cannot listen for signals")?;
    tokio::select! {
        played = play_to_the_end(name) => played,
        () = stop => bail!("stopped"),
    }
}

async fn play_to_the_end(name: &str) -> anyhow::Result<()> {
    let Some((name, what)) = DRILLS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
        bail!("there is no drill {name}; `drill` lists them");
    };
    say(&format!("{name}: {what}"))?;
    match *name {
        "C1" => c1::play().await,
        "C2" => c2::play().await,
        "C3" => c3::play().await,
        "C4" => c4::play().await,
        "C5" => c5::play().await,
        "C6" => c6::play().await,
        "I1" => i1::play().await,
        "I2" => i2::play().await,
        "I3" => i3::play().await,
        "M1" => m1::play().await,
        "M2" => m2::play().await,
        "M3" => m3::play().await,
        "M4" => m4::play().await,
        "S1" => s1::play().await,
        "S2" => s2::play().await,
        "S3" => s3::play().await,
        "S4" => s4::play().await,
        "S5" => s5::play().await,
        name => bail!("{name} is listed, and there is nothing to play"),
    }?;
    say(&format!("{name}: passed\n"))
}

/// Nobody's money is at Stripe twice.
async fn charged_once(client: &Client) -> anyhow::Result<()> {
    let mut charges = BTreeMap::new();
    for row in client.transactions("stripe").await? {
        let charges = charges.entry(row["payment_id"].to_string()).or_insert(0);
        *charges += 1;
        ensure!(*charges == 1, "expected one charge for a payment: {row}");
    }
    Ok(())
}

/// Merchants try again, with the same keys: each payment is made, once. One after the other, for a breaker that has just been open
/// lets only a few try first.
async fn make_up(client: &Client, keys: &mut Vec<String>) -> anyhow::Result<()> {
    for key in keys.drain(..) {
        let answer = client.create(&key, 1000, "pm_card_visa").await?;
        ensure!(matches!(answer.status, 200 | 201), "expected that its key goes on: {}", answer.body);
    }
    charged_once(client).await
}

/// The store's file, locked.
pub(crate) struct Locked(Connection);

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing it does the same.
        _ = self.0.execute_batch("ROLLBACK");
    }
}

/// A sandbox and its providers as processes, with the tools to break them.
pub(crate) struct Stage {
    program: PathBuf,
    folder: TempDir,
    providers: Process,
    clock: ClockMode,
    environment: Vec<(String, String)>,
    sandbox: Option<Process>,
}

impl Stage {
    /// Starts both.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts both, with `environment` set for the sandbox.
    pub(crate) async fn start_with(environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("the program does not know itself")?;
        let folder = tempfile::tempdir()?;
        let providers = Process::providers(&program, &folder.path().join("providers")).await?;
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut stage = Self { program, folder, providers, clock: ClockMode::NOON, environment, sandbox: None };
        stage.restart().await?;
        Ok(stage)
    }

    /// Starts the sandbox again on the same data.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        let data = self.folder.path().join("sandbox");
        let environment: Vec<_> = self.environment.iter().map(|(name, value)| (&**name, &**value)).collect();
        let sandbox = Process::sandbox(&self.program, &data, &self.providers.url, self.clock, &environment).await?;
        self.sandbox = Some(sandbox);
        self.clock = ClockMode::KEPT;
        Ok(())
    }

    /// Kills the sandbox.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.sandbox.take().context("the sandbox runs")?.kill().await
    }

    /// Waits until the sandbox died at its fail point.
    pub(crate) async fn died(&mut self) -> anyhow::Result<()> {
        self.sandbox.take().context("the sandbox runs")?.died().await
    }

    /// Somebody else charges a card with the same account at Stripe: what comes of it is none of ours.
    pub(crate) async fn charge_of_somebody_else(&self) -> anyhow::Result<()> {
        self.charge("amount=500".to_owned()).await
    }

    /// The request that made `payment` arrives at Stripe after all, long after everybody gave it up.
    pub(crate) async fn request_arrives_late(&self, payment: &Value) -> anyhow::Result<()> {
        let text = |field: &str| payment[field].as_str().unwrap_or_default();
        self.charge(format!(
            "amount={}&metadata[tollgate_payment_id]={}&metadata[tollgate_request_id]={}",
            payment["amount"],
            text("id"),
            text("provider_request_id"),
        ))
        .await
    }

    /// The payer approves `payment` on Stripe's page, and does not come back.
    pub(crate) async fn approves(&self, payment: &Value) -> anyhow::Result<()> {
        let page = payment["next_action"]["url"].as_str().context("the payer is asked")?;
        let request = http::Request::post(format!("{page}/approve")).body(bytes::Bytes::new())?;
        let answer = ReqwestClient::new(HttpSettings::default())?.send(request, TIMEOUT).await?;
        anyhow::ensure!(answer.status().is_redirection(), "Stripe's page answered {}", answer.status());
        Ok(())
    }

    async fn charge(&self, fields: String) -> anyhow::Result<()> {
        let form = format!("{fields}&currency=jpy&payment_method=pm_card_visa&confirm=true&capture_method=manual");
        self.at_stripe("payment_intents", form).await
    }

    /// A request to Stripe, past us.
    async fn at_stripe(&self, path: &str, form: String) -> anyhow::Result<()> {
        let http = ReqwestClient::new(HttpSettings::default())?;
        let request = http::Request::post(format!("{}/stripe/v1/{path}", self.providers.url))
            .header("authorization", "Bearer sk_test_somebody_else")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.into())?;
        let answer = http.send(request, TIMEOUT).await?;
        anyhow::ensure!(answer.status().is_success(), "Stripe answered {}", answer.status());
        Ok(())
    }

    /// The merchant of one of the other keys in `sandbox.json`.
    pub(crate) fn client_by(&self, key: &str) -> anyhow::Result<Client> {
        let identity = process::identity_of(&self.folder.path().join("sandbox"))?;
        Ok(self.client()?.with_key(identity[key].as_str().context("sandbox.json holds the key")?))
    }

    /// The lines of the sandbox's log, where `LOG_FORMAT` is `json`.
    fn log(&self) -> Vec<Value> {
        let lines = self.sandbox.as_ref().map(Process::output).unwrap_or_default();
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The store's file.
    fn store(&self) -> PathBuf {
        self.folder.path().join("sandbox/tollgate.sqlite")
    }

    /// Locks the store's file: nobody writes until it is dropped. (Readers go on.)
    pub(crate) fn lock_the_store(&self) -> anyhow::Result<Locked> {
        let connection = Connection::open(self.store())?;
        connection.busy_timeout(TIMEOUT)?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(Locked(connection))
    }

    /// The merchant, on fresh connections: those to a process that was killed are dead.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        process::client_of(&self.folder.path().join("sandbox"))
    }
}
