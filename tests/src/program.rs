//! The programs of this workspace as files that tests start. They stand beside the tests' own executable; what is
//! missing or older than its source is built first.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::SystemTime,
};

/// Every program of the functions that tests start.
const PROGRAMS: [&str; 5] = [
    "tollgate-sandbox",
    "tollgate-payments",
    "tollgate-provider-webhooks",
    "tollgate-settlement",
    "tollgate-reconciliation",
];

/// The tests' own.
const OWN: [&str; 2] = ["webhook-delivery-on-this-machine", "fault-matrix"];

/// Where the program `name` is.
///
/// # Panics
/// When it is missing and cannot be built.
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match FOLDER.get_or_init(built) {
        Ok(folder) => folder.join(name),
        Err(error) => panic!("the programs that the tests start cannot be had; run `cargo build --workspace`: {error}"),
    }
}

fn built() -> Result<PathBuf, String> {
    let folder = folder().ok_or("the tests do not know where they are")?;
    let oldest = PROGRAMS.iter().chain(&OWN).map(|name| changed(&folder.join(name))).min().flatten();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let newest = ["functions", "shared"].iter().filter_map(|part| newest_source(&root.join(part)).ok()).max();
    if oldest.is_none() || newest.flatten() > oldest {
        build(&root, &folder)?;
    }
    Ok(folder)
}

/// `target/debug` of `target/debug/deps/suite-…`, or of a program in it, wherever the target folder is.
fn folder() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.parent()?.to_owned();
    if beside.ends_with("deps") { beside.parent().map(Path::to_owned) } else { Some(beside) }
}

fn build(root: &Path, folder: &Path) -> Result<(), String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(["build", "--bins", "-p", "tollgate-tests"]);
    command.args(PROGRAMS.iter().flat_map(|name| ["-p", name]));
    command.arg("--target-dir").arg(folder.parent().unwrap_or(folder));
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// The latest change in the sources below `folder`; tests are not part of a program.
fn newest_source(folder: &Path) -> io::Result<Option<SystemTime>> {
    let mut newest = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("tests") {
            newest = newest.max(newest_source(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "toml") {
            newest = newest.max(changed(&path));
        }
    }
    Ok(newest)
}

fn changed(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}
