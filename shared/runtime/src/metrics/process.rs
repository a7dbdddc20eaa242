//! What Linux says about this process: the `process_*` metrics, as Prometheus's own clients name them.
//!
//! Must not know: what the process does.

use std::fs;

use super::write_metric;

/// The kernel's unit of processor time in `/proc`: fixed to 100 a second for user space, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// Appends what can be read; what cannot (another system, a stricter sandbox) is left out.
pub(super) fn write(text: &mut String) {
    if let Some(stat) = Stat::read() {
        let cpu = (stat.user + stat.system) / TICKS_PER_SECOND;
        write_metric(text, "process_cpu_seconds_total", "counter", "Processor time used.", cpu);
        if let Some(boot) = boot_time() {
            let start = boot + stat.started / TICKS_PER_SECOND;
            write_metric(text, "process_start_time_seconds", "gauge", "Start, in seconds since 1970.", start);
        }
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(kibibytes) = field(&status, "VmRSS:") {
        write_metric(text, "process_resident_memory_bytes", "gauge", "Resident memory.", kibibytes * 1024.0);
    }
    if let Some(kibibytes) = field(&status, "VmSize:") {
        write_metric(text, "process_virtual_memory_bytes", "gauge", "Virtual memory.", kibibytes * 1024.0);
    }
    if let Some(threads) = field(&status, "Threads:") {
        write_metric(text, "process_threads", "gauge", "Threads.", threads);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The directory being read is open itself, for now.
        let open = u32::try_from(open.count().saturating_sub(1)).unwrap_or(u32::MAX);
        write_metric(text, "process_open_fds", "gauge", "Open file descriptors.", f64::from(open));
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(most) = field(&limits, "Max open files") {
        write_metric(text, "process_max_fds", "gauge", "The most file descriptors it may open.", most);
    }
}

/// Times in ticks.
struct Stat {
    user: f64,
    system: f64,
    started: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the program's name in parentheses, and may hold anything.
        let (_, after_name) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        // proc(5) counts from 1, and the state that comes first here is field 3.
        let number = |field: usize| fields.get(field - 3)?.parse().ok();
        Some(Self { user: number(14)?, system: number(15)?, started: number(22)? })
    }
}

/// When the machine started, in seconds since 1970.
fn boot_time() -> Option<f64> {
    field(&fs::read_to_string("/proc/stat").ok()?, "btime")
}

/// The number behind `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_ascii_whitespace().next()?.parse().ok()
}
