//! The task runtime's own metrics: `tokio_*`.
//!
//! Must not know: what the tasks are.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::runtime::Handle;

use super::write_metric;

/// How busy the workers had been at the last scrape.
#[derive(Debug, Default)]
pub(super) struct Busy {
    last: Mutex<(Duration, Duration)>,
}

/// Appends the numbers of the runtime that it is called on.
pub(super) fn write(text: &mut String, busy: &Busy, now: Duration) {
    let Ok(handle) = Handle::try_current() else { return };
    let runtime = handle.metrics();
    let workers = runtime.num_workers();
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let total: Duration = (0..workers).map(|worker| runtime.worker_total_busy_duration(worker)).sum();
    write_metric(text, "tokio_workers", "gauge", "Worker threads.", count(workers));
    write_metric(text, "tokio_alive_tasks", "gauge", "Tasks that have not ended.", count(runtime.num_alive_tasks()));
    let queued = count(runtime.global_queue_depth());
    write_metric(text, "tokio_global_queue_depth", "gauge", "Tasks waiting in the shared queue.", queued);
    write_metric(text, "tokio_busy_seconds_total", "counter", "Time the workers worked.", total.as_secs_f64());
    let ratio = busy.since_last(total, now, workers);
    write_metric(text, "tokio_busy_ratio", "gauge", "The workers' busy share since the last scrape, 0 to 1.", ratio);
}

impl Busy {
    fn since_last(&self, total: Duration, now: Duration, workers: usize) -> f64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (total_before, before) = std::mem::replace(&mut *last, (total, now));
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        let available = now.saturating_sub(before).as_secs_f64() * f64::from(workers);
        if available > 0.0 { (total.saturating_sub(total_before).as_secs_f64() / available).min(1.0) } else { 0.0 }
    }
}
