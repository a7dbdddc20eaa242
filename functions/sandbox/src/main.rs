//! `cargo run`: the sandbox. `serve` is the default; `--help` lists the rest.

use std::{io::Write, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use tollgate_runtime::{
    Variables,
    config::Mistakes,
    logs::{self, LogFormat, LogOptions},
    trace::{TraceOptions, Traces},
};
use tollgate_sandbox::{
    demo, drills,
    providers::{self, ProvidersOptions},
    serve::{self, ClockMode, ServeOptions},
};

/// How long an end waits for the spans that are left.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Tollgate's sandbox: a payment gateway with simulated providers, in one process.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Serve every function on 127.0.0.1 (the default).
    Serve(ServeArgs),
    /// Run the simulated providers alone, so that either side can be killed without the other.
    Providers(ProvidersArgs),
    /// Play a payment through its life, and say whether everything was as it should be.
    Demo,
    /// List the drills, or play one (or all).
    Drill {
        /// `C1`, `C5`, … or `all`.
        name: Option<String>,
    },
}

#[derive(Args)]
struct ServeArgs {
    /// The port on 127.0.0.1; 0 takes any free one.
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// Where everything is kept.
    #[arg(long, default_value = ".tollgate", conflicts_with = "ephemeral")]
    data: PathBuf,
    /// Keep nothing.
    #[arg(long)]
    ephemeral: bool,
    /// Use simulated providers that run in another process (`providers`).
    #[arg(long, value_name = "URL")]
    providers_url: Option<String>,
    /// `real` runs by itself. `simulated` stands, at first at the present, until it is moved; so does an instant like
    /// 2027-01-15T03:00:00Z, at first there.
    #[arg(long, default_value_t = ClockMode::Real)]
    clock: ClockMode,
}

#[derive(Args)]
struct ProvidersArgs {
    /// The port on 127.0.0.1; 0 takes any free one.
    #[arg(long)]
    port: u16,
    /// Where the providers keep their books.
    #[arg(long)]
    data: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut vars = Variables::of_process();
    let mut options = LogOptions::read(&mut vars).unwrap_or_default();
    if !vars.is_set("LOG_FORMAT") {
        options.format = LogFormat::Text;
    }
    if !vars.is_set("RUST_LOG") {
        "warn".clone_into(&mut options.filter);
    }
    // A mistake in these is reported with the others.
    let trace_options = TraceOptions::read(&mut vars, "sandbox").ok().flatten();
    if let Err(mistakes) = vars.finish() {
        return report(&mistakes.into());
    }
    let traces = match trace_options.as_ref().map(Traces::start).transpose() {
        Ok(traces) => traces,
        Err(error) => return report(&error),
    };
    logs::install_traced(&options, traces.as_ref());
    let result = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve::run(args.into()).await,
        Command::Providers(args) => providers::run(ProvidersOptions { port: args.port, data: args.data }).await,
        Command::Demo => demo::run().await,
        Command::Drill { name } => drills::run(name.as_deref()).await,
    };
    if let Some(traces) = traces {
        traces.flush(FLUSH_WITHIN).await;
    }
    result.map_or_else(|error| report(&error), |()| ExitCode::SUCCESS)
}

/// Says what is wrong, one line each. Wrong configuration is 2, as for the functions; anything else is 1.
fn report(error: &anyhow::Error) -> ExitCode {
    let mut stderr = std::io::stderr().lock();
    let Some(mistakes) = error.downcast_ref::<Mistakes>() else {
        // There is nowhere else to say it.
        _ = writeln!(stderr, "error: {error:#}");
        return ExitCode::FAILURE;
    };
    for line in &mistakes.0 {
        _ = writeln!(stderr, "error: {line}");
    }
    ExitCode::from(2)
}

impl From<ServeArgs> for ServeOptions {
    fn from(args: ServeArgs) -> Self {
        Self {
            port: args.port,
            data: (!args.ephemeral).then_some(args.data),
            providers_url: args.providers_url,
            clock: args.clock,
            environment: true,
        }
    }
}
