//! `providers`: the simulated providers alone.

use std::{io::Write, net::Ipv4Addr, path::PathBuf};

use anyhow::Context;
use tokio::net::TcpListener;
use tollgate_runtime::function::stop_signal;
use tollgate_simulators::{Settings, Simulators};

use crate::{lock::FolderLock, system::SandboxSystem};

/// How the providers are run.
#[derive(Debug, Clone)]
pub struct ProvidersOptions {
    /// On 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Where they keep their books.
    pub data: PathBuf,
}

/// Runs the simulated providers until SIGTERM or SIGINT.
pub async fn run(options: ProvidersOptions) -> anyhow::Result<()> {
    let system = SandboxSystem::new()?;
    let _lock = FolderLock::take(&options.data, "other simulated providers")?;
    let stop = stop_signal().context("cannot listen for signals")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
        .await
        .with_context(|| format!("cannot listen on 127.0.0.1:{}", options.port))?;
    let url = format!("http://{}", listener.local_addr()?);
    let settings = Settings { data: Some(options.data), public_url: Some(url.clone()) };
    let simulators =
        Simulators::open(settings, system.simulator_ports()).context("the providers' books do not open")?;
    // Who starts it may stop reading: that is no reason to stop serving.
    _ = writeln!(std::io::stdout(), "ready {url}");
    tollgate_simulators::serve(listener, simulators, stop).await?;
    Ok(())
}
