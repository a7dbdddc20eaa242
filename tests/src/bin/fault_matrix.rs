//! The fault matrix: `cargo run -p tollgate-tests --bin fault-matrix`. `docs/faults.md` says how to read what it prints.

use std::{io::Write, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::ensure;
use clap::{Args, Parser, Subcommand, builder::PossibleValuesParser};
use tollgate_runtime::function::stop_signal;
use tollgate_tests::faults::{
    matrix::{PARTS, TROUBLES},
    merchant,
    run::{Plan, row},
    table::table,
};

/// Breaks every part that the gateway needs in every way, under load, and checks that no money is lost.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    play: Play,
}

#[derive(Subcommand)]
enum Command {
    /// A merchant's endpoint, which the matrix starts and kills.
    #[command(hide = true)]
    Merchant {
        #[arg(long)]
        file: PathBuf,
    },
}

#[derive(Args)]
struct Play {
    /// These parts only.
    #[arg(long, value_parser = PossibleValuesParser::new(PARTS.map(|part| part.name())))]
    part: Vec<String>,
    /// These troubles only.
    #[arg(long, value_parser = PossibleValuesParser::new(TROUBLES.map(|trouble| trouble.name())))]
    trouble: Vec<String>,
    /// How long each lasts.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// How many rows are played at the same time, each on a deployment of its own.
    #[arg(long, default_value_t = 3)]
    rows: usize,
    /// On `SQLite` and the embedded queue, though the emulators are there.
    #[arg(long)]
    sqlite: bool,
    /// Keep logs and books here.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    if let Some(Command::Merchant { file }) = cli.command {
        merchant::serve(0, &file).await?;
    }
    let stop = stop_signal()?;
    // Whoever ends it ends what it started, too.
    tokio::select! {
        played = play(cli.play) => played,
        () = stop => Ok(ExitCode::FAILURE),
    }
}

async fn play(asked: Play) -> anyhow::Result<ExitCode> {
    let wanted = |names: &[String], name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let troubles: Vec<_> = TROUBLES.into_iter().filter(|trouble| wanted(&asked.trouble, trouble.name())).collect();
    let plan = Plan { lasts: Duration::from_secs(asked.seconds), keep: asked.keep, on_sqlite: asked.sqlite };
    let parts: Vec<_> = PARTS.into_iter().filter(|part| wanted(&asked.part, part.name())).collect();
    let (mut outcomes, mut failed) = (Vec::new(), Vec::new());
    for parts in parts.chunks(asked.rows.max(1)) {
        let rows = parts.iter().map(|part| row(*part, &troubles, &plan));
        for (part, row) in parts.iter().zip(futures::future::join_all(rows).await) {
            match row {
                Ok(row) => outcomes.extend(row),
                Err(error) => failed.push(format!("{}: {error:#}", part.name())),
            }
        }
    }
    write!(std::io::stdout(), "{}", table(&outcomes, &parts))?;
    ensure!(failed.is_empty(), "rows that could not be played: {failed:?}");
    // Nothing that was played is no good sign.
    ensure!(
        !outcomes.is_empty(),
        "there was nothing to play: on SQLite `store` has only `kill`, and there is no `queue`"
    );
    let good = outcomes.iter().all(|outcome| outcome.wrong.is_empty());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
