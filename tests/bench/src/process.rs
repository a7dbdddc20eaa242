//! The processes that are measured. Each ends with its handle, however the bench ends.

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::usage::{self, Memory};

/// A process that serves on 127.0.0.1. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    /// Where it serves.
    pub(crate) address: SocketAddr,
    /// Kept open: a process may mind that nobody can hear it.
    _output: Option<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts a program that prints `ready URL` when it serves, and waits for that.
    pub(crate) fn announced(mut command: Command) -> Result<Self> {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start a process")?;
        let mut output = BufReader::new(child.stdout.take().context("a process has an output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let Some(address) = line.trim().strip_prefix("ready http://").and_then(|address| address.parse().ok()) else {
            _ = child.kill();
            _ = child.wait();
            bail!("a process ended before it was ready; its last words were {line:?}")
        };
        Ok(Self { child, address, _output: Some(output) })
    }

    /// Starts a program that takes its port from `PORT` and says nothing; it may not serve yet.
    pub(crate) fn on_free_port(mut command: Command) -> Result<Self> {
        // Somebody else may take the port in between: nothing on this machine should, while it is measured.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        command.env("PORT", address.port().to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("cannot start a process")?;
        Ok(Self { child, address, _output: None })
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
            Some(status) => bail!("a process ended too soon: {status}"),
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
