//! Simulated providers on a free loopback port, within the test's process.

use std::{io, sync::Arc};

use tokio::net::TcpListener;
use tollgate_simulators::{SandboxTime, Settings, Simulators, serve};

use crate::ports::ports;

/// Starts the simulated providers under `time`, keeping nothing. Answers where they are, such as
/// `http://127.0.0.1:41234`; they run until the test's runtime ends.
pub async fn start_providers(time: Arc<SandboxTime>) -> io::Result<String> {
    let ports = ports(time);
    let simulators = Simulators::open(Settings::default(), ports.clone()).map_err(io::Error::other)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    ports.spawn.spawn(Box::pin(async move {
        // An accept loop that fails ends the test by its silence.
        let _ = serve(listener, simulators, std::future::pending()).await;
    }));
    Ok(url)
}
