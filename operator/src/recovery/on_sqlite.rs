//! The drill on a SQLite file: the copy stands beside it, and is gone when this ends, however it ends.
//!
//! Must not know: what is equal, what is said.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use tollgate_assembly::StoreConfiguration;
use tollgate_gateway::recovery::examine;
use tollgate_runtime::System;
use tollgate_store::FrozenFile;

use super::{drill::Restored, manifest};
use crate::{arguments::Drill, open::Operator};

/// Files that a store makes beside its own.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// The copy; its files are deleted with it.
struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    /// Beside `file`: there is room, and it is as safe there.
    fn beside(file: &Path, keep: bool, system: &System) -> Self {
        let mut mark = [0; 4];
        system.entropy.fill(&mut mark);
        let mut name: OsString = file.as_os_str().to_owned();
        name.push(format!(".restore-drill-{}", hex::encode(mark)));
        Self { path: name.into(), keep }
    }

    fn file(&self, ending: &str) -> PathBuf {
        let mut name: OsString = self.path.clone().into();
        name.push(ending);
        name.into()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        // Those that never were made cannot be deleted.
        for ending in BESIDE {
            _ = fs::remove_file(self.file(ending));
        }
        _ = fs::remove_dir_all(self.file(".owners"));
    }
}

/// Restores the store at `path`, or the backup that was given, beside the store.
pub(super) async fn restore(path: &Path, drill: &Drill, system: &System) -> anyhow::Result<Restored> {
    if drill.at.is_some() {
        bail!("--at is for Spanner: a SQLite backup's own account says as of when it is");
    }
    let backup = drill.restored.as_ref().map(PathBuf::from);
    let from = backup.as_deref().unwrap_or(path);
    ensure!(from.is_file(), "there is no database {}", from.display());
    let scratch = Scratch::beside(path, drill.keep, system);
    let started = system.time.monotonic();
    let opened = FrozenFile::open(from, system.time.as_ref()).with_context(|| from.display().to_string())?;
    opened.copy_to(&scratch.path).with_context(|| format!("{} cannot be written", scratch.path.display()))?;
    let took = system.time.monotonic().saturating_sub(started);
    let source = match &backup {
        Some(file) => manifest::read(file)?,
        None => examine(&opened).await?,
    };
    drop(opened);
    let copy = FrozenFile::open(&scratch.path, system.time.as_ref())?;
    let damage = copy.damage()?;
    let examined = examine(&copy).await?;
    drop(copy);
    // What the functions do with it when they start. After the comparison: an older backup is migrated by it.
    let configuration = StoreConfiguration::Sqlite(scratch.path.clone());
    Operator::open(&configuration).await.context("the restored database does not open")?;
    let place = scratch.path.display().to_string();
    Ok(Restored { source, copy: examined, damage, took: Some(took), place })
}
