//! `tollgate`, the operator's command: the schema, merchants, their keys and endpoints, providers' switches, payments, deliveries,
//! settlements, the books, whether a statement of the bank agrees, and whether a backup is good. Whatever it changes is kept with who
//! and why.
//! It works on the store itself, with the rights of whoever runs it; the environment is the functions' own. `verify` alone has no
//! store: it is a merchant, over HTTP.
//!
//! Must not know: routes (`verify` aside), SQL, what a payment may do. It never moves money but a synthetic merchant's.

mod arguments;
mod audit;
mod deliveries;
mod digest;
mod endpoints;
mod exceptions;
mod failure;
mod invariants;
mod keys;
mod merchants;
mod migrate;
mod open;
mod output;
mod payment;
mod progress;
mod providers;
mod reconcile;
mod recovery;
mod rotate;
mod settlement;
mod table;
mod verify;

use std::process::ExitCode;

use tollgate_assembly::{StoreConfiguration, secrets_key};
use tollgate_runtime::{
    Variables,
    logs::{self, LogFormat, LogOptions},
};
use zeroize::Zeroizing;

use arguments::{By, Command, Reconcile, Reconciliation};
use open::Operator;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match arguments::read() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let code = arguments.command.failure_code();
    match Box::pin(run(arguments.command, arguments.json)).await {
        Ok(code) => code,
        Err(error) => failure::report(&error, code),
    }
}

async fn run(command: Command, json: bool) -> anyhow::Result<ExitCode> {
    if let Command::Completions { shell } = command {
        return output::offer(&String::from_utf8(arguments::completions(shell))?).map(|()| ExitCode::SUCCESS);
    }
    let mut vars = Variables::of_process();
    let logs = read_logs(&mut vars);
    if let Command::Verify(what) = &command {
        let key = verify::api_key(&mut vars);
        vars.finish()?;
        logs::install(&logs);
        return verify::run(what, &key?, json).await;
    }
    let store = StoreConfiguration::read(&mut vars);
    let secrets_key = command.writes_secrets().then(|| secrets_key(&mut vars)).transpose();
    // After this, what was read is known to be good.
    vars.finish()?;
    let (store, secrets_key) = (store?, secrets_key?);
    logs::install(&logs);
    match command {
        Command::Migrate => migrate::run(&store, json).await.map(|()| ExitCode::SUCCESS),
        Command::Recovery(command) => recovery::run(&store, command, json).await,
        command => on_store(&Operator::open(&store).await?, command, secrets_key, json).await,
    }
}

/// Does what a store is opened for.
async fn on_store(
    operator: &Operator,
    command: Command,
    secrets_key: Option<Zeroizing<[u8; 32]>>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let done = match command {
        Command::Migrate | Command::Recovery(_) | Command::Verify(_) | Command::Completions { .. } => Ok(()),
        Command::Merchants(command) => merchants::run(operator, command, json).await,
        Command::Keys(command) => keys::run(operator, command, json).await,
        Command::Endpoints(command) => endpoints::run(operator, command, secrets_key, json).await,
        Command::Provider(command) => providers::run(operator, command, json).await,
        Command::Payment(command) => payment::run(operator, command, json).await,
        Command::Deliveries(command) => deliveries::run(operator, command, json).await,
        Command::DeadLetters(command) => deliveries::dead_letters(operator, command, json).await,
        Command::Settlement(command) => return settlement::run(operator, command, json).await,
        Command::Invariants { limit } => return invariants::run(operator, limit, json).await,
        Command::Changes(which) => audit::changes(operator, &which, json).await,
        Command::Reconcile(Reconcile::BankStatement { file, record, by }) => {
            let keeper = record.then(|| audit::Who::name(By { by })).transpose()?;
            return reconcile::bank_statement(operator, &file, keeper, json).await;
        }
        Command::Reconciliation(Reconciliation::Exceptions(command)) => exceptions::run(operator, command, json).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Warnings, as text on stderr, unless `RUST_LOG` asks for more: stdout is for what was asked for.
fn read_logs(vars: &mut Variables) -> LogOptions {
    vars.set_default("RUST_LOG", "warn");
    vars.unset("LOG_FORMAT");
    let options = LogOptions::read(vars).unwrap_or_default();
    LogOptions { format: LogFormat::Text, ..options }
}
