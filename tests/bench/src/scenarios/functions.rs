//! Start, memory and CPU beside Google's functions-framework for Node and for Python: a function there reads the same
//! request and answers, without a store or a provider, so what is measured is what a framework costs before it does anything.

use std::{
    env,
    io::{self, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{Settings, median};
use crate::{
    http::Connection,
    load::{Client, closed_loop, count},
    payments::{BODY, Creator},
    process::Process,
    report::Report,
    stage::{Stage, connect},
    usage,
};

/// How often each is started.
const STARTS: usize = 7;
const WARM_UP: Duration = Duration::from_secs(1);
/// Of the time of a scenario.
const PART: u32 = 5;
/// What a run may be told that it must have: `TOLLGATE_REQUIRE`.
const FRAMEWORKS: &str = "functions-framework";

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let stage = Stage::prepare(&settings.programs).await?;
    let ours = || stage.start();
    let work = async |process: &Process, count: usize| {
        let clients = stage.clients(process, count).await?;
        anyhow::Ok(clients.into_iter().map(Caller::Payment).collect())
    };
    measure(settings, report, "payments, a whole payment", ours, work).await?;
    let live = Asked { method: Method::GET, path: "/health/live", body: "", status: StatusCode::OK };
    measure(settings, report, "payments, nothing to do", ours, async |process, count| {
        callers(process, count, &live).await
    })
    .await?;
    let pay = Asked { method: Method::POST, path: "/", body: std::str::from_utf8(BODY)?, status: StatusCode::CREATED };
    for (name, framework) in
        [("Node's framework, nothing to do", node()), ("Python's framework, nothing to do", python())]
    {
        let Some(framework) = framework else {
            left_out(name)?;
            continue;
        };
        let start = || Process::on_free_port(framework());
        measure(settings, report, name, start, async |process, count| callers(process, count, &pay).await).await?;
    }
    Ok(())
}

/// Says so; an error where it has to be there.
fn left_out(name: &str) -> Result<()> {
    if env::var("TOLLGATE_REQUIRE").is_ok_and(|required| required.split(',').any(|part| part == FRAMEWORKS)) {
        bail!("{name} is missing: docs/performance.md says how to get it")
    }
    writeln!(io::stderr(), "{name} is left out: docs/performance.md says how to get it")?;
    Ok(())
}

/// Starts, then serves under a closed loop.
async fn measure(
    settings: &Settings,
    report: &mut Report,
    name: &'static str,
    start: impl Fn() -> Result<Process>,
    clients: impl AsyncFn(&Process, usize) -> Result<Vec<Caller>>,
) -> Result<()> {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let clock = SystemClock::start();
        let mut process = start()?;
        connect(&mut process).await?;
        // A server may take connections before it can answer.
        one_call(&mut clients(&process, 1).await?).await?;
        starts.push(1e3 * clock.monotonic().as_secs_f64());
        process.stop()?;
    }
    let mut process = start()?;
    connect(&mut process).await?;
    one_call(&mut clients(&process, 1).await?).await?;
    let idle = usage::memory_of_family(process.id())?;
    let mut clients = clients(&process, settings.clients).await?;
    closed_loop(&mut clients, WARM_UP).await?;
    let before = usage::cpu_of_family(process.id())?;
    let answered = closed_loop(&mut clients, settings.time / PART).await?;
    let used = usage::cpu_of_family(process.id())? - before;
    report.figure(format!("{name}: start to the first answer"), median(starts), "ms");
    report.figure(format!("{name}: memory after one"), idle, "MiB");
    report.figure(format!("{name}: memory under load"), usage::memory_of_family(process.id())?, "MiB");
    report.figure(format!("{name}: answered"), answered.rate(), "/s");
    report.figure(format!("{name}: CPU for each"), used / count(answered.calls.max(1)), "µs");
    report.figure(format!("{name}: p99"), answered.percentile(99.0), "ms");
    process.stop()
}

async fn one_call(clients: &mut [Caller]) -> Result<()> {
    for client in clients {
        // There is always more to call for.
        _ = client.call().await?;
    }
    Ok(())
}

/// A request that is always the same.
#[derive(Clone)]
struct Asked {
    method: Method,
    path: &'static str,
    body: &'static str,
    status: StatusCode,
}

/// Who calls.
enum Caller {
    /// For a payment.
    Payment(Creator),
    /// For anything else.
    Other(Connection, Asked),
}

async fn callers(process: &Process, count: usize, asked: &Asked) -> Result<Vec<Caller>> {
    let connections = Connection::open_many(process.address, count).await?;
    Ok(connections.into_iter().map(|connection| Caller::Other(connection, asked.clone())).collect())
}

impl Client for Caller {
    async fn call(&mut self) -> Result<ControlFlow<()>> {
        match self {
            Self::Payment(client) => client.call().await,
            Self::Other(connection, asked) => {
                const JSON: [(HeaderName, HeaderValue); 1] =
                    [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
                let body = Bytes::from_static(asked.body.as_bytes());
                let (status, body) = connection.send(asked.method.clone(), asked.path, &JSON, body).await?;
                ensure!(status == asked.status, "answered {status}: {}", String::from_utf8_lossy(&body));
                Ok(ControlFlow::Continue(()))
            }
        }
    }
}

/// How a framework is started.
type Start = Box<dyn Fn() -> Command>;

/// Node's, if it is there.
fn node() -> Option<Start> {
    let modules = PathBuf::from(env::var_os("TOLLGATE_NODE_MODULES")?).join("node_modules");
    let framework = modules.join("@google-cloud/functions-framework/build/src/main.js");
    framework.exists().then(|| -> Start {
        Box::new(move || {
            let mut command = Command::new("node");
            command.env("NODE_PATH", &modules).env("FUNCTION_TARGET", "pay").arg(&framework);
            command.arg("--source").arg(source("node"));
            command
        })
    })
}

/// Python's, if it is there.
fn python() -> Option<Start> {
    let python = env::var_os("TOLLGATE_PYTHON").unwrap_or_else(|| "python3".into());
    let mut probe = Command::new(&python);
    probe.args(["-c", "import functions_framework"]).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success()).then(|| -> Start {
        Box::new(move || {
            let mut command = Command::new(&python);
            command.args(["-m", "functions_framework", "--target", "pay", "--source"]);
            // It writes no compiled file beside its source.
            command.arg(source("python").join("main.py")).env("PYTHONDONTWRITEBYTECODE", "1");
            command
        })
    })
}

fn source(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("functions").join(language)
}
