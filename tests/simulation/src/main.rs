//! A simulation in which money cannot be lost: the real use-cases and adapters, several instances, modelled providers, and
//! everything that can go wrong, from one seed. `simulation --seeds 1..100`.
//!
//! Must not know: anything of production's; production knows nothing of it.

mod check;
mod crooked;
mod dice;
mod executor;
mod faults;
mod instance;
mod merchant;
mod messages;
mod planted;
mod planted_store;
mod ports;
mod providers;
mod run;
mod stage;
mod store;
mod store_records;
mod story;
mod watch;
mod world;

use std::process::ExitCode;

use clap::Parser;

/// A sixth of the simulation's time was the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Plays simulations.
#[derive(Debug, Parser)]
struct Arguments {
    /// The seeds, such as `1..100` (the last one not included) or `7`.
    #[arg(long, default_value = "1..11")]
    seeds: run::Seeds,
    /// Payments in each.
    #[arg(long, default_value_t = 200)]
    payments: u64,
    /// Plant each known bug, and say whether it is caught.
    #[arg(long)]
    planted: bool,
    /// Only the planted bugs whose name contains this.
    #[arg(long, default_value = "")]
    bug: String,
    /// Print the story of every seed, not only of one that fails.
    #[arg(long)]
    story: bool,
    /// Print what each seed came to.
    #[arg(long)]
    hashes: bool,
    /// Stop after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let all_well = if arguments.planted {
        run::plant(arguments.seeds, arguments.payments, &arguments.bug)
    } else {
        run::play(&run::Play {
            seeds: arguments.seeds,
            payments: arguments.payments,
            story: arguments.story,
            hashes: arguments.hashes,
            seconds: arguments.seconds,
            threads: arguments.threads,
        })
    };
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
