//! `cargo run -p tollgate-observability -- …`: writes what Cloud Monitoring and Prometheus read, or says what does not hold together.

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand};
use tollgate_observability::{Sources, cases::Cases, check, dashboards, generate, promtool};

/// Objectives, alerts and dashboards: made and checked.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write everything that is made of slos.toml, alerts.toml, cases and dashboards.
    Generate,
    /// Say what does not hold together: runbooks, metrics, labels, cases, generated files.
    Check {
        /// Have `promtool` check the rules and play the cases, too.
        #[arg(long)]
        promtool: bool,
    },
    /// List the dashboards' queries, one a line: where it is, why a sandbox cannot show it (or nothing), `PromQL`; tabs between.
    Queries,
    /// Print the lines that docs/slo.md must have.
    Rows,
}

fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let (sources, root) = (Sources::read(&Sources::folder())?, Sources::root());
    let mut out = std::io::stdout();
    match command {
        Command::Generate => generate::write(&sources, &root)?,
        Command::Check { promtool: with_promtool } => {
            let wrong = check::all(&sources, &root)?;
            for line in &wrong {
                writeln!(out, "{line}")?;
            }
            if *with_promtool {
                play()?;
            }
            writeln!(
                out,
                "{} alerts, {} dashboards; {} mistakes",
                sources.all_alerts()?.len(),
                sources.dashboards.len(),
                wrong.len()
            )?;
            if !wrong.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Queries => {
            for shown in dashboards::queries(&sources)? {
                let expr = sources.with_defaults(&shown.expr).split_whitespace().collect::<Vec<_>>().join(" ");
                writeln!(out, "{}\t{}\t{expr}", shown.place, shown.not_in_a_sandbox.unwrap_or_default())?;
            }
        }
        Command::Rows => {
            for row in tollgate_observability::documentation::rows(&sources)? {
                writeln!(out, "{row}")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn play() -> anyhow::Result<()> {
    if !promtool::is_there() {
        anyhow::ensure!(!promtool::is_required(), "promtool is missing: apt-get install prometheus");
        writeln!(std::io::stderr(), "promtool is not there (apt-get install prometheus): the cases were not played")?;
        return Ok(());
    }
    let files = Cases::read(&Sources::folder().join("cases"))?.promtool()?;
    let tests: Vec<String> = files.keys().map(|name| format!("cases/{name}")).collect();
    promtool::run(&Sources::folder().join("generated"), &tests)
}
