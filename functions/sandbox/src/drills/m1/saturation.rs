//! The fourth signal in drill M1: how full everything is, before, under and after a load that is held.
//!
//! Must not know: how the load was made.

use anyhow::{Context, ensure};

use crate::{drills::story::Story, exposition::Scrape};

type Gauge = (&'static str, &'static [(&'static str, &'static str)]);

pub(super) const AT_WORK: Gauge = ("admission_in_flight", &[]);
const LIMIT: Gauge = ("admission_limit", &[]);
pub(super) const QUEUED: Gauge = ("queue_depth", &[("topic", "payment-events")]);
const TASKS: Gauge = ("tokio_alive_tasks", &[]);
pub(super) const CONNECTIONS: Gauge = ("connections_open", &[]);
pub(super) const QUOTA: Gauge = ("provider_quota_used_ratio", &[("provider", "stripe")]);
const MEMORY: Gauge = ("process_resident_memory_bytes", &[]);
const BUSY: Gauge = ("tokio_busy_ratio", &[]);

/// What is shown, with what it is called for people, and in which unit.
const SHOWN: [(&str, Gauge, f64); 8] = [
    ("requests at work", AT_WORK, 1.0),
    ("of so many at most", LIMIT, 1.0),
    ("messages in the queue", QUEUED, 1.0),
    ("Stripe's quota used, %", QUOTA, 0.01),
    ("connections", CONNECTIONS, 1.0),
    ("tasks", TASKS, 1.0),
    ("memory, MiB", MEMORY, 1024.0 * 1024.0),
    ("workers busy, %", BUSY, 0.01),
];

pub(super) fn of(scrape: &Scrape, (metric, labels): Gauge) -> f64 {
    scrape.sum(metric, labels)
}

/// How it stood before, at its most, and after.
pub(super) struct Held<'a> {
    pub(super) before: &'a Scrape,
    pub(super) under: &'a [Scrape],
    pub(super) after: &'a Scrape,
    /// How many requests its senders held.
    pub(super) requests: f64,
}

impl Held<'_> {
    fn most(&self, gauge: Gauge) -> f64 {
        self.under.iter().map(|scrape| of(scrape, gauge)).fold(0.0, f64::max)
    }

    /// Shows it, and says what is not as it should be.
    pub(super) fn check(&self, story: &Story, places: f64) -> anyhow::Result<()> {
        let stands = |gauge| (of(self.before, gauge), self.most(gauge), of(self.after, gauge));
        let held = format!("saturation, with {} requests held by a slow provider:", self.requests);
        story.tell("metrics", format!("{held:<56}  before  at most   after"))?;
        for (what, gauge, unit) in SHOWN {
            let (before, most, after) = stands(gauge);
            let row = format!("  {what:<54}  {:>6.0}  {:>7.0}  {:>6.0}", before / unit, most / unit, after / unit);
            story.tell("metrics", row)?;
        }
        let same = |one: f64, other: f64| (one - other).abs() < f64::EPSILON;
        let (before, most, after) = stands(AT_WORK);
        story.check(
            "saturation: requests at work before, under and after a held load",
            format!("0, {}, 0", self.requests),
            format!("{before}, {most}, {after}"),
            same(before, 0.0) && same(most, self.requests) && same(after, 0.0),
        )?;
        let (_, limit, _) = stands(LIMIT);
        ensure!(limit > 0.0 && limit <= places, "expected {places} places at most, not {limit}");
        let (before, most, after) = stands(QUEUED);
        story.check(
            "saturation: the queue's depth fills and empties",
            format!("0, 1 to {}, 0", self.requests),
            format!("{before}, {most}, {after}"),
            same(before, 0.0) && (1.0..=self.requests).contains(&most) && same(after, 0.0),
        )?;
        for gauge in [TASKS, CONNECTIONS] {
            let (before, most, after) = stands(gauge);
            story.check(
                &format!("saturation: {} rises with the load and falls", gauge.0),
                format!("{} more at least", self.requests),
                format!("{before}, {most}, {after}"),
                most >= before + self.requests && after < most,
            )?;
        }
        let (_, busy, _) = stands(BUSY);
        ensure!(busy > 0.0 && busy <= 1.0, "expected that the workers' share is one: {busy}");
        ensure!(self.most(MEMORY) > 0.0, "expected that memory is shown");
        Ok(())
    }
}

/// What the kernel says of a process's memory, in bytes; nothing where it does not say that.
pub(super) fn memory(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse::<f64>().ok().map(|kibibytes| kibibytes * 1024.0)
}

/// Memory as another sees it, and how late everything is: store, counters' and tasks' waits are measured.
pub(super) fn check_waits(
    story: &Story,
    grown: &Scrape,
    now: &Scrape,
    memory: Option<f64>,
    commits: u64,
) -> anyhow::Result<()> {
    let shown = of(now, MEMORY);
    if let Some(memory) = memory {
        let near = (shown - memory).abs() < memory / 4.0;
        let mebibytes = |bytes: f64| format!("{:.0} MiB", bytes / 1024.0 / 1024.0);
        let asked = "saturation: memory is what the kernel counts, to a quarter";
        story.check(asked, mebibytes(memory), mebibytes(shown), near)?;
    }
    let written = grown.histogram("store_operation_duration_seconds", &[("operation", "commit")]);
    let asked = "saturation: database query latency has a histogram: commits in it";
    story.check(asked, format!("{commits} at least"), written.count(), written.count() >= commits)?;
    let (written, tasks) = (written.quantile(0.95), grown.histogram("tokio_delay_seconds", &[]).quantile(0.95));
    story.tell(
        "metrics",
        format!(
            "95 % of the store's commits take {:.3} s at most, and of the tasks run {:.3} s late at most",
            written.context("commits are measured")?.at_most,
            tasks.context("tasks' delays are measured")?.at_most,
        ),
    )
}
