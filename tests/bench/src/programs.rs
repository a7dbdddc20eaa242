//! The programs that are measured, as files: they stand beside the bench's own executable, built the same way.

use std::{
    path::{Path, PathBuf},
    process::Command,
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
