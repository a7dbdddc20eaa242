//! An append-only file of JSON lines: what a simulated provider knows, kept over a kill of the process.
//!
//! One line is one change, written whole before its answer is sent: a line that was torn by a kill is a change that
//! never happened. The page cache outlives the process, so nothing is synced to the disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::outbox::{Endpoint, Parked};

/// One thing to remember; a line holds those of one change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// A provider's own record.
    Provider(Box<RawValue>),
    /// Where webhooks go.
    Endpoint(Endpoint),
    /// A webhook that is not delivered yet.
    Pending(Parked),
    /// A webhook that was delivered or given up, by its event's id.
    Settled(String),
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be read or written.
    #[error("journal {path}: {source}")]
    Io {
        /// The journal's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line other than the last one is not what was written.
    #[error("journal {path}, line {line}: {source}")]
    Corrupt {
        /// The journal's file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Where changes are appended.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    line: Vec<u8>,
}

impl Journal {
    /// Reads the journal at `path`, giving every whole change to `restore` in order. A torn last line is left out.
    pub(crate) fn replay(
        path: &Path,
        mut restore: impl FnMut(Entry) -> Result<(), serde_json::Error>,
    ) -> Result<(), JournalError> {
        let failed = |source| JournalError::Io { path: path.to_owned(), source };
        let mut reader = match File::open(path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            if reader.read_until(b'\n', &mut text).map_err(failed)? == 0 {
                break;
            }
            if text.last() != Some(&b'\n') {
                tracing::warn!(path = %path.display(), line, "the journal's last line was torn: that change never happened");
                break;
            }
            let entries: Result<Vec<Entry>, _> = serde_json::from_slice(&text);
            entries
                .and_then(|entries| entries.into_iter().try_for_each(&mut restore))
                .map_err(|source| JournalError::Corrupt { path: path.to_owned(), line, source })?;
        }
        Ok(())
    }

    /// Replaces the journal at `path` by one that holds just `entries`, and opens it for what follows.
    pub(crate) fn compact(path: &Path, entries: impl Iterator<Item = Entry>) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Io { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let fresh = path.with_extension("journal.new");
        let mut writer = BufWriter::new(File::create(&fresh).map_err(failed)?);
        for entry in entries {
            serde_json::to_writer(&mut writer, &[entry]).map_err(|error| failed(error.into()))?;
            writer.write_all(b"\n").map_err(failed)?;
        }
        writer.flush().map_err(failed)?;
        drop(writer);
        fs::rename(&fresh, path).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        Ok(Self { file, line: Vec::new() })
    }

    /// Appends one change.
    pub(crate) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        self.line.clear();
        serde_json::to_writer(&mut self.line, entries)?;
        self.line.push(b'\n');
        self.file.write_all(&self.line)
    }
}
