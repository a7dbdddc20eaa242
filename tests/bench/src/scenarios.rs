//! What is measured. A scenario is a file here and a line in [`SCENARIOS`].

mod create;
mod create_capture;
mod curve;
mod deliveries;
mod functions;
mod hostile;
mod memory;
mod noisy;
mod outage;
mod overload;
mod paused;
mod settlement;
#[cfg(feature = "google-cloud")]
mod spanner;
mod startup;

use std::time::Duration;

use anyhow::Result;
use futures::future::LocalBoxFuture;

use crate::{programs::Programs, report::Report};

/// How to measure.
pub(crate) struct Settings {
    /// What is measured.
    pub(crate) programs: Programs,
    /// How many clients call at the same time.
    pub(crate) clients: usize,
    /// How long the gateway is measured for each figure.
    pub(crate) time: Duration,
    /// How many payments are settled.
    pub(crate) settled: u64,
}

/// Something to measure: it prepares its stage, plays, and reports figures.
pub(crate) struct Scenario {
    /// As it is asked for.
    pub(crate) name: &'static str,
    /// Measures it.
    pub(crate) run: for<'a> fn(&'a Settings, &'a mut Report) -> LocalBoxFuture<'a, Result<()>>,
}

/// All of them, in the order in which they are played.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "startup", run: |settings, report| Box::pin(startup::run(settings, report)) },
    Scenario { name: "create", run: |settings, report| Box::pin(create::run(settings, report)) },
    Scenario { name: "create-capture", run: |settings, report| Box::pin(create_capture::run(settings, report)) },
    Scenario { name: "curve", run: |settings, report| Box::pin(curve::run(settings, report)) },
    Scenario { name: "functions", run: |settings, report| Box::pin(functions::run(settings, report)) },
    Scenario { name: "deliveries", run: |settings, report| Box::pin(deliveries::run(settings, report)) },
    Scenario { name: "settlement", run: |settings, report| Box::pin(settlement::run(settings, report)) },
    Scenario { name: "memory", run: |settings, report| Box::pin(memory::run(settings, report)) },
    Scenario { name: "outage", run: |settings, report| Box::pin(outage::run(settings, report)) },
    Scenario { name: "overload", run: |settings, report| Box::pin(overload::run(settings, report)) },
    Scenario { name: "noisy", run: |settings, report| Box::pin(noisy::run(settings, report)) },
    Scenario { name: "paused", run: |settings, report| Box::pin(paused::run(settings, report)) },
    Scenario { name: "hostile", run: |settings, report| Box::pin(hostile::run(settings, report)) },
    #[cfg(feature = "google-cloud")]
    Scenario { name: "paused-spanner", run: |settings, report| Box::pin(paused::on_spanner(settings, report)) },
    #[cfg(feature = "google-cloud")]
    Scenario { name: "spanner", run: |settings, report| Box::pin(spanner::run(settings, report)) },
];

/// The middle one. What a shared machine does to single rounds does not move it far.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}
