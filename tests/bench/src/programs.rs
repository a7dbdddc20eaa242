//! The programs that are measured, as files: they stand beside the bench's own executable, built the same way.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use anyhow::{Context, Result, ensure};

/// Every program that is measured.
const PROGRAMS: [&str; 2] = ["tollgate-sandbox", "tollgate-payments"];

/// Where the programs are, up to date.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds what is missing or older than its source.
    pub(crate) fn build() -> Result<Self> {
        let own = std::env::current_exe().context("the bench does not know where it is")?;
        let folder = own.parent().context("the bench stands in no folder")?.to_owned();
        if are_new(&folder) {
            // Asked for these two alone, cargo would build half of their dependencies again, with other features.
            return Ok(Self { folder });
        }
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet"]);
        command.args(PROGRAMS.iter().flat_map(|name| ["-p", name]));
        command.arg("--target-dir").arg(folder.parent().unwrap_or(&folder));
        if folder.ends_with("release") {
            command.arg("--release");
        }
        ensure!(command.status().context("cargo cannot be run")?.success(), "the programs do not build");
        Ok(Self { folder })
    }

    /// One program, deaf to the environment that the bench runs in.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join(name));
        command.env_clear();
        command
    }

    /// A folder on the disk that the build is on: the system's own for such things may be memory.
    pub(crate) fn disk(&self) -> &Path {
        &self.folder
    }
}

/// Whether all programs are there, and none is older than any source.
fn are_new(folder: &Path) -> bool {
    let oldest = PROGRAMS.iter().map(|name| changed(&folder.join(name))).min().flatten();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let newest = ["functions", "shared", "schemas"].map(|part| newest_source(&root.join(part)).ok().flatten());
    oldest.is_some() && newest.iter().all(|newest| newest.is_some() && *newest <= oldest)
}

/// The latest change in the sources below `folder`; tests are not part of a program.
fn newest_source(folder: &Path) -> io::Result<Option<SystemTime>> {
    let mut newest = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("tests") {
            newest = newest.max(newest_source(&path)?);
        } else if path.extension().is_some_and(|end| ["rs", "toml", "sql"].iter().any(|source| end == *source)) {
            newest = newest.max(changed(&path));
        }
    }
    Ok(newest)
}

fn changed(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}
