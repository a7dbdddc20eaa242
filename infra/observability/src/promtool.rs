//! Prometheus's own tool, run on the rules and on the cases.
//!
//! Must not know: what is in them.

use std::{path::Path, process::Command, thread};

use anyhow::{Context as _, bail};

/// Whether it is there.
pub fn is_there() -> bool {
    Command::new("promtool").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Whether a missing one is a failure: `TOLLGATE_REQUIRE` names it.
pub fn is_required() -> bool {
    let required = std::env::var("TOLLGATE_REQUIRE").unwrap_or_default();
    required.split(',').any(|part| part.trim() == "promtool")
}

/// `promtool check rules` and `promtool test rules`, in the folder of generated files. The tests' files are played side by side.
pub fn run(generated: &Path, tests: &[String]) -> anyhow::Result<()> {
    promtool(generated, &["check", "rules", "rules.yaml"])?;
    let ended: Vec<anyhow::Result<()>> = thread::scope(|scope| {
        let play = |test: &'_ String| promtool(generated, &["test", "rules", test]);
        let playing: Vec<_> = tests.iter().map(|test| scope.spawn(move || play(test))).collect();
        playing.into_iter().map(|one| one.join().unwrap_or_else(|_| bail!("a test was cut off"))).collect()
    });
    ended.into_iter().collect()
}

fn promtool(folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let output =
        Command::new("promtool").args(arguments).current_dir(folder).output().context("promtool does not run")?;
    if !output.status.success() {
        let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned()).concat();
        bail!("promtool {}:\n{said}", arguments.join(" "));
    }
    Ok(())
}
