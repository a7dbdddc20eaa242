//! Sandboxes and providers as processes of their own, so that they can be killed: for drills and tests.

use std::{
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use tollgate_runtime::{SystemClock, TaskSpawner, system::within};

use crate::{client::Client, serve::ClockMode};

/// A process that does not say that it is ready within this is broken.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A process of this program that serves. Dropped, it is killed.
pub struct Process {
    child: Child,
    /// Where it serves.
    pub url: String,
    output: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// The simulated providers alone, on any free port, with their books in `data`.
    pub async fn providers(program: &Path, data: &Path) -> anyhow::Result<Self> {
        Self::start(providers_command(program, data)).await
    }

    /// A sandbox on any free port, with `data`, on providers elsewhere. `environment` is set for it.
    pub async fn sandbox(
        program: &Path,
        data: &Path,
        providers_url: &str,
        clock: ClockMode,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        Self::start(sandbox_command(program, data, providers_url, clock, environment)).await
    }

    /// Starts any program of ours that prints `ready URL` when it serves.
    pub async fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("a process cannot be started")?;
        let stdout = child.stdout.take().context("a process has an output")?;
        let mut lines = BufReader::new(stdout).lines();
        let output = Arc::<Mutex<Vec<String>>>::default();
        let keep = |line: String| output.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(url) = line.strip_prefix("ready ") {
                    return Ok(url.to_owned());
                }
                keep(line);
            }
            bail!("the process ended before it was ready")
        };
        let url = within(&SystemClock::start(), READY_WITHIN, ready).await.context("not ready in time")??;
        // Read to its end, or a process that says much would wait for somebody to listen.
        let more = Arc::clone(&output);
        TaskSpawner::default().start(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                more.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Ok(Self { child, url, output })
    }

    /// What it has printed so far, line by line: its log, where that is JSON.
    pub fn output(&self) -> Vec<String> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The process's id.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// SIGKILL, and wait until it is gone.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("a process cannot be killed")
    }

    /// Waits until it died by itself.
    pub async fn died(mut self) -> anyhow::Result<()> {
        let died = within(&SystemClock::start(), READY_WITHIN, self.child.wait()).await;
        died.context("the process is still alive")?.context("the process cannot be waited for").map(drop)
    }
}

/// What [`Process::providers`] starts.
pub(crate) fn providers_command(program: &Path, data: &Path) -> Command {
    let mut command = own_environment(program);
    command.args(["providers", "--port", "0", "--data"]).arg(data);
    command
}

/// What [`Process::sandbox`] starts.
pub(crate) fn sandbox_command(
    program: &Path,
    data: &Path,
    providers_url: &str,
    clock: ClockMode,
    environment: &[(&str, &str)],
) -> Command {
    let mut command = own_environment(program);
    command.args(["serve", "--port", "0", "--clock", &clock.to_string()]);
    command.args(["--providers-url", providers_url, "--data"]).arg(data).envs(environment.iter().copied());
    command
}

/// The program, deaf to what the terminal that it is started from says of stores and providers.
fn own_environment(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in [
        "STORE_URL",
        "QUEUE_URL",
        "SECRETS_KEY",
        "PUBLIC_URL",
        "STRIPE_API_URL",
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "PAYPAL_API_URL",
        "PAYPAL_CLIENT_ID",
        "PAYPAL_CLIENT_SECRET",
        "PAYPAL_WEBHOOK_ID",
        "BANK_API_URL",
        "BANK_ISSUER",
        "BANK_CLIENT_ID",
        "BANK_SIGNING_KEY",
        "BANK_SIGNING_KEY_ID",
        "BANK_CREDITOR_SCHEME",
        "BANK_CREDITOR_ACCOUNT",
        "BANK_CREDITOR_NAME",
        "BANK_REFUNDS_FROM_SCHEME",
        "BANK_REFUNDS_FROM_ACCOUNT",
        "BANK_REFUNDS_FROM_NAME",
        "BANK_CURRENCIES",
        "BANK_EVENTS_AUDIENCE",
        "PORT",
    ] {
        command.env_remove(name);
    }
    command
}

/// A client of the sandbox whose data is in `folder`, as its first merchant.
pub fn client_of(folder: &Path) -> anyhow::Result<Client> {
    let identity = identity_of(folder)?;
    let text = |field: &str| identity[field].as_str().unwrap_or_default().to_owned();
    Client::connect(&text("url"), &text("api_key"))
}

/// What `sandbox.json` says.
pub fn identity_of(folder: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(folder.join("sandbox.json")).context("there is no sandbox.json")?;
    Ok(serde_json::from_slice(&text)?)
}
