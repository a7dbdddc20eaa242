//! What a process has used, as Linux counts it in `/proc`.

use std::{fs, process};

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Linux counts a process's time in hundredths of a second, whatever the machine.
const TICK_MICROS: f64 = 10_000.0;

/// The microseconds of CPU that process `id` has used so far, in user and kernel mode, all threads together.
pub(crate) fn cpu(id: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).context("a process that is measured is gone")?;
    // The name before it is in parentheses and may hold anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u32>().ok()).unwrap_or(0);
    Ok(TICK_MICROS * (f64::from(ticks(11)) + f64::from(ticks(12))))
}

/// The same of process `id` and all that it has started.
pub(crate) fn cpu_of_family(id: u32) -> Result<f64> {
    family(id)?.into_iter().map(cpu).sum()
}

/// The memory, in MiB, of process `id` and all that it has started. What several share is counted once (`Pss`).
pub(crate) fn memory_of_family(id: u32) -> Result<f64> {
    let of = |id| {
        let pages =
            fs::read_to_string(format!("/proc/{id}/smaps_rollup")).context("a process that is measured is gone")?;
        mebibytes(&pages, "Pss")
    };
    family(id)?.into_iter().map(of).sum()
}

fn family(id: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|id| id.parse().ok()) else { continue };
        // A process may end meanwhile.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        parents.extend(parent.map(|parent: u32| (id, parent)));
    }
    let mut family = vec![id];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _): &(u32, u32)| *child));
        next += 1;
    }
    Ok(family)
}

/// The same of all processes that were told to serve gRPC at `host`: 0 where they are on another machine.
#[cfg(feature = "google-cloud")]
pub(crate) fn cpu_of_emulator(host: &str) -> Result<f64> {
    emulators(host)?.into_iter().map(cpu).sum()
}

/// The processes that were told to serve gRPC at `host`: none where they are on another machine.
#[cfg(feature = "google-cloud")]
pub(crate) fn emulators(host: &str) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|id| id.parse().ok()) else { continue };
        // A process may end meanwhile.
        let told = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mut told = told.split(|byte| *byte == 0);
        let is_emulator = told.next().is_some_and(|program| program.ends_with(b"/emulator_main"));
        if is_emulator && told.any(|argument| argument.ends_with(host.as_bytes())) {
            found.push(id);
        }
    }
    Ok(found)
}

/// Raises the bound of files that this process may have open as far as it may, and answers it.
pub(crate) fn raise_open_files() -> Result<u64> {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?;
    // None: as many as one likes.
    Ok(most.unwrap_or(u32::MAX.into()))
}

/// This process's own.
pub(crate) fn own_cpu() -> Result<f64> {
    cpu(process::id())
}

/// Resident memory, in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// All of it, the program's own file and mapped files included.
    pub(crate) resident: f64,
    /// Of that, what belongs to no file: heap and stacks.
    pub(crate) anonymous: f64,
}

/// The memory of process `id` now.
pub(crate) fn memory(id: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).context("a process that is measured is gone")?;
    Ok(Memory { resident: mebibytes(&status, "VmRSS")?, anonymous: mebibytes(&status, "RssAnon")? })
}

/// What stands in `text`, one of Linux's own, in the line that begins with `name`.
fn mebibytes(text: &str, name: &str) -> Result<f64> {
    let lines = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kibibytes: f64 =
        lines.context("no such line in /proc")?.trim_matches([' ', '\t', 'k', 'B']).parse().context("not a number")?;
    Ok(kibibytes / 1024.0)
}
