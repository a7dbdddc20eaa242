//! The operator's command as on-call has it: the real program, on the path, with what the runbooks' README has him set.
//!
//! Must not know: what is typed.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::drills::story::Story;

/// Its name on the path.
pub(super) const NAME: &str = "tollgate";
/// Who is on call.
pub(super) const ON_CALL: &str = "ann";

/// The program and its environment.
pub(super) struct Operator {
    folder: PathBuf,
    store_url: String,
}

/// Where the program is: beside our own. Where it is missing and cargo is at hand, it is built.
pub(super) async fn folder(story: &Story) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("the program does not know itself")?;
    let folder = own.parent().context("the program is in a folder")?.to_owned();
    let program = folder.join(NAME).with_extension(std::env::consts::EXE_EXTENSION);
    if !program.exists() {
        story.tell("drill", "builds the operator's command first, once: that takes some minutes")?;
        build(&folder).await?;
        story.begins_now();
    }
    ensure!(program.exists(), "there is no {}: `cargo build -p tollgate-operator` makes it", program.display());
    Ok(folder)
}

impl Operator {
    /// The program in `folder`, on this store.
    pub(super) fn of(folder: &Path, store: &Path) -> Self {
        Self { folder: folder.to_owned(), store_url: format!("sqlite:{}", store.display()) }
    }

    /// Types a command, and answers what it printed. An error: it could not be done.
    pub(super) async fn types(&self, command: &str) -> anyhow::Result<String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([self.folder.clone()].into_iter().chain(std::env::split_paths(&path)))?;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", command])
            .env_clear()
            .env("PATH", path)
            .env("USER", ON_CALL)
            .env("STORE_URL", &self.store_url);
        let output = shell.stdin(Stdio::null()).kill_on_drop(true).output().await.context("there is no shell")?;
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "expected that `{command}` can be done: {} {complained}", output.status);
        ensure!(complained.is_empty(), "expected that `{command}` complains of nothing: {complained}");
        Ok(said.into_owned())
    }
}

/// With the cargo that runs us, into the folder that we are in.
async fn build(folder: &Path) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").with_context(|| {
        format!("there is no {NAME} in {}: build it there with `cargo build -p tollgate-operator`", folder.display())
    })?;
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked", "-p", "tollgate-operator"]);
    command.arg("--target-dir").arg(folder.parent().unwrap_or(folder));
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let built = command.stdin(Stdio::null()).kill_on_drop(true).status().await.context("cargo cannot be run")?;
    ensure!(built.success(), "tollgate-operator cannot be built: {built}");
    Ok(())
}
