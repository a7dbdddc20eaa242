//! Drills: the failures that the reliability review found, played for real. Each starts processes of its own, breaks
//! them, and checks that no money was lost or doubled.

mod c1;
mod c2;
mod c3;
mod c4;
mod c5;
mod i1;
mod i2;
mod m2;
mod s4;

use std::path::PathBuf;

use anyhow::{Context, bail};
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
const DRILLS: [(&str, &str); 9] = [
    ("C1", "a retried request never charges twice: 100 at once with one key, and again after a restart"),
    ("C2", "a provider that hangs: it is left alone, and the others do not feel it"),
    ("C3", "payments whose answer, webhook or payer never came: the jobs find out, nothing stays stuck"),
    ("C4", "a merchant who is down is told all the same, over crashes of ours, or can have it sent again"),
    ("C5", "a crash between the provider's charge and our record loses nothing: killed at every step, then retried"),
    ("I1", "one trace shows a payment's request, its calls, its message and its webhook; nobody waits for traces"),
    ("I2", "a provider is turned off at run time: payments go elsewhere, or share out as operators say"),
    ("M2", "webhooks of providers that come twice, late, out of order or for unknown payments change nothing twice"),
    ("S4", "the settlement dies in the middle: it goes on where it was, and settles nothing twice"),
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
        "I1" => i1::play().await,
        "I2" => i2::play().await,
        "M2" => m2::play().await,
        _ => s4::play().await,
    }?;
    say(&format!("{name}: passed\n"))
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

    async fn charge(&self, fields: String) -> anyhow::Result<()> {
        let http = ReqwestClient::new(HttpSettings::default())?;
        let form = format!("{fields}&currency=jpy&payment_method=pm_card_visa&confirm=true&capture_method=manual");
        let request = http::Request::post(format!("{}/stripe/v1/payment_intents", self.providers.url))
            .header("authorization", "Bearer sk_test_somebody_else")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.into())?;
        let answer = http.send(request, TIMEOUT).await?;
        anyhow::ensure!(answer.status().is_success(), "Stripe answered {}", answer.status());
        Ok(())
    }

    /// The merchant, on fresh connections: those to a process that was killed are dead.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        process::client_of(&self.folder.path().join("sandbox"))
    }
}
