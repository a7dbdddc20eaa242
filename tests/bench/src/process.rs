//! The processes that are measured. Each ends with its handle, however the bench ends.

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    process::{Child, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::usage::{self, Memory};

/// Ports that Linux, left as it is, gives neither to an outgoing connection nor to who asks for any port.
const PORTS: Range<u16> = 20_000..32_000;
/// How many of them have been tried.
static TRIED: AtomicU16 = AtomicU16::new(0);

/// A process that serves on 127.0.0.1. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    name: String,
    /// Where it serves.
    pub(crate) address: SocketAddr,
    /// Kept open: a process may mind that nobody can hear it.
    _output: Option<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts a program that prints `ready URL` when it serves, and waits for that.
    pub(crate) fn announced(mut command: Command) -> Result<Self> {
        let name = name(&command);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start a process")?;
        let mut output = BufReader::new(child.stdout.take().context("a process has an output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let Some(address) = line.trim().strip_prefix("ready http://").and_then(|address| address.parse().ok()) else {
            _ = child.kill();
            _ = child.wait();
            bail!("{name} ended before it was ready; its last words were {line:?}")
        };
        Ok(Self { child, name, address, _output: Some(output) })
    }

    /// Starts a program that takes its port from `PORT` and says nothing; it may not serve yet.
    pub(crate) fn on_free_port(mut command: Command) -> Result<Self> {
        let address = free_address()?;
        command.env("PORT", address.port().to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("cannot start a process")?;
        Ok(Self { child, name: name(&command), address, _output: None })
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its memory now.
    pub(crate) fn memory(&self) -> Result<Memory> {
        usage::memory(self.id())
    }

    /// An error if it has ended.
    pub(crate) fn must_run(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended too soon: {status}", self.name),
        }
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.wait()
    }

    /// SIGTERM, and waits until it is gone: what it started is gone by then, too.
    pub(crate) fn stop(self) -> Result<()> {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).context("a process has an id")?;
        kill_process(id, Signal::TERM)?;
        self.wait()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(mut self) -> Result<()> {
        self.child.wait().map(drop).context("a process cannot be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Where nobody listens. Every program listens on all addresses, so all of them have to be free.
fn free_address() -> Result<SocketAddr> {
    // Two benches on one machine begin elsewhere.
    let first = u16::try_from(std::process::id() % u32::try_from(PORTS.len())?)?;
    for _ in PORTS {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (first.wrapping_add(tried)) % (PORTS.end - PORTS.start);
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return Ok((Ipv4Addr::LOCALHOST, port).into());
        }
    }
    bail!("no port from {} to {} is free", PORTS.start, PORTS.end - 1)
}

fn name(command: &Command) -> String {
    let name = std::path::Path::new(command.get_program()).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
