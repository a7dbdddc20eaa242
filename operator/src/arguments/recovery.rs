//! `tollgate recovery`: what can be typed.
//!
//! Must not know: how a store is copied or restored.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tollgate_domain::Timestamp;

#[derive(Subcommand)]
pub(crate) enum Recovery {
    /// Copy a SQLite store to a file, while it is in use, and write down beside it (`FILE.json`) what was in it.
    ///
    /// Spanner makes its own backups; see docs/recovery.md.
    Backup {
        /// A new file.
        file: PathBuf,
    },
    /// Restore the store into a scratch database, prove that nothing differs, and drop it again.
    ///
    /// Compares every table's rows, the ledger's totals per account and currency, the sequences, and the invariants of money. The
    /// source may be in use: it is read as of one moment. Exit code 0: all is equal. 1: something differs. 3: it could not be done.
    Drill(Drill),
}

#[derive(Args)]
pub(crate) struct Drill {
    /// Keep the scratch database, and say where it is.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Do nothing; print the steps, with every command that they need.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// What was restored already: a file that `recovery backup` made, or a Spanner database
    /// (projects/P/instances/I/databases/D). It is only read.
    #[arg(long, value_name = "FILE|DATABASE")]
    pub(crate) restored: Option<String>,
    /// As of when a Spanner database was restored (RFC 3339): its backup's `versionTime`. The source is read as it was then.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
}
