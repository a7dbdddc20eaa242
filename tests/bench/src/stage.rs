//! What the scenarios play on: a store with a merchant in it, the gateway's function as it is deployed, and the
//! simulated provider, each in a process of its own.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use serde_json::Value;
use tempfile::TempDir;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use crate::{http::Connection, payments::Creator, process::Process, programs::Programs};

/// A process that does not serve within this is broken.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// Between two tries to connect: what a start-up is measured to.
const PAUSE: Duration = Duration::from_micros(500);

/// Environment variables.
pub(crate) type Variables = Vec<(&'static str, String)>;

/// A store, a provider, and what a function has to be told of both.
pub(crate) struct Stage {
    programs: Programs,
    /// The simulated provider. It knows no address for webhooks, so none are sent.
    pub(crate) provider: Process,
    /// The merchant's.
    pub(crate) api_key: String,
    /// Another merchant's.
    pub(crate) other_api_key: String,
    /// A third one's, who has production's default limit.
    pub(crate) limited_api_key: String,
    environment: Variables,
    folder: TempDir,
}

impl Stage {
    /// Everything but the gateway. The store holds one payment, whose process died after its first commit.
    pub(crate) async fn prepare(programs: &Programs) -> Result<Self> {
        Self::prepare_on(programs, None).await
    }

    /// The same on the store that these variables name; `None`: SQLite, in a file of its own.
    pub(crate) async fn prepare_on(programs: &Programs, store: Option<Variables>) -> Result<Self> {
        let folder = TempDir::with_prefix_in("bench-", programs.disk())?;
        let data = folder.path().join("gateway");
        let own = || vec![("STORE_URL", format!("sqlite:{}", data.join("tollgate.sqlite").display()))];
        let mut environment = store.unwrap_or_else(own);
        let mut command = programs.command("tollgate-sandbox");
        command.args(["serve", "--port", "0", "--data"]).arg(&data);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        // The sandbox makes the merchants; it has nothing more to do with it.
        let sandbox = Process::announced(command)?;
        let identity: Value = serde_json::from_slice(&fs::read(data.join("sandbox.json"))?)?;
        let key = |name: &str| identity[name].as_str().map(str::to_owned).context("a sandbox has API keys");
        let (api_key, other_api_key, limited_api_key) =
            (key("api_key")?, key("other_api_key")?, key("limited_api_key")?);
        die_after_intent(sandbox, &api_key).await?;

        let mut command = programs.command("tollgate-sandbox");
        command.args(["providers", "--port", "0", "--data"]).arg(folder.path().join("provider"));
        let provider = Process::announced(command)?;
        environment.extend([
            ("SECRETS_KEY", fs::read_to_string(data.join("secrets.key"))?),
            ("PUBLIC_URL", "https://pay.example".to_owned()),
            ("STRIPE_API_URL", format!("http://{}/stripe", provider.address)),
            ("STRIPE_SECRET_KEY", "sk_test_bench".to_owned()),
            ("STRIPE_WEBHOOK_SECRET", "whsec_bench".to_owned()),
            // What Stripe allows would be all that is measured.
            ("STRIPE_REQUESTS_PER_SECOND", "off".to_owned()),
            ("STRIPE_ENDPOINT_REQUESTS_PER_SECOND", "off".to_owned()),
        ]);
        let programs = programs.clone();
        Ok(Self { programs, provider, api_key, other_api_key, limited_api_key, environment, folder })
    }

    /// The gateway's database.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("gateway/tollgate.sqlite")
    }

    /// A place for a file on the same disk.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the function `payments`; it may not serve yet.
    pub(crate) fn start(&self) -> Result<Process> {
        self.start_told(&[])
    }

    /// The same, told otherwise in these variables.
    pub(crate) fn start_told(&self, otherwise: &[(&'static str, String)]) -> Result<Process> {
        self.start_bounded(otherwise, None)
    }

    /// The same with so many files that it may have open.
    pub(crate) fn start_bounded(&self, otherwise: &[(&'static str, String)], files: Option<u32>) -> Result<Process> {
        let mut command = self.programs.command("tollgate-payments");
        if let Some(files) = files {
            let program = std::mem::replace(&mut command, Command::new("/bin/sh"));
            command.env_clear().args(["-c", r#"ulimit -n "$1" && exec "$0""#]);
            command.arg(program.get_program()).arg(files.to_string());
        }
        command.envs(self.environment.iter().chain(otherwise).map(|(name, value)| (name, value)));
        Process::on_free_port(command)
    }

    /// Starts the sandbox on the same data: every function in one process, the provider in another.
    pub(crate) fn sandbox(&self) -> Result<Process> {
        self.sandbox_by("real", &[])
    }

    /// The same, told otherwise in these variables.
    #[cfg(feature = "google-cloud")]
    pub(crate) fn sandbox_told(&self, otherwise: &[(&'static str, String)]) -> Result<Process> {
        self.sandbox_by("real", otherwise)
    }

    /// The same with a clock that stands at noon in Tokyo, so that no job runs by itself.
    pub(crate) fn sandbox_at_noon(&self) -> Result<Process> {
        self.sandbox_at_noon_told(&[])
    }

    /// The same, told otherwise in these variables.
    pub(crate) fn sandbox_at_noon_told(&self, otherwise: &[(&'static str, String)]) -> Result<Process> {
        self.sandbox_by("2027-01-15T03:00:00Z", otherwise)
    }

    fn sandbox_by(&self, clock: &str, otherwise: &[(&'static str, String)]) -> Result<Process> {
        let provider = format!("http://{}", self.provider.address);
        let mut command = self.programs.command("tollgate-sandbox");
        command.args(["serve", "--port", "0", "--clock", clock, "--providers-url", &provider, "--data"]);
        command.arg(self.folder.path().join("gateway"));
        command.envs(otherwise.iter().map(|(name, value)| (name, value)));
        Process::announced(command)
    }

    /// Starts it, and waits until it serves.
    pub(crate) async fn gateway(&self) -> Result<Process> {
        let mut process = self.start()?;
        connect(&mut process).await?;
        Ok(process)
    }

    /// So many clients of a gateway.
    pub(crate) async fn clients(&self, gateway: &Process, count: usize) -> Result<Vec<Creator>> {
        let connections = Connection::open_many(gateway.address, count).await?;
        connections.into_iter().map(|connection| Creator::new(connection, &self.api_key)).collect()
    }
}

/// A connection to `process` as soon as it takes one.
pub(crate) async fn connect(process: &mut Process) -> Result<Connection> {
    let clock = SystemClock::start();
    while clock.monotonic() < READY_WITHIN {
        if let Ok(connection) = Connection::open(process.address).await {
            return Ok(connection);
        }
        process.must_run()?;
        wait(PAUSE);
    }
    bail!("the gateway does not take connections")
}

#[allow(clippy::disallowed_methods, reason = "the runtime's timers know whole milliseconds only")]
fn wait(pause: Duration) {
    std::thread::sleep(pause);
}

async fn die_after_intent(sandbox: Process, api_key: &str) -> Result<()> {
    let mut connection = Connection::open(sandbox.address).await?;
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let point = Bytes::from_static(br#"{"point":"after_intent"}"#);
    let headers: &[(HeaderName, HeaderValue)] = &json;
    connection.post("/sandbox/fail-points", headers, point).await?;
    // No answer comes: that is the point.
    _ = Creator::new(connection, api_key)?.create().await;
    sandbox.wait()
}
