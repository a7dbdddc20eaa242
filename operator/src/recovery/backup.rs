//! `tollgate recovery backup`: a copy of a SQLite store, and beside it what was in it.
//!
//! Must not know: how a file is copied while others write to it.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use tollgate_assembly::StoreConfiguration;
use tollgate_gateway::recovery::examine;
use tollgate_runtime::System;
use tollgate_store::FrozenFile;

use super::manifest;
use crate::{output::answer, progress::Progress};

#[derive(Serialize)]
struct Body {
    file: String,
    taken_at: String,
    rows: u64,
    payments: u64,
}

/// Copies, and says what.
pub(super) async fn run(store: &StoreConfiguration, file: &Path, json: bool) -> anyhow::Result<()> {
    let StoreConfiguration::Sqlite(path) = store else {
        bail!("Spanner makes its own backups: `tollgate recovery drill --dry-run` prints how one is made and proven");
    };
    ensure!(path.is_file(), "STORE_URL: there is no database {}", path.display());
    ensure!(!file.exists(), "{} is there already: a backup is never written over", file.display());
    let system = System::real();
    let source = FrozenFile::open(path, system.time.as_ref()).with_context(|| path.display().to_string())?;
    let progress = Progress::of_steps(json);
    progress.doing("copies the file");
    source.copy_to(file).with_context(|| format!("{} cannot be written", file.display()))?;
    progress.doing("reads every row of it");
    let examined = examine(&source).await?;
    drop(progress);
    // Last: what has no account beside it was not finished.
    manifest::write(file, &examined)?;
    let body = Body {
        file: file.display().to_string(),
        taken_at: examined.at.to_string(),
        rows: examined.contents.tables.values().map(|rows| rows.count).sum(),
        payments: examined.payments,
    };
    answer(json, &body, || {
        format!("{}: {} rows, {} payments, as of {}", body.file, body.rows, body.payments, body.taken_at)
    })
}
