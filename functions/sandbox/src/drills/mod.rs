//! Drills: the failures that the reliability review found, played for real. Each starts processes of its own, breaks
//! them, tells second by second what the gateway did, and checks that no money was lost or doubled.

mod c1;
mod c2;
mod c3;
mod c4;
mod c5;
mod c6;
mod findings;
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
mod story;
mod watch;
mod wording;

use std::{collections::BTreeMap, fs::OpenOptions, path::PathBuf};

use anyhow::{Context, bail, ensure};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tollgate_gateway::ports::{HttpClient, Time};
use tollgate_providers::{HttpSettings, ReqwestClient};
use tollgate_runtime::{SystemClock, config::Mistakes, function::stop_signal};

use crate::{
    client::Client,
    demo::say,
    process::{self, Process},
    serve::ClockMode,
};
use findings::{FINDINGS, Finding};
use story::Story;

/// Longer than a simulated provider takes.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Lists the drills, plays one, or all.
pub async fn run(name: Option<&str>) -> anyhow::Result<()> {
    match name {
        None => list(),
        Some("all") => {
            for finding in &FINDINGS {
                play(finding).await?;
            }
            Ok(())
        }
        Some(name) => {
            let finding = FINDINGS.iter().find(|finding| finding.number.eq_ignore_ascii_case(name));
            let unknown = || Mistakes(vec![format!("there is no drill {name}; `drill` lists them")]);
            play(finding.ok_or_else(unknown)?).await
        }
    }
}

/// Each finding begins its line: tests read that.
fn list() -> anyhow::Result<()> {
    for Finding { number, title, seconds, .. } in &FINDINGS {
        say(&format!("{number}  {:>7}  {title}", format!("{seconds} s")))?;
    }
    let minutes = FINDINGS.iter().map(|finding| finding.seconds).sum::<u32>().div_ceil(60);
    say(&format!(
        "\nThese are the findings of the reliability review, with about how long the drill of each takes. To play one: `cargo run -- drill C2`.\n\
         All of them, about {minutes} minutes: `cargo run -- drill all`. Exit code 0: everything was as it should be; 1: it was not."
    ))
}

/// Plays a drill; told to stop, it takes its processes along.
async fn play(finding: &'static Finding) -> anyhow::Result<()> {
    let stop = stop_signal().context("cannot listen for signals")?;
    let story = Story::begin(finding)?;
    let played = tokio::select! {
        played = play_to_the_end(finding.number, &story) => played,
        () = stop => Err(anyhow::anyhow!("stopped")),
    };
    story.end(played)
}

async fn play_to_the_end(number: &str, story: &Story) -> anyhow::Result<()> {
    match number {
        "C1" => c1::play(story).await,
        "C2" => c2::play(story).await,
        "C3" => c3::play(story).await,
        "C4" => c4::play(story).await,
        "C5" => c5::play(story).await,
        "C6" => c6::play(story).await,
        "I1" => i1::play(story).await,
        "I2" => i2::play(story).await,
        "I3" => i3::play(story).await,
        "M1" => m1::play(story).await,
        "M2" => m2::play(story).await,
        "M3" => m3::play(story).await,
        "M4" => m4::play(story).await,
        "S1" => s1::play(story).await,
        "S2" => s2::play(story).await,
        "S3" => s3::play(story).await,
        "S4" => s4::play(story).await,
        "S5" => s5::play(story).await,
        number => bail!("{number} is listed, and there is nothing to play"),
    }
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

/// A process whose log is kept beside the story, for what is provoked is logged, too.
async fn started(story: &Story, mut command: Command) -> anyhow::Result<Process> {
    let log = OpenOptions::new().create(true).append(true).open(story.log()).context("the log cannot be written")?;
    Process::start({
        command.stderr(log);
        command
    })
    .await
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
    pub(crate) story: Story,
}

impl Stage {
    /// Starts both.
    pub(crate) async fn start(story: &Story) -> anyhow::Result<Self> {
        Self::start_with(story, &[]).await
    }

    /// Starts both, with `environment` set for the sandbox.
    pub(crate) async fn start_with(story: &Story, environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("the program does not know itself")?;
        let folder = tempfile::tempdir()?;
        let command = process::providers_command(&program, &folder.path().join("providers"));
        let providers = started(story, command).await?;
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let story = story.clone();
        let mut stage = Self { program, folder, providers, clock: ClockMode::NOON, environment, sandbox: None, story };
        stage.story.looks_at_the_clock_of(&stage.folder.path().join("sandbox"));
        stage.restart().await?;
        Ok(stage)
    }

    /// Starts the sandbox again on the same data.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        let data = self.folder.path().join("sandbox");
        let environment: Vec<_> = self.environment.iter().map(|(name, value)| (&**name, &**value)).collect();
        let command = process::sandbox_command(&self.program, &data, &self.providers.url, self.clock, &environment);
        let (clock, is_again) = (SystemClock::start(), matches!(self.clock, ClockMode::Simulated { from: None }));
        let sandbox = started(&self.story, command).await?;
        let how = if is_again { "starts again on the same data, and serves" } else { "starts, and serves" };
        let (process, after) = (sandbox.id().unwrap_or_default(), wording::took(clock.monotonic()));
        self.story.tell("gateway", format!("{how} after {after} (process {process})"))?;
        self.sandbox = Some(sandbox);
        self.clock = ClockMode::KEPT;
        Ok(())
    }

    /// Kills the sandbox.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        let sandbox = self.sandbox.take().context("the sandbox runs")?;
        let process = sandbox.id().unwrap_or_default();
        sandbox.kill().await?;
        self.story.tell("drill", format!("kills the gateway's process {process} (SIGKILL)"))
    }

    /// Waits until the sandbox died at its fail point.
    pub(crate) async fn died(&mut self) -> anyhow::Result<()> {
        let sandbox = self.sandbox.take().context("the sandbox runs")?;
        let process = sandbox.id().unwrap_or_default();
        sandbox.died().await?;
        self.story.tell("gateway", format!("process {process} is dead"))
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
