//! Ways for a store to be away: somebody locks SQLite's file, or the emulator stands still.

use std::{path::Path, time::Duration};

use anyhow::{Result, bail};
use rusqlite::Connection;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

/// The lock is tried for so long at a time: whoever puts on the load does so on the same thread.
const TRIED_FOR: Duration = Duration::from_millis(5);
const LOCKED_WITHIN: Duration = Duration::from_secs(5);

/// A store that can be away.
pub(super) enum Store {
    /// `BEGIN EXCLUSIVE` by another connection. In WAL mode that stops writers, and readers go on.
    Sqlite(Connection),
    /// SIGSTOP: whoever asks hears nothing, and connections stay.
    #[cfg(feature = "google-cloud")]
    Emulator(Vec<u32>),
}

impl Store {
    pub(super) fn sqlite(file: &Path) -> Result<Self> {
        let connection = Connection::open(file)?;
        connection.busy_timeout(TRIED_FOR)?;
        Ok(Self::Sqlite(connection))
    }

    /// It is away from here on.
    pub(super) async fn leave(&self) -> Result<()> {
        match self {
            Self::Sqlite(connection) => {
                let clock = SystemClock::start();
                while clock.monotonic() < LOCKED_WITHIN {
                    if connection.execute_batch("BEGIN EXCLUSIVE").is_ok() {
                        return Ok(());
                    }
                    clock.sleep(TRIED_FOR).await;
                }
                bail!("the database cannot be locked")
            }
            #[cfg(feature = "google-cloud")]
            Self::Emulator(processes) => signal(processes, "-STOP"),
        }
    }

    /// It is back from here on.
    pub(super) fn come_back(&self) -> Result<()> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch("ROLLBACK")?),
            #[cfg(feature = "google-cloud")]
            Self::Emulator(processes) => signal(processes, "-CONT"),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // However the play ends: others may use the emulator, too. One that is not away is told nothing new.
        _ = self.come_back();
    }
}

#[cfg(feature = "google-cloud")]
fn signal(processes: &[u32], signal: &str) -> Result<()> {
    let ids = processes.iter().map(u32::to_string);
    let sent = std::process::Command::new("kill").arg(signal).args(ids).status()?;
    anyhow::ensure!(sent.success(), "the emulator cannot be sent {signal}");
    Ok(())
}
