//! The benchmark: `cargo run --release -p tollgate-bench`. It starts the gateway and a simulated provider as processes,
//! puts load on them, and measures the machine itself beside them: `docs/performance.md` says how to read it.

#[cfg(feature = "google-cloud")]
mod emulated;
mod hanging;
mod http;
mod load;
mod metrics;
mod payments;
mod process;
mod programs;
mod raw;
mod receiver;
#[cfg(feature = "google-cloud")]
mod relay;
mod report;
mod scenarios;
mod stage;
mod usage;

use std::{io::Write, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::{Parser, builder::PossibleValuesParser};

use programs::Programs;
use report::Report;
use scenarios::{SCENARIOS, Settings};

/// How to get what this build has not.
const MORE: &str = if cfg!(feature = "google-cloud") {
    ""
} else {
    "The scenario `spanner` needs a build with Google's client:\n  \
     cargo run --release -p tollgate-bench --features google-cloud -- spanner"
};

/// Measures the gateway beside what the machine itself can do.
#[derive(Parser)]
#[command(after_help = MORE)]
struct Cli {
    /// What to measure.
    #[arg(default_value = "all", value_parser = PossibleValuesParser::new(names()))]
    scenarios: Vec<String>,
    /// How many clients call at the same time.
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// How long the gateway is measured for each figure.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// How many payments are settled.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    settled: u64,
    /// Ends with an error where a target is not met: for a check that nobody looks at.
    #[arg(long)]
    strict: bool,
    /// Where to write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn names() -> impl Iterator<Item = &'static str> {
    SCENARIOS.iter().map(|scenario| scenario.name).chain(["all", raw::echo::ARGUMENT])
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    if cli.scenarios.iter().any(|name| name == raw::echo::ARGUMENT) {
        // With as many threads as the gateway has.
        return tokio::runtime::Runtime::new()?.block_on(raw::echo::serve());
    }
    // Load comes from one thread, so that it never takes more than a core from what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(&cli))
}

async fn measure(cli: &Cli) -> Result<()> {
    let settings = Settings {
        programs: Programs::build()?,
        clients: cli.clients.max(1),
        time: Duration::from_secs(cli.seconds.max(1)),
        settled: cli.settled,
    };
    let mut report = Report::new(settings.clients, settings.time.as_secs());
    let wanted = |name: &str| cli.scenarios.iter().any(|wanted| wanted == name || wanted == "all");
    for scenario in SCENARIOS.iter().filter(|scenario| wanted(scenario.name)) {
        report.begin(scenario.name);
        (scenario.run)(&settings, &mut report).await.with_context(|| format!("{} failed", scenario.name))?;
    }
    write!(std::io::stdout(), "{}", report.table())?;
    if let Some(file) = &cli.json {
        std::fs::write(file, report.json()?).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    ensure!(!cli.strict || report.is_good(), "not every target is met");
    Ok(())
}
